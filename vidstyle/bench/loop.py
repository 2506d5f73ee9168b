"""The whole job from file to file, ours and the peers' way; and how long the program takes to start."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vidstyle.backends.cpu import processor
from vidstyle.bench.worker import moving_pictures
from vidstyle.errors import BackendError, VidstyleError

PEER_FRAMES = 2
REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class LoopTiming:
    """A film through `vidstyle render`: frames a second end to end, the engine, seconds each stage was busy.
    `overlap` is the rate reached, of that which the summed CPU time allows on all processors;
    `peer_fps` is the peers' way on a few frames of the same film, 0 where it was not measured."""

    width: int
    height: int
    frames: int
    fps: float
    engine: str
    stages: dict[str, float]
    cpu_seconds: float
    overlap: float
    peer_fps: float = 0


@dataclass(frozen=True, kw_only=True)
class StartTiming:
    """Seconds from the shell to the end of a command, the best of several, caches warm."""

    what: str
    seconds: float


def time_loop(folder: Path, *, size: tuple[int, int], frames: int, peer: bool) -> LoopTiming:
    """Render a film of `frames` frames. Raises VidstyleError."""
    film = folder / "film.mp4"
    write_film(film, size=size, frames=frames)
    report = json.loads(_run(["render", str(film), str(folder / "painted.mp4"), "--overwrite", "--json"]))
    return LoopTiming(
        width=report["width"],
        height=report["height"],
        frames=report["frames_out"],
        fps=round(report["fps"], 2),
        engine=f"{report['network']}, {report['backend']} {report['precision']}",
        stages={name: round(stage["busy_seconds"], 3) for name, stage in report["stages"].items()},
        cpu_seconds=round(report["cpu_seconds"], 2),
        overlap=round(report["cpu_seconds"] / report["seconds"] / processor().threads, 2),
        peer_fps=round(time_peer_loop(film, folder / "peer.mp4"), 4) if peer else 0,
    )


def time_starts(folder: Path) -> list[StartTiming]:
    """The help page, and one frame painted and written, each in a fresh process."""
    picture, painted = folder / "frame.png", folder / "painted.png"
    image = av.VideoFrame.from_ndarray(moving_pictures(640, 360, 1)[0], format="rgb24")
    with av.open(str(picture), "w", format="image2") as file:
        stream = file.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "rgb24"
        file.mux(stream.encode(image))
        file.mux(stream.encode(None))
    commands = {
        "vidstyle --help": ["--help"],
        "vidstyle render of one frame, 640x360": ["render", str(picture), str(painted), "-y", "-q"],
    }
    return [
        StartTiming(what=what, seconds=min(_seconds(arguments) for _ in range(REPEATS)))
        for what, arguments in commands.items()
    ]


def time_peer_loop(film: Path, target: Path) -> float:
    """Frames a second of the peers' way: OpenCV reads a frame, PyTorch paints it, OpenCV writes it."""
    import cv2

    from vidstyle.bench.peer import eager_peer

    paint = eager_peer()
    reader = cv2.VideoCapture(str(film))
    size = int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)), int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
    times = []
    for _ in range(PEER_FRAMES + 1):
        start = time.perf_counter()
        there, frame = reader.read()
        if not there:
            raise VidstyleError(f"{film}: OpenCV reads too few frames to measure the peers' way")
        painted = paint(np.ascontiguousarray(frame[None, ..., ::-1]))[0]
        writer.write(np.ascontiguousarray(painted[..., ::-1]))
        times.append(time.perf_counter() - start)
    reader.release()
    writer.release()
    return 1 / min(times[1:])  # the first one is the libraries' warming up


def write_film(path: Path, *, size: tuple[int, int], frames: int) -> None:
    """An H.264 film of moving waves, 25 frames a second."""
    distinct = moving_pictures(*size, count=min(frames, 12))
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(distinct[i % len(distinct)], format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def _run(arguments: Sequence[str]) -> str:
    """What `vidstyle ARGUMENTS` prints. Raises BackendError with its last words if it fails."""
    command = [sys.executable, "-m", "vidstyle", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackendError(f"vidstyle {arguments[0]} failed: {(done.stderr.strip() or '?').splitlines()[-1]}")
    return done.stdout


def _seconds(arguments: Sequence[str]) -> float:
    start = time.perf_counter()
    _run(arguments)
    return round(time.perf_counter() - start, 3)
