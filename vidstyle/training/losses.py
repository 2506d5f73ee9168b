"""What a painted picture is judged by while a network learns, and afterwards.

All losses are relative to the size of what they compare with, so that their weights mean the same
for every layer, picture and source of VGG weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vidstyle.networks.vgg import VGG

PALETTE_REACH = 3.0
"""Standard deviations from a painting's mean colour within which any colour counts as the painting's."""

PALETTE_BLUR = 0.03
"""Standard deviation, in 0..1, that every palette has at least in every direction: a drawing has one colour."""

FAINTEST = 0.02
"""Contrast, relative to the strongest, from which on a mark counts in `on_lattice`: nobody sees what is fainter."""

LATTICE_LAYERS = {"relu2_1": 2, "relu3_1": 4}
"""Layers that see the shape of marks on a lattice, and their scale: pixels of the picture to each of theirs."""


def gram(features: Tensor) -> Tensor:
    """Gram matrices of (N, C, H, W) activations, (N, C, C) float32, over C H W (Johnson et al., eq. 4)."""
    apply: Callable[..., Tensor] = _Gram.apply
    return apply(features)


class _Gram(torch.autograd.Function):
    """The product and its gradient in channels-last memory, where activations lie: autograd's own gradient is two
    products, one of them transposed, and a tenth of a training step goes into copying that back."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, C) float32."""
        n, c, h, w = features.shape
        flat = features.permute(0, 2, 3, 1).reshape(n, h * w, c)
        ctx.save_for_backward(flat)
        ctx.size = h, w
        return torch.bmm(flat.transpose(1, 2), flat).float() / (c * h * w)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        """(N, C, C) to (N, C, H, W)."""
        (flat,) = ctx.saved_tensors
        both = (slopes[0] + slopes[0].transpose(1, 2)) / flat[0].numel()
        to_features: Tensor = torch.bmm(flat, both.to(flat.dtype)).unflatten(1, ctx.size)
        return to_features.permute(0, 3, 1, 2)


def content_loss(painted: Tensor, photograph: Tensor, *, least: float = 0.0) -> Tensor:
    """|F(y) - F(x)|^2 / |F(x)|^2 of each picture, (N,), for (N, C, H, W) activations.

    A photograph whose activations have a mean square below `least` counts as having that.
    """
    painted, photograph = painted.float(), photograph.float()
    return (painted - photograph).square().mean((1, 2, 3)) / photograph.square().mean((1, 2, 3)).clamp_min(least)


def style_loss(painted: Tensor, target: Tensor) -> Tensor:
    """|G(y) - G(s)|^2 / |G(s)|^2 of each picture, (N,), for (N, C, C) Gram matrices."""
    return (painted - target).square().sum((1, 2)) / target.square().sum((1, 2))


def out_of_range(pictures: Tensor) -> Tensor:
    """Mean squared distance of (N, 3, H, W) values from 0..1, (N,)."""
    return (pictures - pictures.clamp(0, 1)).square().mean((1, 2, 3))


def palette(paintings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (3,) and inverse covariance (3, 3) of the colours of paintings, each (1, 3, H, W) in 0..1."""
    colours = torch.cat([painting[0].flatten(1) for painting in paintings], 1)
    blur = torch.eye(3, device=colours.device) * PALETTE_BLUR**2
    return colours.mean(1), torch.linalg.inv(colours.cov() + blur)


def off_palette(pictures: Tensor, means: Tensor, precisions: Tensor) -> Tensor:
    """How far the colours of (N, 3, H, W) pictures lie outside their `palette`s (N, 3) and (N, 3, 3), (N,).

    The mean of the squared Mahalanobis distances, less what is within `PALETTE_REACH`.
    """
    from_mean = (pictures - means[:, :, None, None]).flatten(2)
    squares = (from_mean * torch.bmm(precisions, from_mean)).sum(1)
    return (squares - PALETTE_REACH**2).relu().mean(1)


def total_variation(pictures: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels of (N, 3, H, W) pictures in 0..1, (N,)."""
    rows = (pictures[:, :, 1:] - pictures[:, :, :-1]).square().mean((1, 2, 3))
    columns = (pictures[:, :, :, 1:] - pictures[:, :, :, :-1]).square().mean((1, 2, 3))
    return rows + columns


def on_lattice(features: Tensor, period: int) -> Tensor:
    """How much (N, C, H, W) pictures or activations depend on the place in a lattice of `period` pixels, (N,).

    A network that works on coarse cells can stamp the same mark into each of them, a ring for example;
    what a scene shows and what a brush leaves lies anywhere. So what is seen in a cell, averaged over all
    cells, should be the same all over the cell (a signal of which that is not true is called
    cyclostationary). Cells count alike whatever their contrast: marks are seen in even areas first.
    """
    n, c, h, w = features.shape
    rows, columns = h // period, w // period
    cells = features[:, :, : rows * period, : columns * period]
    even = _evenness(cells.detach(), period).to(cells.dtype)
    # Weighted by cell and summed as products of matrices, a row of pixels each: activations are read once.
    lines = cells.permute(0, 2, 3, 1).reshape(n * rows * period, columns, period * c)
    weights = even[:, :, None, :].expand(n, rows, period, columns).reshape(n * rows * period, 1, columns)
    seen = torch.bmm(weights, lines).view(n, rows, period, period, c).float().sum(1) / (rows * columns)
    return (seen - seen.mean((1, 2), keepdim=True)).square().mean((1, 2, 3))


def _evenness(cells: Tensor, period: int) -> Tensor:
    """One over the contrast around each cell of (N, C, H, W) activations, (N, H/period, W/period) float32."""
    variance = F.avg_pool2d(cells.square(), period).float() - F.avg_pool2d(cells, period).float().square()
    contrast = F.avg_pool2d(variance.mean(1).clamp_min(0), 5, 1, 2, count_include_pad=False)
    faintest = FAINTEST**2 * contrast.amax((1, 2), keepdim=True) + 1e-8  # rounding errors are no marks
    return (contrast + faintest).rsqrt()


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """How much each wish counts. The layers are those that pictures are judged at (see `evaluation`).

    `content_layers` share `content`; each of `style_layers` counts `style`. `variation` smooths,
    `steadiness` is the weight of the squared difference (0..1 values) between the painted moved
    picture and the moved painted picture, `identity` that of the identity style's squared error,
    `out_of_range` that of the squared distance from 0..1, `spikes` that of each norm's spikes,
    `palette` that of colours that the painting does not have, `lattice` that of marks that lie on the
    network's own lattice.
    """

    content: float = 6.5
    style: float = 7.0
    variation: float = 3.0
    steadiness: float = 200.0
    identity: float = 400.0
    out_of_range: float = 2000.0
    spikes: float = 1.0
    palette: float = 1.0
    lattice: float = 30.0
    content_layers: tuple[str, ...] = ("relu4_2",)
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

    @property
    def layers(self) -> set[str]:
        """All layers that VGG has to compute."""
        return {*self.content_layers, *self.style_layers}


class PerceptualLoss:
    """What is judged by VGG's activations: content, style, and marks on a lattice of `period` pixels.

    `photographs`, each (1, 3, H, W) in 0..1, say how strong the activations of an ordinary one are. Smooth crops, which
    have a fifth of that and take on the painting's strength whatever the network does, would otherwise count up to
    five times as much as others in the content loss, and teach the network little but to leave them bare.
    """

    def __init__(self, vgg: VGG, weights: LossWeights, *, period: int, photographs: Sequence[Tensor]) -> None:
        self.vgg, self.weights, self.period = vgg, weights, period
        self.ordinary = self._strengths(photographs)

    @torch.no_grad()
    def _strengths(self, photographs: Sequence[Tensor]) -> dict[str, float]:
        """The mean square of photographs' activations, per content layer."""
        found = [self.vgg(photograph, self.weights.content_layers) for photograph in photographs]
        return {
            layer: sum(f[layer].float().square().mean().item() for f in found) / len(found)
            for layer in self.weights.content_layers
        }

    @torch.no_grad()
    def targets(self, paintings: Sequence[Tensor]) -> dict[str, Tensor]:
        """The mean Gram matrices of one style's paintings, each (1, 3, H, W) in 0..1, per style layer (C, C)."""
        found = [self.vgg(painting, self.weights.style_layers) for painting in paintings]
        return {layer: torch.stack([gram(f[layer])[0] for f in found]).mean(0) for layer in self.weights.style_layers}

    def __call__(
        self, painted: Tensor, photographs: Tensor, targets: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(content, style, lattice) losses, each (N,) and unweighted; the first two are means over layers.

        `targets` are per layer (N, C, C), each picture's own style.
        """
        found, content = self.look(painted, photographs)
        return content, self.style(found, targets), self._lattice(painted, found)

    def look(self, painted: Tensor, photographs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """What VGG sees of `painted` (N, 3, H, W), by layer, and the content loss, (N,)."""
        with torch.no_grad():
            wanted = self.vgg(photographs, self.weights.content_layers)
        found = self.vgg(painted, self.weights.layers)
        content = [
            content_loss(found[layer], wanted[layer], least=self.ordinary[layer])
            for layer in self.weights.content_layers
        ]
        return found, torch.stack(content).mean(0)

    def style(self, found: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """The style loss (N,) of what `look` has `found`; `targets` are per layer (N, C, C) or (1, C, C)."""
        losses = [style_loss(gram(found[layer]), targets[layer]) for layer in self.weights.style_layers]
        return torch.stack(losses).mean(0)

    def _lattice(self, painted: Tensor, found: dict[str, Tensor]) -> Tensor:
        # Energy in every pixel of a cell hides a mark from a sum over colours, but not from so many kinds of edges.
        marks = [on_lattice(painted, self.period)] + [
            on_lattice(found[layer], self.period // scale)
            for layer, scale in LATTICE_LAYERS.items()
            if layer in found and self.period > scale
        ]
        return torch.stack(marks).sum(0)
