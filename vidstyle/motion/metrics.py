"""How steady a painted film is, whoever painted it.

Warping error after Lai et al., "Learning Blind Video Temporal Consistency" (2018), as the mean absolute
difference in 8-bit levels, which is easier to picture than their squared one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np

from vidstyle.frames import ImageArray
from vidstyle.motion.cuts import LiveCutDetector
from vidstyle.motion.flow import DisFlow
from vidstyle.motion.masks import Mask, valid_mask
from vidstyle.motion.warp import warp

STILL_LEVELS = 3.0
"""A place stands still if the film changes there, on the mean of its surroundings, by no more levels."""

LEAST_AREA = 0.01
"""Share of the frame below which a region says nothing."""


@dataclass(frozen=True, kw_only=True)
class Steadiness:
    """One frame against earlier ones, in 8-bit levels; None where there is nothing to compare.

    `short`: mean difference to the frame before, warped here, over valid pixels. `long`: the same over one
    second. `still`: mean difference to the frame before, over places where the film stands still.
    """

    index: int
    short: float | None
    long: float | None
    still: float | None


def warping_error(now: ImageArray, before: ImageArray, *, flow: np.ndarray, valid: Mask) -> float | None:
    """Mean difference of `now` and `before` carried by `flow` (from now to before); (H, W, 3) uint8 RGB."""
    if valid.mean() < LEAST_AREA:
        return None
    gap = cv2.absdiff(now, warp(before, flow)).mean(axis=2)
    return float(gap[valid].mean())


def still_mask(film: ImageArray, before: ImageArray) -> Mask:
    """Where the film stands still between two frames."""
    gap = cv2.absdiff(film, before).astype(np.float32).mean(axis=2)
    return np.asarray(cv2.blur(gap, (7, 7)) <= STILL_LEVELS)


def steadiness(pairs: Iterable[tuple[ImageArray, ImageArray]], *, second: int) -> Iterator[Steadiness]:
    """Judge (film, painting) pairs, (H, W, 3) uint8 RGB of one size each; `second` is how many frames that is.

    Nothing is compared across a cut. The first frame of a shot has no numbers.
    """
    find = DisFlow("medium")
    cuts = LiveCutDetector()
    past: list[tuple[ImageArray, ImageArray]] = []
    for index, (film, painted) in enumerate(pairs):
        if cuts.is_cut(film):
            past = []
        errors: list[float | None] = []
        for lag in (1, second):
            if len(past) < lag:
                errors.append(None)
                continue
            old_film, old_painted = past[-lag]
            there = find(film, old_film)
            valid = valid_mask(there, find(old_film, film))
            errors.append(warping_error(painted, old_painted, flow=there, valid=valid))
        still = None
        if past:
            mask = still_mask(film, past[-1][0])
            none = np.zeros((*mask.shape, 2), np.float32)
            still = warping_error(painted, past[-1][1], flow=none, valid=mask)
        yield Steadiness(index=index, short=errors[0], long=errors[1], still=still)
        past = [*past, (film, painted)][-second:]


def mean_steadiness(rows: Iterable[Steadiness]) -> dict[str, float | None]:
    """The mean of every number over the frames that have it."""
    rows = list(rows)
    columns = {f.name: [v for row in rows if (v := getattr(row, f.name)) is not None] for f in fields(Steadiness)[1:]}
    return {name: float(np.mean(values)) if values else None for name, values in columns.items()}
