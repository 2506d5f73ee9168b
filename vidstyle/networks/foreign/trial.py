"""Finds out by painting a trial picture which sizes a foreign network takes and what its values mean."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vidstyle.backends.openvino_core import openvino_core
from vidstyle.errors import StyleError, UsageError
from vidstyle.media.synthetic import scene

MULTIPLES = (1, 2, 4, 8, 16, 32)
"""What the sides of a picture may have to be multiples of."""

SAME = 2.0
"""Pictures that differ by no more than this many levels on average are the same picture."""

FLAT = 6.0
"""A picture whose values have a smaller standard deviation, in levels, shows nothing."""

_HEIGHT, _WIDTH = 96, 150

Array = npt.NDArray[np.float32]


class Values(enum.StrEnum):
    """What the values of a picture run over."""

    BYTES = "0..255"
    UNIT = "0..1"
    SYMMETRIC = "-1..1"

    @property
    def per_level(self) -> tuple[float, float]:
        """(scale, offset) from 8-bit levels: value = level * scale + offset."""
        return {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (2 / 255, -1.0)}[self.value]


def parse_values(text: str) -> tuple[Values | None, Values | None]:
    """`IN` or `IN:OUT`, each 0..255, 0..1, -1..1 or auto, for input and output. Raises UsageError."""
    names = text.split(":")
    known = {"auto": None, **{v.value: v for v in Values}}
    if len(names) > 2 or any(name not in known for name in names):
        raise UsageError(f"values {text!r}: say IN or IN:OUT, each of {', '.join(known)}")
    takes, gives = (known[name] for name in (*names, "auto")[:2])
    return takes, gives


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How pictures are to be brought to a network.

    `multiple`: their sides are padded to multiples of it. `any_batch`: several at once. `fixed`: the
    one (height, width) it works at, where there is only one.
    """

    multiple: int = 1
    any_batch: bool = True
    fixed: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A foreign graph, serialised, and what is written of its ends.

    `freed` is the same graph with nothing written about sizes. `channels_first` is of input and
    output; `type` is numpy's name of the input's; `size` its (height, width) where both are fixed.
    """

    model: bytes
    freed: bytes
    channels_first: tuple[bool, bool]
    type: str
    size: tuple[int, int] | None
    _engines: dict[tuple[bool, tuple[int, ...]], Any] = field(default_factory=dict, init=False, repr=False)

    def run(self, pictures: Array, *, freed: bool = True) -> Array:
        """(N, H, W, 3) values in, (N, H', W', 3) values out. Raises RuntimeError, ValueError if that cannot be."""
        x = pictures.transpose(0, 3, 1, 2) if self.channels_first[0] else pictures
        compiled = self._compiled(freed=freed, shape=x.shape)
        y = np.asarray(compiled(np.ascontiguousarray(x.astype(self.type)))[0], np.float32)
        if y.ndim != 4:
            raise ValueError(f"its output has {y.ndim} axes")
        return y.transpose(0, 2, 3, 1) if self.channels_first[1] else y

    def _compiled(self, *, freed: bool, shape: tuple[int, ...]) -> Any:
        if (freed, shape) not in self._engines:
            core = openvino_core()
            model = core.read_model(self.freed if freed else self.model)
            model.reshape(list(shape))
            hint = {"INFERENCE_PRECISION_HINT": "f32"}
            self._engines[freed, shape] = core.compile_model(model, "CPU", hint)
        return self._engines[freed, shape]


def find_fit(path: Path, picture: Picture) -> Fit:
    """The least padding with which the network gives pictures of the size that it takes. Raises StyleError."""
    reasons: dict[str, None] = {}
    for any_batch, multiple in product((True, False), MULTIPLES):
        height, width = (multiple * (side // multiple | 1) for side in (_HEIGHT, _WIDTH))
        trial = np.zeros((2 if any_batch else 1, height, width, 3), np.float32)
        try:
            found = picture.run(trial).shape
        except (RuntimeError, ValueError) as error:
            reasons[f"it cannot be run ({' '.join(str(error).split())[-160:]})"] = None
            continue
        if found == trial.shape:
            return Fit(multiple=multiple, any_batch=any_batch)
        reasons[f"{width}x{height} becomes {found[2]}x{found[1]} with {found[3]} channels"] = None
    if picture.size:
        fit = Fit(any_batch=False, fixed=picture.size)
        if _works_at_fixed_size(picture, picture.size):
            return fit
    raise StyleError(f"{path}: gives no picture of the size of the one it takes: {next(reversed(reasons))}")


def _works_at_fixed_size(picture: Picture, size: tuple[int, int]) -> bool:
    trial = np.zeros((1, *size, 3), np.float32)
    try:
        return picture.run(trial, freed=False).shape == trial.shape
    except (RuntimeError, ValueError):
        return False


def find_values(
    path: Path, picture: Picture, fit: Fit, *, given: tuple[Values | None, Values | None]
) -> tuple[Values, Values]:
    """What input and output values mean, where it is not `given`.

    Every meaning of the input is tried. It is possible if what comes out is a picture in one of the
    three ranges. If several are possible they must paint the same: instance norm makes most style
    networks indifferent. Otherwise StyleError is raised, for a guess could be wrong.
    """
    height, width = fit.fixed or (fit.multiple * (side // fit.multiple | 1) for side in (_HEIGHT, _WIDTH))
    levels = scene(width, height)[None].astype(np.float32)
    possible: dict[Values, tuple[Values, Array]] = {}
    seen = []
    for takes in [given[0]] if given[0] else list(Values):
        scale, offset = takes.per_level
        painted = picture.run(levels * np.float32(scale) + np.float32(offset), freed=not fit.fixed)
        low, high = (float(v) for v in np.percentile(painted, [2, 98]))
        seen.append(f"{takes.value} becomes {low:.3g}..{high:.3g}")
        gives = given[1] or _meaning(low, high)
        if gives:
            scale, offset = gives.per_level
            picture_levels = np.clip((painted - offset) / scale, 0, 255)
            if picture_levels.std() >= FLAT:
                possible[takes] = gives, picture_levels
    if not possible:
        raise StyleError(f"{path}: gives no picture that can be told as one ({'; '.join(seen)}); try --values IN:OUT")
    if any(np.abs(a - b).mean() > SAME for (_, a), (_, b) in combinations(possible.values(), 2)):
        raise StyleError(
            f"{path}: paints differently for values of {', '.join(v.value for v in possible)}, and the file does not "
            "say which it takes; say it with --values"
        )
    takes = next((takes for takes, (gives, _) in possible.items() if takes is gives), next(iter(possible)))
    return takes, possible[takes][0]


def _meaning(low: float, high: float) -> Values | None:
    """The range that all but the outermost 2 % of a picture's values speak for; None if it is none of the three."""
    if not np.isfinite([low, high]).all():
        return None
    if low >= -0.4 and 0 < high <= 1.4:
        return Values.UNIT
    if -1.4 <= low < -0.4 and 0.2 < high <= 1.4:
        return Values.SYMMETRIC
    return Values.BYTES if low >= -128 and 16 <= high <= 400 else None
