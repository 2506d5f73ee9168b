"""What a picture is optimised for: content, style, smoothness, and nearness to the frames before.

Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016). Unlike there each
term is relative to the size of its target (crowsonkb's style-transfer-pytorch has the same aim), so weights
mean the same for every layer, picture size and source of VGG weights. The temporal term is Ruder et al.'s (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.gatys.options import GatysOptions, Layers
from vidstyle.networks.vgg import VGG
from vidstyle.training.losses import content_loss, style_loss, total_variation
from vidstyle.training.losses import gram as johnson_gram


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleTarget:
    """The paintings' Gram matrices: per region and layer, (1, C, C) float32.

    `masks` are the regions' weights, (1, 1, h, w) in 0..1 at any size; empty for one region everywhere.
    """

    grams: tuple[dict[str, Tensor], ...]
    masks: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Before:
    """An earlier result carried to this frame: `picture` (1, 3, H, W), `valid` (1, 1, H, W) in 0..1."""

    picture: Tensor
    valid: Tensor


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The terms, unweighted, and their weighted sum; floats."""

    total: float
    content: float
    style: float
    variation: float
    temporal: float


def gram(features: Tensor, mask: Tensor | None = None) -> Tensor:
    """Gram matrices of (1, C, h, w) activations, (1, C, C) float32: the mean over pixels, weighted by `mask`.

    Channel means are of order 1 whatever C, and the mean over pixels makes pictures of all sizes alike.
    """
    _, c, h, w = features.shape
    if mask is None:
        return johnson_gram(features) * c
    weighted = features * mask.sqrt().to(features.dtype)
    return johnson_gram(weighted) * (c * h * w / mask.sum().clamp_min(1e-6))


@torch.no_grad()
def style_target(
    vgg: VGG, paintings: Sequence[tuple[Tensor, float]], layers: Layers, *, masks: Sequence[Tensor] = ()
) -> StyleTarget:
    """The target of paintings (1, 3, H, W) in 0..1 with their weights.

    Without masks the Gram matrices are averaged; with masks, one each, every painting rules its region.
    """
    found = []
    for painting, _ in paintings:
        features = vgg(painting, [name for name, _ in layers])
        found.append({name: gram(features[name]) for name, _ in layers})
    if masks:
        return StyleTarget(grams=tuple(found), masks=tuple(masks))
    total = sum(weight for _, weight in paintings)
    weights = [weight / total for _, weight in paintings]
    mixed = {name: torch.stack([g[name] * w for g, w in zip(found, weights, strict=True)]).sum(0) for name, _ in layers}
    return StyleTarget(grams=(mixed,))


@dataclass(kw_only=True, eq=False)
class Objective:
    """The total loss of a picture (1, 3, H, W) in 0..1, for one content picture and one style target."""

    vgg: VGG
    options: GatysOptions
    target: StyleTarget
    content: dict[str, Tensor]
    before: Sequence[Before] = field(default_factory=tuple)

    @classmethod
    @torch.no_grad()
    def of(
        cls, vgg: VGG, content: Tensor, target: StyleTarget, options: GatysOptions, *, before: Sequence[Before] = ()
    ) -> Objective:
        """The objective for the content picture (1, 3, H, W) in 0..1."""
        names = [name for name, _ in options.content_layers] if options.content else []
        features = vgg(content, names)
        return cls(vgg=vgg, options=options, target=target, content=features, before=before)

    def evaluate(self, picture: Tensor) -> tuple[Tensor, Losses]:
        """The gradient of the total, of the picture's shape, and all terms."""
        picture = picture.detach().requires_grad_(True)
        terms = self.terms(picture)
        (gradient,) = torch.autograd.grad(self.total(terms), picture)
        return gradient, self.report(terms)

    def terms(self, picture: Tensor) -> dict[str, Tensor]:
        """Content, style, variation and temporal loss, unweighted scalars."""
        o = self.options
        style_layers = o.style_layers if o.style else ()
        found = self.vgg(picture, [*self.content, *(name for name, _ in style_layers)])
        content_layers = o.content_layers if self.content else ()
        return {
            "content": mean_of([(content_loss(found[n], self.content[n])[0], w) for n, w in content_layers]),
            "style": mean_of([(self._style(n, found[n]), w) for n, w in style_layers]),
            **self.pixel_terms(picture),
        }

    def pixel_terms(self, picture: Tensor) -> dict[str, Tensor]:
        """Variation and temporal loss, which need no VGG."""
        return {
            "variation": total_variation(picture)[0],
            "temporal": sum((_difference(picture, b) for b in self.before), picture.new_zeros(())),
        }

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the terms; one that is 0 because nothing counts in it lies on the processor."""
        return sum((v * float(getattr(self.options, name)) for name, v in terms.items()), torch.zeros(()))

    def report(self, terms: dict[str, Tensor]) -> Losses:
        """The terms as floats."""
        return Losses(total=float(self.total(terms).detach()), **{k: float(v.detach()) for k, v in terms.items()})

    def _style(self, name: str, features: Tensor) -> Tensor:
        """One layer's loss: over regions, weighted by how much of the picture each covers."""
        target = self.target
        if not target.masks:
            return style_loss(gram(features), target.grams[0][name])[0]
        parts = []
        for grams, mask in zip(target.grams, target.masks, strict=True):
            small = F.interpolate(mask, size=features.shape[2:], mode="area")
            parts.append((style_loss(gram(features, small), grams[name])[0], float(mask.mean())))
        return mean_of(parts)


def _difference(picture: Tensor, before: Before) -> Tensor:
    """Mean squared difference where valid, over all pixels (Ruder, equation 7)."""
    return (before.valid * (picture - before.picture).square()).mean()


def mean_of(parts: Sequence[tuple[Tensor, float]]) -> Tensor:
    """The weighted mean of scalars; 0 of none."""
    total = sum(weight for _, weight in parts)
    if not total:
        return torch.zeros(())
    return torch.stack([value * (weight / total) for value, weight in parts]).sum()
