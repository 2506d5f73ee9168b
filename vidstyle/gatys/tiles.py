"""The same loss and gradient, computed in tiles, for pictures whose activations do not fit into memory.

Gram matrices are means over pixels, so they add up over tiles. A first pass sums them; the derivative of
the style loss by each Gram matrix is then known and constant, and a second pass sends it through one tile
at a time. Content loss is a sum over pixels anyway. Tiles overlap by `MARGIN`, so that all but the
deepest layers see the same surroundings as in the whole picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vidstyle.errors import UsageError
from vidstyle.gatys.losses import Before, Losses, Objective, StyleTarget, gram, mean_of
from vidstyle.gatys.options import GatysOptions
from vidstyle.networks.vgg import VGG
from vidstyle.training.losses import style_loss

MARGIN = 64
"""Pixels around a tile that are computed but not counted; a multiple of VGG's stride of 16."""


@dataclass(frozen=True)
class _Tile:
    """The counted part of a picture of `height` x `width`, in pixels; `outer` is what is computed for it."""

    top: int
    left: int
    bottom: int
    right: int
    height: int
    width: int

    @property
    def outer(self) -> tuple[slice, slice]:
        rows = slice(max(0, self.top - MARGIN), min(self.height, self.bottom + MARGIN))
        return rows, slice(max(0, self.left - MARGIN), min(self.width, self.right + MARGIN))

    def of(self, picture: Tensor) -> Tensor:
        """The outer part of the whole picture (1, C, H, W)."""
        rows, columns = self.outer
        return picture[:, :, rows, columns]

    def inner(self, name: str, features: Tensor) -> Tensor:
        """The counted part of the outer part's activations (1, C, h, w) at the layer called `name`."""
        stride = 2 ** (int(name[4]) - 1)  # conv3_1 lies behind two poolings
        rows, columns = self.outer
        y, x = (self.top - rows.start) // stride, (self.left - columns.start) // stride
        end_y = None if self.bottom == self.height else y + (self.bottom - self.top) // stride
        end_x = None if self.right == self.width else x + (self.right - self.left) // stride
        return features[:, :, y:end_y, x:end_x]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measure:
    """Of the whole picture: Gram matrices (1, C, C), activations counted, content's squared sizes, per layer."""

    grams: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class TiledObjective(Objective):
    """An `Objective` whose memory is that of one tile with its margin, besides a few whole pictures."""

    picture: Tensor

    @classmethod
    def of(
        cls, vgg: VGG, content: Tensor, target: StyleTarget, options: GatysOptions, *, before: Sequence[Before] = ()
    ) -> TiledObjective:
        """As `Objective.of`. Raises UsageError where there are masks, which tiles do not know."""
        if target.masks:
            raise UsageError("gatys tile and masks do not go together; leave one out")
        return cls(vgg=vgg, options=options, target=target, content={}, before=before, picture=content)

    def evaluate(self, picture: Tensor) -> tuple[Tensor, Losses]:
        """The gradient of the total, of the picture's shape, and all terms; one tile at a time."""
        o = self.options
        style = o.style_layers if o.style else ()
        measure = self._measure(picture)
        leaves = {name: value.requires_grad_(True) for name, value in measure.grams.items()}
        style_term = mean_of([(style_loss(leaves[n], self.target.grams[0][n])[0], w) for n, w in style])
        pulls = dict(zip(leaves, torch.autograd.grad(style_term, list(leaves.values())), strict=True)) if style else {}
        whole = picture.detach().requires_grad_(True)
        terms = self.pixel_terms(whole)
        (gradient,) = torch.autograd.grad(self.total(terms), whole)
        content_term = torch.zeros((), device=picture.device)
        for tile in _tiles(picture, o.tile):
            part = tile.of(picture).detach().requires_grad_(True)
            content, linear = self._tile_terms(tile, part, measure, pulls)
            rows, columns = tile.outer
            gradient[:, :, rows, columns] += torch.autograd.grad(o.content * content + o.style * linear, part)[0]
            content_term += content.detach()
        return gradient, self.report({"content": content_term, "style": style_term, **terms})

    def _tile_terms(
        self, tile: _Tile, part: Tensor, measure: _Measure, pulls: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """One tile's share of the content loss, and its Gram matrices times the style loss's derivatives."""
        found = self.vgg(part, [*pulls, *measure.sizes])
        wanted = self._content(tile)
        content, linear = part.new_zeros(()), part.new_zeros(())
        total_weight = sum(weight for _, weight in self._content_layers)
        for name, weight in self._content_layers:
            gap = (tile.inner(name, found[name]).float() - wanted[name]).square().sum()
            content = content + gap * (weight / total_weight / measure.sizes[name])
        for name, pull in pulls.items():
            inner = tile.inner(name, found[name])
            share = inner.shape[2] * inner.shape[3] / measure.counts[name]
            linear = linear + (pull * gram(inner)).sum() * share
        return content, linear

    @property
    def _content_layers(self) -> tuple[tuple[str, float], ...]:
        return self.options.content_layers if self.options.content else ()

    @torch.no_grad()
    def _measure(self, picture: Tensor) -> _Measure:
        names = [name for name, _ in self.options.style_layers] if self.options.style else []
        measure = _Measure(sizes={name: 0.0 for name, _ in self._content_layers})
        for tile in _tiles(picture, self.options.tile):
            found = self.vgg(tile.of(picture), names)
            for name in names:
                inner = tile.inner(name, found[name])
                count = inner.shape[2] * inner.shape[3]
                measure.grams[name] = measure.grams.get(name, 0) + gram(inner) * count
                measure.counts[name] = measure.counts.get(name, 0) + count
            for name, features in self._content(tile).items():
                measure.sizes[name] += float(features.square().sum())
        for name in names:
            measure.grams[name] /= measure.counts[name]
        return measure

    @torch.no_grad()
    def _content(self, tile: _Tile) -> dict[str, Tensor]:
        found = self.vgg(tile.of(self.picture), [name for name, _ in self._content_layers])
        return {name: tile.inner(name, features).float() for name, features in found.items()}


def _tiles(picture: Tensor, side: int) -> Iterator[_Tile]:
    height, width = picture.shape[2:]
    for top in range(0, height, side):
        for left in range(0, width, side):
            # A last strip thinner than the margin would hold no activation of the deepest layers.
            bottom = height if height - top - side < MARGIN else top + side
            right = width if width - left - side < MARGIN else left + side
            yield _Tile(top, left, bottom, right, height, width)
            if right == width:
                break
        if bottom == height:
            break
