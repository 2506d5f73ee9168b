"""What `--stabilize` costs in live pictures, where it must leave the time to the network."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from vidstyle.bench.worker import moving_pictures

FRAMES = 12
ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class SteadyTiming:
    """Milliseconds that the live stabiliser takes for a frame: the best and the median."""

    what: str
    width: int
    height: int
    best: float
    median: float


def time_stabiliser(size: tuple[int, int]) -> list[SteadyTiming]:
    """A camera on its stand, whose pictures differ by grain, and one that pans by (5, 3) pixels a frame."""
    film = moving_pictures(*size, count=FRAMES)
    grain = np.random.default_rng(0).normal(0, 2, film.shape).astype(np.float32)
    still = np.clip(film[0] + grain, 0, 255).astype(np.uint8)
    return [_time("still camera", still), _time("pan", film)]


def _time(what: str, film: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> SteadyTiming:
    from vidstyle.motion.stabiliser import Stabiliser  # OpenCV, which bench needs for nothing else of ours

    painted = 255 - film
    stabiliser = Stabiliser()
    times = []
    for i in (*range(FRAMES), *range(FRAMES - 2, 0, -1)) * ROUNDS:  # there and back, so that it never jumps
        start = time.perf_counter()
        stabiliser.apply(film[i], painted[i])
        times.append(1000 * (time.perf_counter() - start))
    times = sorted(times[2:])  # the first frame passes unchanged, the second warms up
    height, width = film.shape[1:3]
    return SteadyTiming(
        what=what, width=width, height=height, best=round(times[0], 2), median=round(times[len(times) // 2], 2)
    )
