"""Made-up camera motion, for teaching a network to be steady.

A network is steady if painting the moved picture gives the moved painting (Ruder et al. 2016 measure
that on films; here the motion is made, so its flow is known exactly and costs nothing at run time).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Motion:
    """Where each pixel of the moved picture comes from: `grid` (N, H, W, 2) in -1..1, `valid` (N, 1, H, W)."""

    grid: Tensor
    valid: Tensor

    def __call__(self, pictures: Tensor) -> Tensor:
        """`pictures` (N, 3, H, W), moved."""
        return F.grid_sample(pictures, self.grid, mode="bicubic", padding_mode="border", align_corners=False)

    def to(self, device: torch.device) -> Motion:
        """The same motion on another device."""
        return Motion(self.grid.to(device), self.valid.to(device))


def random_motion(count: int, size: int, generator: torch.Generator) -> Motion:
    """Motions for `count` pictures of `size` pixels a side.

    Half are whole-pixel shifts of up to 8 pixels, which need no interpolation; half are zooms (4 %),
    rotations (3 degrees), fractional shifts and smooth warps (3 pixels) together.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1

    pixel = 2 / size
    shift = (uniform(count, 2) * 8).round() * pixel
    free = torch.rand(count, generator=generator) < 0.5
    shift[free] += uniform(count, 2)[free] * pixel
    angle = uniform(count) * 0.05 * free
    zoom = 1 + uniform(count) * 0.04 * free
    cosine, sine = angle.cos() * zoom, angle.sin() * zoom
    theta = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], 1).view(count, 2, 3)
    grid = F.affine_grid(theta, [count, 3, size, size], align_corners=False)
    bends = uniform(count, 2, 4, 4) * (3 * pixel) * free.view(-1, 1, 1, 1)
    grid = grid + F.interpolate(bends, (size, size), mode="bicubic").permute(0, 2, 3, 1)
    return Motion(grid, (grid.abs().amax(3) < 1 - 2 * pixel).float()[:, None])


def disturb(pictures: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """`pictures` (N, 3, H, W) with what a camera adds between frames: noise of up to so many levels, 3 % of light."""
    n = len(pictures)
    sigma = torch.rand(n, 1, 1, 1, generator=generator) * (noise / 255)
    light = 1 + (torch.rand(n, 1, 1, 1, generator=generator) * 2 - 1) * 0.03
    grain = torch.randn(pictures.shape, generator=generator)
    return (pictures * light + grain * sigma).clamp(0, 1)


def unsteadiness(painted: Tensor, painted_moved: Tensor, motion: Motion) -> Tensor:
    """Mean squared difference (N,) between the painted moved pictures and the moved painted pictures."""
    error = (painted_moved - motion(painted)).square() * motion.valid
    return error.sum((1, 2, 3)) / (3 * motion.valid.sum((1, 2, 3)) + 1)
