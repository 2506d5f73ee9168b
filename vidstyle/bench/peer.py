"""The peers' way: Johnson's network as the programs that people find today run it.

One frame at a time, PyTorch eager, fp32, on the processor, with the layers of pytorch/examples'
fast_neural_style: reflection padding, affine instance norm, nearest upsampling, 9x9 ends. The weights are
random; they change no time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from vidstyle.frames import ImageArray


def eager_peer() -> Callable[[ImageArray], ImageArray]:
    """Paints (1, H, W, 3) uint8 RGB."""
    network = _johnson().eval()

    def paint(frames: ImageArray) -> ImageArray:
        with torch.no_grad():
            pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
            painted = network(pictures).clamp(0, 255).byte().permute(0, 2, 3, 1)
        return np.ascontiguousarray(painted.numpy())

    return paint


def _johnson() -> nn.Sequential:
    return nn.Sequential(
        *_layer(3, 32, 9),
        *_layer(32, 64, 3, stride=2),
        *_layer(64, 128, 3, stride=2),
        *(_Residual(128) for _ in range(5)),
        nn.Upsample(scale_factor=2, mode="nearest"),
        *_layer(128, 64, 3),
        nn.Upsample(scale_factor=2, mode="nearest"),
        *_layer(64, 32, 3),
        nn.ReflectionPad2d(4),
        nn.Conv2d(32, 3, 9),
    )


def _layer(channels: int, width: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, width, kernel, stride)
    return [nn.ReflectionPad2d(kernel // 2), convolution, nn.InstanceNorm2d(width, affine=True), nn.ReLU()]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(*_layer(width, width, 3), *_layer(width, width, 3)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.inside(x)
        return result
