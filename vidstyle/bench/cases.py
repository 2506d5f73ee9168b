"""What is measured: one case is one engine at one size, run in a process of its own.

In its own process, because libraries read their limits once, because a process's peak memory can be
read only as a whole, and because no case shall warm the caches of another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vidstyle.backends import cpu, gpu

SIZES = {360: (640, 360), 720: (1280, 720), 1080: (1920, 1080)}
"""Short side to (width, height)."""

PEER = "peer"
"""The `engine` of the way most programs do it: the network of the literature, frame by frame, PyTorch eager fp32."""

_ISA = "ONEDNN_MAX_CPU_ISA"

ISAS = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI", "AVX512_CORE_BF16", "AVX512_CORE_FP16")
"""Lesser processors that oneDNN can be held to; it takes any other word for no limit."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`engine` is a backend's name or `PEER`; `isa` limits oneDNN to what a lesser processor has, "" not at all."""

    network: str
    engine: str
    precision: str
    width: int
    height: int
    batch: int = 1
    device: str = "auto"
    isa: str = ""

    @property
    def label(self) -> str:
        """In words, without the size."""
        if self.engine == PEER:
            return "the peers' way"
        batch = f", {self.batch} at once" if self.batch > 1 else ""
        return f"{self.network}, {self.engine} {self.precision}{batch}{f', {self.isa} only' if self.isa else ''}"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of one case: milliseconds a frame (the best run and the median one), how long opening the engine took,
    and the process's peak memory in MB; `error` where it could not run, all numbers being zero then."""

    case: Case
    best: float = 0
    median: float = 0
    runs: int = 0
    open_seconds: float = 0
    memory: float = 0
    device: str = ""
    error: str = ""


def plan(networks: Sequence[str], sizes: Sequence[int], *, isas: Sequence[str] = (), peer: bool = True) -> list[Case]:
    """Every network at every size with each engine and precision worth measuring on this machine."""
    from vidstyle.backends.registry import get_backend

    found = cpu.processor()
    engines: list[tuple[str, str, str]] = [("openvino", "fp32", "")]
    if found.bf16:
        engines.append(("openvino", "bf16", ""))
    engines.append(("openvino", "int8", ""))
    engines += [("openvino", precision, isa) for isa in isas for precision in ("fp32", "int8")]
    if get_backend("torch").available().ok:
        engines.append(("torch", "fp32", ""))
    if gpu.accelerator():
        engines.append(("torch", "fp16", ""))
        if get_backend("tensorrt").available().ok:
            engines.append(("tensorrt", "fp16", ""))
    cases = []
    for side in sizes:
        width, height = SIZES[side]
        if peer:
            cases.append(Case(network="classic", engine=PEER, precision="fp32", width=width, height=height))
        cases += [
            Case(network=network, engine=engine, precision=precision, width=width, height=height, isa=isa)
            for network in networks
            for engine, precision, isa in engines
        ]
    return cases


def measure(case: Case, *, seconds: float) -> Timing:
    """Run one case in a process of its own for about `seconds`."""
    environment = dict(os.environ)
    if case.isa:
        environment[_ISA] = case.isa
    command = [sys.executable, "-m", "vidstyle.bench.worker", json.dumps(asdict(case)), str(seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or f"ended with status {done.returncode}").splitlines()[-1]
        return Timing(case=case, error=reason)
    return Timing(case=case, **json.loads(done.stdout.splitlines()[-1]))
