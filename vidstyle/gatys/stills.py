"""One picture in the style of paintings, from coarse to fine."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.errors import UsageError
from vidstyle.frames import ImageArray
from vidstyle.gatys.lbfgs import Pair
from vidstyle.gatys.losses import Before, Objective, StyleTarget, style_target
from vidstyle.gatys.optimise import Evaluate, OnStep, Outcome, optimise
from vidstyle.gatys.options import GatysOptions
from vidstyle.gatys.tiles import TiledObjective
from vidstyle.networks.vgg import VGG
from vidstyle.training.photographs import resized

EXACT_SHARE = 0.15
"""Share of the iterations that are computed in full precision where the rest is not."""

EDGE = 8
"""Pixels by which a picture is larger on each side while it is painted: VGG sees zeros beyond the end of a picture, and
draws a line along it, which is cut off with them."""

SMALLEST = 32
"""Pixels a side that the deepest of the usual layers needs to hold more than one activation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Palette:
    """What is painted with: pictures (1, 3, H, W) in 0..1 with their weights, and a mask for each or none.

    Masks are (1, 1, h, w) in 0..1, of any size.
    """

    paintings: Sequence[tuple[Tensor, float]]
    masks: Sequence[Tensor] = ()

    def __post_init__(self) -> None:
        if self.masks and len(self.masks) != len(self.paintings):
            raise UsageError(f"{len(self.masks)} masks for {len(self.paintings)} paintings: give one for each")
        if not any(weight for _, weight in self.paintings):
            raise UsageError("no painting has a weight above 0")


class StillPainter:
    """VGG, palette and options together: makes objectives and paints stills. Targets are kept per size.

    With `quick`, a copy of the network in bfloat16, all but the last `EXACT_SHARE` of every optimisation runs on
    it: three times as fast on CPUs with AMX, and the end in full precision takes back what rounding costs.
    """

    def __init__(
        self, vgg: VGG, palette: Palette, options: GatysOptions, *, quick: VGG | None = None, stroke: float = 1.0
    ) -> None:
        """Raises StyleError for layers that `vgg` does not have."""
        vgg.check_layers(name for name, _ in (*options.content_layers, *options.style_layers))
        self.vgg, self.quick, self.palette, self.options, self._stroke = vgg, quick, palette, options, stroke
        self._targets: dict[tuple[int, int], StyleTarget] = {}

    @property
    def device(self) -> torch.device:
        """Where the pictures are."""
        return self.vgg.get_buffer("mean").device

    def target(self, height: int, width: int) -> StyleTarget:
        """The style target for pictures of this size, and the edge around them: the paintings scaled with them."""
        if (height, width) not in self._targets:
            masks = [F.interpolate(mask, (height, width), mode="area") for mask in self.palette.masks]
            longest = max(height, width) * self.options.style_scale * self._stroke
            paintings = [(scaled(p, longest / max(p.shape[2:])), w) for p, w in self.palette.paintings]
            self._targets[height, width] = style_target(
                self.vgg, paintings, self.options.style_layers, masks=[_widened(mask) for mask in masks]
            )
        return self._targets[height, width]

    def optimise(
        self,
        start: Tensor,
        content: Tensor,
        *,
        iterations: int,
        before: Sequence[Before] = (),
        exact_share: float = EXACT_SHARE,
        free: Tensor | None = None,
        pairs: Sequence[Pair] = (),
        on_step: OnStep = lambda number, losses, picture: None,
    ) -> Outcome:
        """Lower the loss of `start` for the content picture, both (1, 3, H, W), as `optimise.optimise` does.

        Few iterations end far from where rounding shows: there an `exact_share` of 0 costs nothing. `pairs` are of
        pictures with their edge.
        """
        evaluate = self._evaluator(content, iterations=iterations, before=before, exact_share=exact_share)
        outcome = optimise(
            with_edge(start),
            evaluate,
            iterations=iterations,
            optimiser=self.options.optimiser,
            tolerance=self.options.tolerance,
            free=None if free is None else F.pad(free, [EDGE] * 4, value=1.0),  # held, the edge would pull at the rest
            pairs=pairs,
            on_step=lambda number, losses, picture: on_step(number, losses, _without_edge(picture)),
        )
        return replace(outcome, picture=_without_edge(outcome.picture))

    def _evaluator(self, content: Tensor, *, iterations: int, before: Sequence[Before], exact_share: float) -> Evaluate:
        exact = self.objective(content, before=before)
        if self.quick is None:
            return exact.evaluate
        rough = self.objective(content, vgg=self.quick, before=before)
        calls = itertools.count()
        last_rough = iterations * (1 - exact_share)
        return lambda picture: (rough if next(calls) < last_rough else exact).evaluate(picture)

    def objective(self, content: Tensor, *, vgg: VGG | None = None, before: Sequence[Before] = ()) -> Objective:
        """The objective for the content picture (1, 3, H, W), in tiles where the options ask for them.

        What it evaluates are pictures with their edge.
        """
        height, width = content.shape[2:]
        if min(height, width) < SMALLEST:
            raise UsageError(
                f"a picture of {width}x{height} is too small for Gatys mode; each side needs {SMALLEST} pixels"
            )
        kind = TiledObjective if 0 < self.options.tile < max(height, width) else Objective
        before = [Before(picture=with_edge(b.picture), valid=F.pad(b.valid, [EDGE] * 4)) for b in before]
        target = self.target(height, width)
        return kind.of(vgg or self.vgg, with_edge(content), target, self.options, before=before)

    def paint(
        self, content: Tensor, start: Tensor | None = None, *, on_step: OnStep = lambda number, losses, picture: None
    ) -> Outcome:
        """Paint the content picture (1, 3, H, W), from `start` or what the options say, from coarse to fine.

        Half of the iterations are for the full size; the coarser sizes, which cost little, share the rest.
        Strokes are laid out where VGG sees them whole and only refined later, so they stay large in large
        pictures.
        """
        start = self.start(content) if start is None else start
        picture, spent, restarts = start, 0, 0
        outcome: Outcome | None = None
        for (height, width), iterations in schedule(content.shape[2], content.shape[3], self.options):
            small = resized(content, height, width)
            outcome = self.optimise(
                resized(picture, height, width), small, iterations=iterations, on_step=_counting_on(on_step, spent)
            )
            picture, spent, restarts = outcome.picture, spent + outcome.iterations, restarts + outcome.restarts
        assert outcome is not None
        return Outcome(picture=picture, losses=outcome.losses, iterations=spent, restarts=restarts)

    def start(self, content: Tensor) -> Tensor:
        """What the optimisation begins with, (1, 3, H, W); `fast` and `content` are the caller's picture."""
        kind, (height, width) = self.options.start, content.shape[2:]
        if kind == "noise":
            random = torch.Generator().manual_seed(self.options.seed)
            return torch.rand(content.shape, generator=random).to(content.device)
        if kind == "painting":
            return resized(self.palette.paintings[0][0], height, width).clamp(0, 1)
        return torch.full_like(content, 0.5) if kind == "blank" else content


def schedule(height: int, width: int, options: GatysOptions) -> list[tuple[tuple[int, int], int]]:
    """The sizes (height, width) that a still is painted at, from coarse to fine, and the iterations of each.

    Each is about twice the one before, none below `coarsest`. Half of the iterations are for the last, the rest is
    shared; at least one each.
    """
    sizes = [(height, width)]
    while min(sizes[0]) / 2 >= options.coarsest:
        sizes.insert(0, (round(sizes[0][0] / 2), round(sizes[0][1] / 2)))
    edges = np.linspace(0, options.iterations / 2, len(sizes)).round().astype(int)
    coarse = [max(1, int(b - a)) for a, b in pairwise(edges)]
    return list(zip(sizes, [*coarse, max(1, options.iterations - sum(coarse))], strict=True))


def _counting_on(on_step: OnStep, done: int) -> OnStep:
    """`on_step` for a level that comes after `done` iterations."""
    return lambda number, losses, picture: on_step(done + number, losses, picture)


def with_edge(picture: Tensor) -> Tensor:
    """(1, C, H, W) with `EDGE` pixels more on each side, in which it is mirrored."""
    return F.pad(picture, [EDGE] * 4, mode="reflect")


def _widened(plane: Tensor) -> Tensor:
    """As `with_edge`, for masks (1, 1, H, W): what is at the border goes on."""
    return F.pad(plane, [EDGE] * 4, mode="replicate")


def _without_edge(picture: Tensor) -> Tensor:
    return picture[..., EDGE:-EDGE, EDGE:-EDGE].contiguous()


def scaled(picture: Tensor, factor: float) -> Tensor:
    """`picture` (1, 3, H, W), its sides times `factor`, at least SMALLEST pixels each."""
    height, width = (max(SMALLEST, round(side * factor)) for side in picture.shape[2:])
    return resized(picture, height, width)


def to_tensor(image: ImageArray, device: torch.device | str = "cpu") -> Tensor:
    """(H, W, 3) uint8 RGB to (1, 3, H, W) float32 in 0..1."""
    return torch.from_numpy(np.array(image)).to(device).permute(2, 0, 1)[None].float().div(255).contiguous()


def to_image(picture: Tensor) -> ImageArray:
    """(1, 3, H, W) in 0..1 to (H, W, 3) uint8 RGB, rounded."""
    values = picture[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return np.ascontiguousarray(values.cpu().numpy())


def quick_copy(vgg: VGG) -> VGG:
    """The same network in bfloat16 and channels-last, which is how CPUs and GPUs multiply fastest.

    The first convolution stays in float32: it costs little, and the pixels' gradients are not rounded.
    """
    twin = copy.deepcopy(vgg)
    twin.convolutions.to(torch.bfloat16)
    twin.convolutions["conv1_1"].float()
    to: Callable[..., object] = twin.convolutions.to  # PyTorch 2.13's types do not know `memory_format`
    to(memory_format=torch.channels_last)
    return twin
