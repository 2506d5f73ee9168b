"""What a Gatys rendering is asked to do."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vidstyle.errors import UsageError
from vidstyle.suggest import did_you_mean

Layers = tuple[tuple[str, float], ...]
"""Layer names of VGG with their weights, which are relative to each other."""

Start = Literal["content", "noise", "painting", "blank", "fast"]

STYLE_LAYERS: Layers = tuple((f"conv{block}_1", 1.0) for block in range(1, 6))
CONTENT_LAYERS: Layers = (("conv4_2", 1.0),)


@dataclass(frozen=True, kw_only=True)
class GatysOptions:
    """Everything that `--gatys KEY=VALUE` sets; a key is a field's name with hyphens.

    `content`, `style`, `variation`, `temporal`: weights of the losses, which are all relative to the size of
    what they compare with, so they mean the same whatever VGG the weights come from.
    `iterations` are for a still or a shot's first frame, `next_iterations` for each frame after it.
    `tolerance`: stop when the loss fell by less than this share in ten iterations.
    `start`: what the optimisation starts from; newly seen regions of a film start from the film, or with
    `fast` from what the network paints in the style that the option `fast` names.
    `style_scale`: the paintings' size relative to the picture's; 2 gives strokes twice as large.
    `coarsest`: short side of the smallest size that is painted first, pixels.
    `masks`: one grey picture for each painting, white where it counts.
    `tile`: side of the parts that gradients are computed in, pixels; 0 for the whole picture at once.
    `flow`: what finds the film's motion: OpenCV's DIS, or torchvision's RAFT, which wants a GPU.
    `lags`: how many frames back the temporal loss looks.
    `passes`: how often a shot is gone through, forwards and backwards in turn.
    `shots`: "2/4" renders every fourth shot from the second on and writes no film.
    `seed`: of the noise.
    """

    content: float = 1.0
    style: float = 10.0
    variation: float = 0.5
    temporal: float = 30.0
    content_layers: Layers = CONTENT_LAYERS
    style_layers: Layers = STYLE_LAYERS
    vgg: Literal["vgg19", "vgg16"] = "vgg19"
    pooling: Literal["max", "average"] = "average"
    optimiser: Literal["lbfgs", "adam"] = "lbfgs"
    iterations: int = 300
    next_iterations: int = 36
    tolerance: float = 0.0005
    start: Start = "content"
    fast: str = ""
    style_scale: float = 1.0
    coarsest: int = 256
    masks: tuple[str, ...] = ()
    tile: int = 0
    flow: Literal["dis", "raft"] = "dis"
    lags: tuple[int, ...] = (1, 10)
    passes: int = 1
    shots: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("content", "style", "variation", "temporal", "tolerance"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"gatys {name} is {getattr(self, name)}; it is 0 or more")
        for name, least in (("iterations", 1), ("next_iterations", 1), ("coarsest", 32), ("passes", 1), ("tile", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"gatys {name.replace('_', '-')} is {getattr(self, name)}; it is {least} or more")
        for name in ("content_layers", "style_layers"):
            weights = [weight for _, weight in getattr(self, name)]
            if not all(0 <= weight < float("inf") for weight in weights) or not any(weights):
                raise UsageError(f"gatys {name.replace('_', '-')}: weights are 0 or more, one at least above 0")
        if not 0.1 <= self.style_scale <= 10:
            raise UsageError(f"gatys style-scale is {self.style_scale}; it runs from 0.1 to 10")
        if (self.start == "fast") != bool(self.fast):
            raise UsageError("gatys start=fast needs fast=STYLE, the style that the network paints, and the reverse")
        if self.tile and (self.tile < 128 or self.tile % 16):
            raise UsageError(f"gatys tile is {self.tile}; it is a multiple of 16, 128 or more")
        if not self.lags or min(self.lags) < 1:
            raise UsageError("gatys lags are frames back, 1 or more each")
        _share(self.shots)

    @property
    def share(self) -> tuple[int, int]:
        """`shots` as (number, of how many); (1, 1) for all."""
        return _share(self.shots)


def _share(shots: str) -> tuple[int, int]:
    number, slash, count = (shots or "1/1").partition("/")
    if not (slash and number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"gatys shots is {shots!r}; give a part and their number, such as 2/4")
    return int(number), int(count)


def parse_gatys(pairs: Iterable[str]) -> GatysOptions:
    """Options from `KEY=VALUE` words; `style-layers=conv1_1:1,conv2_1:0.5`, `lags=1,10`. Raises UsageError."""
    kinds = typing.get_type_hints(GatysOptions)
    values: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        name = key.strip().replace("-", "_")
        if name not in kinds:
            known = [f.name.replace("_", "-") for f in dataclasses.fields(GatysOptions)]
            raise UsageError(f"gatys has no option {key!r}{did_you_mean(key, known)}; there are: {', '.join(known)}")
        if not equals:
            raise UsageError(f"gatys {key}: give {key}=VALUE")
        values[name] = _value(key, text.strip(), kinds[name])
    return GatysOptions(**values)  # type: ignore[arg-type]


def _value(key: str, text: str, kind: object) -> object:
    try:
        if kind == Layers:
            return tuple((name, float(weight or 1)) for name, _, weight in (p.partition(":") for p in text.split(",")))
        if kind == tuple[int, ...]:
            return tuple(int(part) for part in text.split(","))
        if kind == tuple[str, ...]:
            return tuple(text.split(","))
        if typing.get_origin(kind) is Literal:
            choices = typing.get_args(kind)
            if text not in choices:
                raise UsageError(f"gatys {key} is {text!r}; it is one of {', '.join(choices)}")
            return text
        return kind(text)  # type: ignore[operator]
    except ValueError:
        raise UsageError(f"gatys {key}={text}: not a usable value") from None


def parse_painting(text: str) -> tuple[str, float]:
    """`FILE` or `FILE:WEIGHT` (or a style's name), as typed after --style in Gatys mode. Raises UsageError."""
    name, _, weight_text = text.rpartition(":")
    try:
        weight = float(weight_text)
    except ValueError:
        return text, 1.0  # the colon, if there is one, belongs to the path
    if not name:
        return text, 1.0
    if not 0 <= weight < float("inf"):
        raise UsageError(f"painting {text!r}: a weight is 0 or more")
    return name, weight
