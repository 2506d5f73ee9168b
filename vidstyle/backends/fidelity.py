"""The gate: a compiled engine must paint what the fp32 reference paints, and be worth it.

Before a precision below fp32 is used for the first time with a network, a version and a device, a
small engine of that precision paints fixed pictures, and so does an fp32 one. The verdict is kept, so
the second start costs nothing. Fixed pictures, no sample of the user's film: the same machine always
decides alike.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vidstyle.backends import engine_cache
from vidstyle.backends.protocol import Engine, Precision, Say
from vidstyle.errors import BackendError
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network

MEAN_LIMIT = 1.0
"""Largest mean error, in 8-bit levels."""

WITHIN = 4
WITHIN_SHARE = 0.999
"""At least this share of all values must be within `WITHIN` levels."""

WORTH = 0.95
"""A coarser precision has to take at most this part of a finer one's time."""

WIDTH, HEIGHT = 256, 192
_STYLES = 3
_TIMED_RUNS = 5
_FORMAT = 1

OpenAt = Callable[[Precision, int, int], Engine]
"""`(precision, width, height) -> engine`: how a candidate, or the reference, is compiled for the trial."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is judged, all of which the kept verdict depends on. `versions` names libraries and processor."""

    network: Network
    backend: str
    device: str
    versions: str

    def key(self, precision: Precision) -> str:
        parts = [_FORMAT, self.network.sha256, self.backend, self.device, self.versions, precision]
        return digest(parts, self.styles(precision) if precision == "int8" else ())

    def styles(self, precision: Precision) -> list[StyleVector]:
        """What is painted in the trial: a few styles; in int8, which is fitted to its styles' ranges, every one."""
        known = known_styles(self.network)
        return known if precision == "int8" else known[:_STYLES]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Errors in 8-bit levels against fp32, and the time of a frame as a multiple of fp32's."""

    mean: float
    within: float
    largest: int
    relative_time: float

    @property
    def faithful(self) -> bool:
        return self.mean <= MEAN_LIMIT and self.within >= WITHIN_SHARE

    @property
    def text(self) -> str:
        """The verdict in words."""
        error = f"mean error {self.mean:.2f} levels, {self.within:.2%} within {WITHIN}, largest {self.largest}"
        return f"{error}, {self.relative_time:.2f} of fp32's time"


def choose(subject: Subject, candidates: Sequence[Precision], open_at: OpenAt, say: Say) -> Precision:
    """The fastest of `candidates` that is faithful; they begin with the finest. fp32 itself needs no trial.

    On the processor, which paints the reference as well, a coarser one has to be faster than fp32 and than every
    finer one (`WORTH`); what a GPU takes for small pictures beside a processor says nothing. Every one passed over is
    said. Raises BackendError if none is left.
    """
    timed = subject.device.lower() == "cpu"
    chosen: Precision | None = None
    fastest = 1.0
    for precision in candidates:
        if precision == "fp32":
            chosen = precision
            continue
        verdict = judge(subject, precision, open_at, say)
        if not verdict.faithful:
            say(f"{subject.backend}: {precision} passed over, not faithful to fp32 ({verdict.text})")
        elif timed and verdict.relative_time > WORTH * fastest:
            say(f"{subject.backend}: {precision} passed over, not faster than {chosen or 'fp32'} here ({verdict.text})")
        else:
            chosen, fastest = precision, verdict.relative_time
    if chosen is None:
        tried = ", ".join(candidates)
        raise BackendError(f"{subject.backend} on {subject.device} paints {subject.network.name} wrongly in {tried}")
    return chosen


def warn_if_unfaithful(subject: Subject, precision: Precision, open_at: OpenAt, say: Say) -> None:
    """For a precision that the user asked for: it runs, but what is wrong with it is said."""
    if precision != "fp32":
        verdict = judge(subject, precision, open_at, say)
        if not verdict.faithful:
            say(f"{subject.backend}: {precision} is not faithful to fp32 here ({verdict.text})")


def judge(subject: Subject, precision: Precision, open_at: OpenAt, say: Say) -> Verdict:
    """The verdict on one precision: the kept one, or that of a new trial, which is said, for it takes some seconds.

    Raises BackendError without a cache.
    """
    file = engine_cache.folder("fidelity") / f"{subject.key(precision)}.json"
    kept = _read(file)
    if kept is not None:
        return kept
    say(f"{subject.backend}: trying {subject.network.name} in {precision} beside fp32, this once")
    with closing(open_at(precision, WIDTH, HEIGHT)) as candidate, closing(open_at("fp32", WIDTH, HEIGHT)) as reference:
        verdict = compare(candidate, reference, subject.styles(precision))
    engine_cache.keep(file, json.dumps(asdict(verdict)).encode(), say)
    return verdict


def compare(engine: Engine, reference: Engine, styles: Sequence[StyleVector]) -> Verdict:
    """Let both paint the trial's pictures, of the engines' size, in every style, taking turns for the clock."""
    info = engine.info
    pictures = trial_pictures(info.width, info.height)
    errors, ours, theirs = [], [], []
    for style in styles:
        for picture in pictures:
            batch = picture[None]
            expected, painted = reference.run(batch, style), engine.run(batch, style)
            errors.append(np.abs(painted.astype(np.int16) - expected).ravel())
    for _ in range(_TIMED_RUNS):
        theirs.append(_seconds(reference, pictures[:1], styles[0]))
        ours.append(_seconds(engine, pictures[:1], styles[0]))
    error = np.concatenate(errors)
    return Verdict(
        mean=float(error.mean()),
        within=float((error <= WITHIN).mean()),
        largest=int(error.max()),
        relative_time=round(min(ours) / min(theirs), 3),
    )


def trial_pictures(width: int, height: int) -> ImageArray:
    """(2, height, width, 3) uint8 RGB: a soft scene with edges, and a dark one with fine grain and flat parts."""
    random = np.random.default_rng(20160327)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [np.sin(x / (7 + 5 * c) + c) * np.cos(y / (11 + 3 * c)) for c in range(3)]
    soft = 128 + 90 * np.stack(waves, axis=-1)
    soft[(x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2] = (230, 60, 30)
    soft[height // 5 : height // 4] = (12, 40, 90)
    dark = 20 + 6 * random.standard_normal((height, width, 3)).astype(np.float32)
    dark[:, : width // 3] = (16, 16, 20)
    dark[height // 3 : height // 2, width // 2 :] = 250
    pictures: ImageArray = np.clip(np.stack([soft, dark]), 0, 255).astype(np.uint8)
    return pictures


def digest(parts: Sequence[object], styles: Sequence[StyleVector]) -> str:
    """A name for what was found out about all of these: plain values and style vectors."""
    known = hashlib.sha256(json.dumps(parts).encode())
    for style in styles:
        known.update(style.tobytes())
    return known.hexdigest()[:32]


def known_styles(network: Network) -> list[StyleVector]:
    """All style vectors known for `network`, by name, its identity last; for one without any, all scales one.

    An imported network takes no style: its vector is empty. A file that is damaged is left out here; that style
    itself is refused with the reason when it is asked for.
    """
    found = [vector for file in network.vectors if (vector := _read_vector(file)) is not None]
    fitting = [vector for vector in found if vector.shape == (network.style_size,) and np.isfinite(vector).all()]
    return fitting or [np.ones(network.style_size, np.float32)]


def _read_vector(file: Path) -> StyleVector | None:
    try:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError):
        return None


def _seconds(engine: Engine, images: ImageArray, style: StyleVector) -> float:
    start = time.perf_counter()
    engine.run(images, style)
    return time.perf_counter() - start


def _read(file: Path) -> Verdict | None:
    """The verdict in `file`; None if there is none that can be read, which only costs a new trial."""
    try:
        return Verdict(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
