"""Reflection padding for training, in the memory order in which convolutions want their input.

On a processor, PyTorch's own takes activations out of channels-last memory, and its gradient does so again; the copies
back took a quarter of a training step of `classic`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

ROWS, COLUMNS = 2, 3


def reflect(x: Tensor, border: int) -> Tensor:
    """(N, C, H, W) with `border` pixels mirrored beyond each side, less than H and W; edges are not repeated."""
    apply: Callable[..., Tensor] = _Reflect.apply
    return apply(x, border)


class _Reflect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, border: int) -> Tensor:
        """(N, C, H, W) to (N, C, H + 2 border, W + 2 border)."""
        ctx.border = border
        for side in (ROWS, COLUMNS):
            last = x.shape[side] - 1
            before, after = (x.narrow(side, start, border).flip(side) for start in (1, last - border))
            x = torch.cat([before, x, after], side)
        return x

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """The reverse: what lies beyond a side counts where it was mirrored from."""
        (slope,), border = slopes, ctx.border
        for side in (COLUMNS, ROWS):
            length = slope.shape[side] - 2 * border
            inside = slope.narrow(side, border, length).clone(memory_format=torch.channels_last)
            for beyond, source in ((0, 1), (border + length, length - 1 - border)):
                inside.narrow(side, source, border).add_(slope.narrow(side, beyond, border).flip(side))
            slope = inside
        return slope, None
