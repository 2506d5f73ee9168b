"""`render` from file to file, with real readers, engines and writers."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import vidstyle
from vidstyle.errors import BackendError, InputError, OutputError, StyleError, UsageError
from vidstyle.fileloop import Progress
from vidstyle.pipeline import render
from vidstyle.settings import RenderOptions, Size
from vidstyle.style_library import Library

FAST: dict[str, Any] = {"backend": "openvino", "precision": "fp32", "codec": "ffv1"}


def stamps(path: Path, *, kind: str = "video") -> list[Fraction]:
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams if s.type == kind)
        return [p.pts * p.time_base for p in film.demux(stream) if p.pts is not None and p.time_base is not None]


def packets(path: Path, *, kind: str) -> list[bytes]:
    with av.open(str(path)) as film:
        stream = next(s for s in film.streams if s.type == kind)
        return [bytes(p) for p in film.demux(stream) if p.size]


@pytest.mark.parametrize("stabilize", [False, True])
def test_strength_zero_gives_every_picture_back(
    make_film: Callable[..., Path], pictures: Callable[[Path], list], library: Library, tmp_path: Path, stabilize: bool
) -> None:
    film, target = make_film(sound=True, frames=20), tmp_path / "out.mkv"
    options = RenderOptions(strength=0, codec="ffv1", stabilize=stabilize)
    report = render(film, target, options=options, library=library)
    before, after = pictures(film), pictures(target)
    assert len(before) == len(after) == report.frames_in == report.frames_out == 20
    assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(before, after, strict=True)) <= 2
    assert stamps(film) == stamps(target)
    assert packets(film, kind="audio") == packets(target, kind="audio")
    assert stamps(film, kind="audio") == stamps(target, kind="audio")
    assert (report.backend, report.device, report.precision) == (None, None, None)
    assert not list(tmp_path.glob("*.part"))


def test_the_report_tells_what_reader_and_writer_warn_of(make_film: Callable[..., Path], library: Library) -> None:
    joined = make_film("joined.ts", codec="mpeg2video", pixel_format="yuv420p")
    joined.write_bytes(joined.read_bytes() * 2)
    for film, said in ((joined, "jumps back"), (make_film(sound=True), "encoded anew")):
        report = render(film, film.with_suffix(".mp4"), options=RenderOptions(strength=0), library=library)
        assert any(said in line for line in report.warnings), report.warnings


def test_painted_frames_are_the_painters(
    make_film: Callable[..., Path], pictures: Callable[[Path], list], library: Library, tmp_path: Path
) -> None:
    film, target = make_film(frames=7), tmp_path / "out.mkv"
    seen: list[Progress] = []
    report = render(
        film,
        target,
        styles=["mosaic:2", "waves"],
        options=RenderOptions(**FAST, batch=3),
        library=library,
        progress=seen.append,
    )
    assert (report.backend, report.precision, report.frames_out) == ("openvino", "fp32", 7)
    assert report.styles == {"mosaic": 2.0, "waves": 1.0}
    network = library.network()
    look = vidstyle.Look(mix=library.mix([("mosaic", 2.0), ("waves", 1.0)], network))
    with vidstyle.Painter(network, backend="openvino", precision="fp32") as painter:
        wanted = painter.paint(np.stack(pictures(film)), look)
    difference = np.abs(np.stack(pictures(target)).astype(int) - wanted)
    assert difference.mean() < 1.5  # the film is written in YUV
    assert seen
    assert all(p.total == 7 for p in seen)


def test_size_and_part_of_the_film(make_film: Callable[..., Path], library: Library, tmp_path: Path) -> None:
    film, target = make_film(frames=25, width=64, height=48), tmp_path / "out.mkv"
    options = RenderOptions(strength=0, size=Size(short=24), start=Fraction(1, 5), end=Fraction(3, 5), codec="ffv1")
    report = render(film, target, options=options, library=library)
    assert (report.width, report.height, report.frames_out) == (32, 24, 10)
    with av.open(str(target)) as result:
        assert (result.streams.video[0].width, result.streams.video[0].height) == (32, 24)


def test_keep_colors_and_stroke_reach_the_painter(
    make_film: Callable[..., Path], pictures: Callable[[Path], list], library: Library, tmp_path: Path
) -> None:
    film = make_film(frames=1)
    results = []
    for name, options in {"plain": {}, "colours": {"keep_colors": True}, "stroke": {"stroke": 0.5}}.items():
        target = tmp_path / f"{name}.png"
        render(film, target, options=RenderOptions(backend="openvino", **options), library=library)
        results.append(pictures(target)[0].astype(int))
    plain, colours, stroke = results
    assert np.abs(plain - stroke).mean() > 1
    original = pictures(film)[0].astype(int)
    chroma = [picture[..., 0] - picture[..., 2] for picture in (original, plain, colours)]
    assert np.abs(chroma[2] - chroma[0]).mean() < np.abs(chroma[1] - chroma[0]).mean() / 2


def nothing_but(film: Path) -> bool:
    return [path for path in film.parent.iterdir() if path.is_file()] == [film]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"styles": (("mosiac", 1.0),)}, StyleError, "did you mean 'mosaic'"),
        ({"network": "clasic"}, StyleError, "did you mean 'classic'"),
        ({"backend": "openvin"}, UsageError, "did you mean 'openvino'"),
        ({"backend": "openvin", "strength": 0}, UsageError, "did you mean 'openvino'"),
        ({"codec": "nonsense"}, UsageError, "nonsense"),
        ({"device": "GPU.7", "backend": "openvino"}, BackendError, "GPU.7"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(
    make_film: Callable[..., Path], library: Library, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    film = make_film()
    with pytest.raises(error, match=words):
        render(film, film.with_name("out.mkv"), options=RenderOptions(**options), library=library)
    assert nothing_but(film)


def test_the_target_is_checked_before_anything_is_loaded(make_film: Callable[..., Path]) -> None:
    film = make_film()
    before = film.read_bytes()
    nowhere = Library([film.parent / "no library"])
    with pytest.raises(OutputError, match="exists"):
        render(film, make_film("there.mkv"), library=nowhere)
    with pytest.raises(UsageError):
        render(film, film, options=RenderOptions(overwrite=True), library=nowhere)
    with pytest.raises(OutputError):
        render(film, film.parent / "no folder" / "out.mkv", library=nowhere)
    assert film.read_bytes() == before


def test_a_film_that_is_none_is_an_input_error(tmp_path: Path, library: Library) -> None:
    film = tmp_path / "in.mp4"
    film.write_text("<html>not found</html>")
    with pytest.raises(InputError):
        render(film, tmp_path / "out.mkv", library=library)
    assert nothing_but(film)


def start(film: Path, target: Path, library_root: Path, *extra: str) -> subprocess.Popen[str]:
    """A slow rendering in a process of its own, once it has written some of the film."""
    code = (
        "import sys, time, vidstyle.painter as p; paint = p.Painter.paint\n"
        "p.Painter.paint = lambda *a: (time.sleep(0.02), paint(*a))[1]\n"
        "from vidstyle.cli.app import main; main()"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "render",
        str(film),
        str(target),
        "--strength",
        "0",
        "--codec",
        "ffv1",
        *extra,
    ]
    environment = os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    part = target.with_name(target.name + ".part")
    until = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 20000):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_flushes_and_keeps_a_playable_part(
    make_film: Callable[..., Path],
    pictures: Callable[[Path], list],
    library_root: Path,
    tmp_path: Path,
    number: int,
    code: int,
) -> None:
    film, target = make_film(frames=500, sound=True), tmp_path / "out.mkv"
    process = start(film, target, library_root)
    process.send_signal(number)
    assert process.wait(20) == code
    assert process.stderr is not None
    [line] = process.stderr.read().splitlines()[-1:]
    assert "after" in line
    assert not target.exists()
    part = pictures(target.with_name("out.mkv.part"))
    assert 1 <= len(part) < 500
    assert f"after {len(part)} frames" in line


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_kill_leaves_no_target_and_a_playable_part(
    make_film: Callable[..., Path], pictures: Callable[[Path], list], library_root: Path, tmp_path: Path
) -> None:
    film, target = make_film(frames=500), tmp_path / "out.mkv"
    process = start(film, target, library_root)
    process.kill()
    process.wait(20)
    assert not target.exists()
    assert len(pictures(target.with_name("out.mkv.part"))) >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_an_interrupt_gets_through_to_an_input_that_hangs(library_root: Path, tmp_path: Path) -> None:
    """Standard input that neither goes on nor ends, while its beginning is looked at."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "vidstyle", "render", "-", str(tmp_path / "out.mkv"), "--strength", "0"],
        stdin=read,
        stderr=subprocess.PIPE,
        env=os.environ | {"VIDSTYLE_DATA_DIR": str(library_root)},
    )
    try:
        os.write(write, b"\x1a\x45\xdf\xa3")  # how Matroska begins
        until = time.monotonic() + 60
        while select.select([read], [], [], 0)[0]:  # until it has been taken
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)
    assert not list(tmp_path.glob("out*"))


def test_memory_stays_flat(make_film: Callable[..., Path], library: Library, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    options = RenderOptions(strength=0, codec="ffv1", overwrite=True)
    film = make_film(frames=400, width=160, height=120)
    render(film, tmp_path / "out.mkv", options=options, library=library)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2):
        render(film, tmp_path / "out.mkv", options=options, library=library)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 10 * 1024  # kilobytes; the frames of one run are 23 MB


def test_the_stabiliser_sees_every_frame_once_and_in_order(
    make_film: Callable[..., Path],
    pictures: Callable[[Path], list],
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stabiliser = pytest.importorskip("vidstyle.motion.stabiliser")
    seen: list[np.ndarray] = []

    class Darker:
        def __init__(self, **options: bool) -> None:
            assert options == {"fine": True}

        def apply(self, film: np.ndarray, painted: np.ndarray) -> np.ndarray:
            seen.append(film.copy())
            return painted // 2

    monkeypatch.setattr(stabiliser, "Stabiliser", Darker)
    film, target = make_film(frames=7), tmp_path / "out.mkv"
    options = RenderOptions(**FAST, stabilize=True, batch=3)
    assert render(film, target, options=options, library=library).frames_out == 7
    assert np.abs(np.stack(seen).astype(int) - np.stack(pictures(film))).max() <= 2
    assert max(int(picture.max()) for picture in pictures(target)) <= 132


def test_the_real_stabiliser_runs(make_film: Callable[..., Path], library: Library, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    film = make_film(frames=4)
    options = RenderOptions(**FAST, stabilize=True)
    assert render(film, tmp_path / "out.mkv", options=options, library=library).frames_out == 4
