"""Cases, a worker's timing, the ratios, the page and the plot; tiny sizes, no claim about speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from vidstyle.backends import cpu, gpu
from vidstyle.bench import cases, loop, report, steady, worker
from vidstyle.bench.cases import PEER, Case, Timing
from vidstyle.bench.plot import bars
from vidstyle.cli.app import run
from vidstyle.networks.network import load_network
from vidstyle.style_library import Library

OURS = Case(network="live", engine="openvino", precision="bf16", width=640, height=360)
PEERS = Case(network="classic", engine=PEER, precision="fp32", width=640, height=360)


def results(*timings: Timing) -> report.Results:
    film = loop.LoopTiming(
        width=1280, height=720, frames=50, fps=25, engine="live, openvino bf16", stages={"read": 1, "paint": 2},
        cpu_seconds=4, overlap=0.9, peer_fps=0.25,
    )  # fmt: skip
    starts = [loop.StartTiming(what="vidstyle --help", seconds=0.1)]
    return report.Results(
        command="vidstyle bench", machine="m", date="2026-01-01", versions={"numpy": "2"}, timings=list(timings),
        loop=film, starts=starts,
        stabiliser=[steady.SteadyTiming(what="pan", width=1280, height=720, best=5.4, median=6.6)],
    )  # fmt: skip


def test_the_plan_fits_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def processor(cpuinfo: str | None = None, *, bf16: bool = False) -> cpu.Processor:
        return cpu.Processor(model="x", threads=2, amx=bf16, bf16=bf16, hidden_tiles=False, limit=None)

    monkeypatch.setattr(gpu, "accelerator", lambda: None)
    monkeypatch.setattr(cpu, "processor", processor)
    plain = cases.plan(["live"], [360, 720], isas=["AVX2"])
    engines = [
        (PEER, "fp32", ""), ("openvino", "fp32", ""), ("openvino", "int8", ""),
        ("openvino", "fp32", "AVX2"), ("openvino", "int8", "AVX2"), ("torch", "fp32", ""),
    ]  # fmt: skip
    found_plain = [(c.height, c.engine, c.precision, c.isa) for c in plain]
    assert found_plain == [(height, *engine) for height in (360, 720) for engine in engines]
    monkeypatch.setattr(cpu, "processor", lambda cpuinfo=None: processor(bf16=True))
    monkeypatch.setattr(gpu, "accelerator", lambda: "cuda")
    found = {(c.engine, c.precision) for c in cases.plan(["live"], [360], peer=False)}
    assert found >= {("openvino", "bf16"), ("torch", "fp16"), ("torch", "fp32")}


def test_the_machine_is_named_with_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "nvidia_gpus", lambda: ["GPU A", "GPU B"])
    assert "GPU A, " in report.this_machine()


def test_the_live_stabiliser_is_measured() -> None:
    timings = steady.time_stabiliser((96, 64))
    assert [timing.what for timing in timings] == ["still camera", "pan"]
    assert all(0 < timing.best <= timing.median for timing in timings)


def test_a_case_is_measured_in_a_process_of_its_own() -> None:
    case = Case(network="live", engine="openvino", precision="fp32", width=48, height=32, batch=2)
    timing = cases.measure(case, seconds=0.05)
    assert timing.error == ""
    assert 0 < timing.best <= timing.median
    assert timing.runs >= 1
    assert timing.open_seconds > 0
    assert timing.memory > 20
    assert timing.device == "CPU"


def test_a_case_that_fails_says_why() -> None:
    case = Case(network="live", engine="openvino", precision="fp32", width=48, height=32, device="GPU.9")
    timing = cases.measure(case, seconds=0.05)
    assert "no device 'GPU.9'" in timing.error
    assert timing.best == 0


def test_without_pytorch_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def time_loop(folder: Path, *, size: tuple[int, int], frames: int, peer: bool) -> None:
        assert not peer

    monkeypatch.setattr(gpu, "NEEDED", ("no_such_package",))
    monkeypatch.setattr(cases, "measure", lambda case, *, seconds: Timing(case=case, best=2, median=2))
    monkeypatch.setattr(loop, "time_loop", time_loop)
    monkeypatch.setattr(loop, "time_starts", lambda folder: [])
    monkeypatch.setattr(steady, "time_stabiliser", lambda size: [])
    assert run(["bench", "--network", "live", "--size", "360", "--json"]) == 0
    told = capsys.readouterr()
    assert "the peers' way is left out" in told.err
    assert {timing["case"]["engine"] for timing in json.loads(told.out)["timings"]} == {"openvino"}


def test_a_profile_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--profile", "--write", str(tmp_path / "page.md")]) == 2
    assert "leave out --write" in capsys.readouterr().err


def test_a_network_that_is_not_there_is_an_error_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--network", "lve", "--size", "360"]) == 5
    assert "did you mean 'live'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_what_measures_ends_with_the_command(tmp_path: Path) -> None:
    worker, note = tmp_path / "worker", tmp_path / "pid"
    worker.write_text(f"#!/bin/sh\necho $$ > {note}.part; mv {note}.part {note}; exec sleep 60\n")
    worker.chmod(0o755)
    code = (
        "import sys; sys.executable = sys.argv.pop()\n"  # which is what measures, in place of Python
        "from vidstyle.cli.app import main; main()"
    )
    words = ["bench", "--network", "live", "--size", "360", "--no-peer", "--film", "0", str(worker)]
    process = subprocess.Popen([sys.executable, "-c", code, *words], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not note.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        process.terminate()
        errors = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "vidstyle: error: terminated"
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--isa", "AVX3"], 2, "--isa AVX3: there are SSE41"),
        (["--plot", "nowhere/bars.svg"], 4, "there is no folder nowhere"),
        (["--write", "nowhere/page.md"], 4, "there is no folder nowhere"),
        (["--plot", "bars.png"], 2, "bars.png: this is drawn as SVG"),
        (["--plot", "there.svg"], 4, "there.svg exists already; -y overwrites it"),
        (["--write", "there.md"], 4, "there.md exists already; -y overwrites it"),
    ],
)
def test_what_cannot_end_well_is_not_begun(
    words: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("there.svg", "there.md"):
        Path(name).touch()
    monkeypatch.setattr(cases, "measure", lambda case, seconds: pytest.fail("measured"))
    assert run(["bench", *words]) == code
    assert message in capsys.readouterr().err


def test_page_and_drawing_are_replaced_on_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cases, "measure", lambda case, seconds: Timing(case=case, best=10, median=11))
    for name in ("bars.svg", "page.md"):
        Path(name).touch()
    words = ["bench", "-q", "--size", "360", "--film", "0", "--plot", "bars.svg", "--write", "page.md"]
    assert run(words) == 4
    assert run([*words, "-y"]) == 0
    assert Path("bars.svg").read_text().startswith("<svg")
    assert "bars.svg" in Path("page.md").read_text()


def test_ratios_compare_the_same_size_only() -> None:
    other = Case(network="live", engine="openvino", precision="bf16", width=1280, height=720)
    found = results(Timing(case=PEERS, best=1500), Timing(case=OURS, best=10), Timing(case=other, best=20))
    assert [found.times_faster(t) for t in found.timings] == [1, 150, None]
    assert found.to_json()["timings"][1]["times_faster"] == 150
    json.dumps(found.to_json())


def test_the_page_holds_every_case_and_the_loop() -> None:
    found = results(Timing(case=PEERS, best=1500, median=1600), Timing(case=OURS, error="no such device"))
    text = report.page(found, plot="bars.svg")
    assert "| 640x360 | the peers' way | 1500.0 | 1600.0 | 1.0 |" in text
    assert "no such device" in text
    assert "ours is 100 times faster" in text
    assert "![Milliseconds a frame, logarithmic](bars.svg)" in text
    assert "vidstyle --help: 0.10 s" in text
    assert "live pictures of 1280x720, pan: 5.4 ms a frame, median 6.6" in text
    widths = {len(line.split("|")) for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_the_plot_has_a_bar_for_every_case_in_proportion() -> None:
    found = results(Timing(case=PEERS, best=1000), Timing(case=OURS, best=10), Timing(case=OURS, error="failed"))
    picture = ElementTree.fromstring(bars(found))
    boxes = [r for r in picture.iter("{http://www.w3.org/2000/svg}rect") if r.get("x")]
    assert len(boxes) == 2
    longer, shorter = (float(box.get("width", 0)) for box in boxes)
    assert longer > shorter
    assert longer == pytest.approx(3 * shorter, abs=1)  # 1000 and 10 on an axis from 1 to 1000


def test_the_film_of_the_loop(tmp_path: Path) -> None:
    loop.write_film(tmp_path / "film.mp4", size=(64, 48), frames=15)
    with av.open(str(tmp_path / "film.mp4")) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(pictures) == 15
    assert pictures[0].shape == (48, 64, 3)
    assert not np.array_equal(pictures[0], pictures[1])
    assert loop.time_peer_loop(tmp_path / "film.mp4", tmp_path / "peer.mp4") > 0


def test_random_networks_are_real_ones(tmp_path: Path) -> None:
    from vidstyle.networks.architecture import LIVE

    network = worker.random_network("live", LIVE, tmp_path)
    assert network.style_size == LIVE.style_size
    card = {"name": "live", "sha256": network.sha256, "architecture": LIVE.to_json()}
    (tmp_path / "network.json").write_text(json.dumps(card))
    assert load_network(tmp_path) == network


def test_a_profile_names_the_kinds_of_operations(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    from vidstyle.bench.profile import profile

    monkeypatch.setattr("vidstyle.style_library.shipped_data", lambda: library.roots[0])
    found = profile("live", size=(320, 240))
    assert found.kinds["Convolution"] > 0
    assert list(found.kinds.values()) == sorted(found.kinds.values(), reverse=True)
    assert "live 320x240" in found.lines[0]
    assert any("Convolution" in line for line in found.lines[1:])
