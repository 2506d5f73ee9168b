"""What was measured, as JSON, as a table, and as the page docs/benchmarks.md."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from vidstyle.backends import cpu, gpu
from vidstyle.bench.cases import PEER, Timing
from vidstyle.bench.loop import LoopTiming, StartTiming
from vidstyle.bench.steady import SteadyTiming


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything measured in one run. `command` is what was typed; `machine` says on what."""

    command: str
    machine: str
    date: str
    versions: dict[str, str]
    timings: list[Timing] = field(default_factory=list)
    loop: LoopTiming | None = None
    starts: list[StartTiming] = field(default_factory=list)
    stabiliser: list[SteadyTiming] = field(default_factory=list)

    def times_faster(self, timing: Timing) -> float | None:
        """How many times faster than the peers' way at the same size; None where either was not measured."""
        for other in self.timings:
            same_size = (other.case.width, other.case.height) == (timing.case.width, timing.case.height)
            if other.case.engine == PEER and same_size and other.best and timing.best:
                return other.best / timing.best
        return None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        timings = [asdict(t) | {"times_faster": self.times_faster(t)} for t in self.timings]
        return asdict(self) | {"timings": timings}


def this_machine() -> str:
    """The processor, and the GPU that would be used."""
    found = cpu.processor()
    offers = "AMX" if found.amx else "bf16" if found.bf16 else "no bf16"
    gpus = ["Apple's GPU"] if gpu.accelerator() == "mps" else gpu.nvidia_gpus()[:1]
    return ", ".join([found.model, f"{found.threads} threads", offers, *gpus, platform.system()])


def new_results(command: str, **parts: Any) -> Results:
    """Results of this machine, now."""
    names = ("vidstyle", "openvino", "torch", "tensorrt", "av", "numpy")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # not measured, then
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Results(command=command, machine=this_machine(), date=today, versions=versions, **parts)


def table(results: Results) -> list[list[str]]:
    """Rows of text, a header first."""
    rows = [["size", "case", "ms a frame", "median", "times faster", "open s", "memory MB"]]
    for timing in results.timings:
        size = f"{timing.case.width}x{timing.case.height}"
        if timing.error:
            rows.append([size, timing.case.label, timing.error, "", "", "", ""])
            continue
        faster = results.times_faster(timing)
        numbers = [f"{timing.best:.1f}", f"{timing.median:.1f}", f"{faster:.1f}" if faster else ""]
        rows.append([size, timing.case.label, *numbers, f"{timing.open_seconds:.2f}", f"{timing.memory:.0f}"])
    return rows


def plain(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def loop_lines(results: Results) -> list[str]:
    """The file loop, the live stabiliser and the start-up times in sentences."""
    lines = []
    if loop := results.loop:
        film = f"{loop.frames} frames of {loop.width}x{loop.height} H.264 to H.264"
        lines.append(f"render, {film}, {loop.engine}: {loop.fps:.1f} frames a second")
        if loop.peer_fps:
            ratio = f"{loop.fps / loop.peer_fps:.0f} times faster"
            lines.append(f"the peers' way, film to film: {loop.peer_fps:.3f} frames a second; ours is {ratio}")
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in loop.stages.items())
        lines.append(f"busy seconds of each stage: {stages}; CPU seconds of all threads: {loop.cpu_seconds:.1f}")
        lines.append(f"the stages overlap: {loop.overlap:.2f} of the rate that this CPU time allows")
    lines += [
        f"--stabilize in live pictures of {steady.width}x{steady.height}, {steady.what}: "
        f"{steady.best:.1f} ms a frame, median {steady.median:.1f}"
        for steady in results.stabiliser
    ]
    lines += [f"{start.what}: {start.seconds:.2f} s" for start in results.starts]
    return lines


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page(results: Results, *, plot: str | None) -> str:
    """docs/benchmarks.md. `plot` is the picture's file name beside it."""
    header, *rows = table(results)
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    parts = [
        "# Benchmarks",
        f"Written by `{results.command}` on {results.date}, on {results.machine} ({versions}).",
        "Milliseconds a frame are those of the best run; the median shows how busy the machine was. The peers' way is "
        "Johnson's network, frame by frame, PyTorch eager fp32 on the processor, measured in the same run; "
        '"times faster" compares with it at the same size. Memory is the peak of a process that does only this.',
        "\n".join([_row(header), "|" + " --- |" * len(header), *(_row(row) for row in rows)]),
    ]
    if plot:
        parts.append(f"![Milliseconds a frame, logarithmic]({plot})")
    if lines := loop_lines(results):
        parts += ["## Film to film, and starting", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"
