"""The long run: 720p at 30 fps from a film, the shipped network, latency and memory watched all along.

`python -m tests.live.soak [SECONDS] [--slow]` prints the result as JSON, with what is not as it must be under
"verdict"; any of that makes the exit status 1. `--slow` makes each run of the engine take at least two frame
times, which is half the speed that is needed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vidstyle.backends.protocol import Engine
from vidstyle.backends.registry import open_engine
from vidstyle.live.control import Control, LiveSettings
from vidstyle.live.loop import LiveLoop
from vidstyle.media.camera import open_camera
from vidstyle.media.live_protocol import CameraRequest, LiveFrame
from vidstyle.media.outputs import NullOutput, make_output
from vidstyle.media.synthetic import scene
from vidstyle.painter import Painter
from vidstyle.style_library import Library
from vidstyle.styles import IDENTITY

FloatArray = NDArray[np.float64]

RATE = 30

SLOWED = 2 / RATE
"""Seconds that each run of the slowed engine takes at least."""


class Watch(NullOutput):
    """Takes pictures and notes, once a second, the mean latency and the process's memory."""

    name = "watch"

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.seconds: list[tuple[float, float, float]] = []
        self._next = 0.0

    def write(self, frame: LiveFrame) -> None:
        now = time.monotonic()
        self.latencies.append(now - frame.captured)
        if now >= self._next:
            self._next = now + 1
            self.seconds.append((now, float(np.mean(self.latencies)), resident_mib()))
            self.latencies.clear()


class SlowEngine:
    """An engine whose every run takes at least `seconds`."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine, self._seconds, self.info = engine, seconds, engine.info

    def run(self, images: Any, style: Any) -> Any:
        until = time.monotonic() + self._seconds
        result = self._engine.run(images, style)
        time.sleep(max(0.0, until - time.monotonic()))
        return result

    def close(self) -> None:
        self._engine.close()


def resident_mib() -> float:
    """This process's resident memory in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def write_film(path: Path, seconds: int = 2) -> None:
    """The synthetic scene in 720p at 30 fps."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        for index in range(seconds * RATE):
            frame = av.VideoFrame.from_ndarray(scene(1280, 720, seconds=index / RATE), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))


def soak(seconds: float, *, folder: Path, slow: bool = False) -> dict[str, Any]:
    """Run a session for `seconds` and tell its rate, its latency, its memory, their trends, and the verdict."""
    film = folder / "scene.mp4"
    write_film(film)
    library = Library()
    network = library.network()
    names = [card.name for card in library.cards() if network.name in card.vectors]
    control = Control(
        LiveSettings(styles=((names[0], 1.0),)), names=names,
        style=lambda name: library.style(name, network), identity=library.style(IDENTITY, network),
    )  # fmt: skip

    def open_slowly(network: Any, spec: Any, backend: str, say: Callable[[str], None]) -> tuple[Engine, list[str]]:
        engine, notes = open_engine(network, spec, backend=backend, say=say)
        return SlowEngine(engine, SLOWED), notes

    def make_painter() -> Painter:
        return Painter(network, latency=True, open_engine=open_slowly if slow else None)

    request = CameraRequest(source=str(film), loop=True)
    loop = LiveLoop(
        lambda: open_camera(request), make_painter, control, open_film=make_output, seconds=seconds, adapt=not slow
    )
    watch = Watch()
    turner = threading.Thread(target=_turn_styles, args=(control, seconds), daemon=True)
    turner.start()
    loop.run([watch])
    values = loop.as_json()
    times, latencies, memory = np.array(watch.seconds[len(watch.seconds) // 2 :]).T
    result = {
        "seconds": values["seconds"],
        "captured": values["captured"],
        "delivered": values["delivered"],
        "dropped": values["dropped"],
        "dropped_by": values["dropped_by"],
        "in_flight": values["in_flight"],
        "fps": values["fps"],
        "p50_ms": values["latency_ms"]["p50"],
        "p99_ms": values["latency_ms"]["p99"],
        "worst_second_ms": round(1000 * float(np.max([mean for _, mean, _ in watch.seconds[5:]], initial=0)), 1),
        "latency_rise_ms": round(1000 * rise(times, latencies), 2),
        "memory_rise_mib": round(rise(times, memory), 2),
        "memory_mib": [round(mib, 1) for _, _, mib in watch.seconds[::30]],
        "working_size": values["working_size"],
        "engine": f"{values['backend']} {values['device']} {values['precision']}",
    }
    return result | {"verdict": verdict(result, slow=slow)}


def rise(times: FloatArray, values: FloatArray) -> float:
    """By how much `values` rise from the first of `times` to the last, on the line of the median slope of all pairs.

    A few steps, as an allocator makes them, and single slow seconds do not count; a leak does (Theil 1950, Sen 1968).
    """
    first, second = np.triu_indices(len(times), 1)
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    return float(np.median(slopes) * (times[-1] - times[0]))


def verdict(result: dict[str, Any], *, slow: bool) -> list[str]:
    """What is not as it must be; empty where all is well. The rises are those in the run's second half."""
    latest = 3000 * SLOWED if slow else 66
    most_dropped = 0.7 if slow else 0.05
    least_dropped = 0.3 if slow else 0.0
    share = result["dropped"] / max(1, result["captured"])
    checks = {
        "too few pictures a second": slow or result["fps"] >= 29.5,
        f"p99 above {latest:g} ms": result["p99_ms"] <= latest,
        "latency is not bounded": result["worst_second_ms"] <= 5 * latest,
        f"{share:.0%} of the pictures dropped": least_dropped <= share <= most_dropped,
        "pictures left uncounted": result["in_flight"] == 0,
        "latency has a trend": abs(result["latency_rise_ms"]) <= 5,
        "memory has a trend": result["memory_rise_mib"] <= 1,
    }
    return [words for words, well in checks.items() if not well]


def _turn_styles(control: Control, seconds: float) -> None:
    """A style change every seven seconds: it must cost nothing."""
    for _ in range(int(seconds / 7)):
        if control.wait_for_quit(7.0):
            return
        control.next_style()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        numbers = [float(word) for word in sys.argv[1:] if not word.startswith("-")]
        result = soak(numbers[0] if numbers else 600.0, folder=Path(folder), slow="--slow" in sys.argv)
    print(json.dumps(result, indent=1))  # noqa: T201
    sys.exit(bool(result["verdict"]))
