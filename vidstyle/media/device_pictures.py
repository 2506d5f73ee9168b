"""Pictures as torch tensors, on whatever device holds them: what the host does to a frame before it is painted.

`rgb_from_nv12` gives what `rgb_converter` gives, `shrunk` what `scale.resize` gives with OpenCV, each within a
level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""Shares of red and blue in luma, by H.273's number of the matrix: BT.709 and BT.601."""

Siting = tuple[float, float]
"""Where a chroma sample lies among its four pixels: (down, across) in pixels from the first."""

SITINGS: tuple[Siting, ...] = ((0.5, 0.0), (0.5, 0.5), (0.0, 0.0), (0.0, 0.5), (1.0, 0.0), (1.0, 0.5))
"""Those of H.273: left, centre, top left, top, bottom left, bottom."""


def rgb_from_nv12(luma: Tensor, chroma: Tensor, *, matrix: int, full_range: bool, siting: Siting) -> Tensor:
    """(H, W, 3) uint8 RGB, full range, of a picture with even sides.

    `luma` (H, W) and `chroma` (H/2, W/2, 2), Cb before Cr, are uint8 (NV12), or uint16 with the bits at the top (P010).
    `matrix` is H.273's number of BT.709 or BT.601. Chroma is interpolated linearly.
    """
    import torch

    red, blue = _LUMA[matrix]
    unit = 2.0 ** (8 - 8 * luma.element_size())  # of the code values, so that 8 bits are before the point
    y = luma.float() * unit
    colour = _doubled(_doubled(chroma.float() * unit, axis=0, offset=siting[0]), axis=1, offset=siting[1]) - 128
    if not full_range:
        y = (y - 16) * (255 / 219)
        colour = colour * (255 / 224)
    to_blue, to_red = colour[..., 0] * (2 - 2 * blue), colour[..., 1] * (2 - 2 * red)
    to_green = -(red * to_red + blue * to_blue) / (1 - red - blue)
    rgb = torch.stack((y + to_red, y + to_green, y + to_blue), dim=2)
    return rgb.round_().clamp_(0, 255).to(torch.uint8)


def shrunk(images: Tensor, *, width: int, height: int) -> Tensor:
    """`images` (N, H, W, 3) uint8 scaled to `height` x `width`, more than half of theirs; the same if they fit."""
    import torch
    from torch.nn import functional as F

    if images.shape[1:3] == (height, width):
        return images
    planes = images.permute(0, 3, 1, 2).float()
    scaled = F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
    return scaled.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _doubled(samples: Tensor, *, axis: int, offset: float) -> Tensor:
    """Twice as many along `axis`, interpolated linearly, where a sample lies `offset` pixels after its first."""
    import torch

    last = samples.shape[axis] - 1
    places = ((torch.arange(2 * last + 2, device=samples.device) - offset) / 2).clamp(0, last)
    before = places.floor().long()
    after = (before + 1).clamp(max=last)
    weight = (places - before).view([-1 if i == axis else 1 for i in range(samples.ndim)])
    return torch.lerp(samples.index_select(axis, before), samples.index_select(axis, after), weight)
