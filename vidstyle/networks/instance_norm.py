"""Conditional instance norm for training: each picture normalised by itself, scaled and shifted by its style.

Dumoulin, Shlens, Kudlur, "A Learned Representation For Artistic Style" (2017). PyTorch's own instance norm
takes activations out of channels-last memory, on a processor, and every convolution after it puts them
back; those copies took a third of a training step. Its group norm with one channel to a group is the same
function and leaves the memory as it is, but its gradient does not; so the gradient is written out here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def conditional_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float) -> Tensor:
    """(N, C, H, W) activations, normalised over H W, times `scale` plus `shift`, both (N, C)."""
    result: Tensor = _ConditionalInstanceNorm.apply(x, scale, shift, epsilon)  # type: ignore[no-untyped-call]
    return result


class _ConditionalInstanceNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        n, c, h, w = x.shape
        normal, _, inverse_deviation = torch.native_group_norm(x, None, None, n, c, h * w, c, epsilon)
        ctx.save_for_backward(normal, inverse_deviation, scale)
        return torch.addcmul(_of_picture(shift, x), normal, _of_picture(scale, x))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (slope,) = slopes
        normal, inverse_deviation, scale = ctx.saved_tensors
        n, c, h, w = normal.shape
        along, values = (t.permute(0, 2, 3, 1).reshape(n, h * w, c) for t in (slope, normal))
        to_shift = along.sum(1, dtype=scale.dtype)
        to_scale = (along * values).sum(1, dtype=scale.dtype)
        factor = inverse_deviation.view(n, c).to(scale.dtype) * scale
        # The mean and the part along the normalised values change nothing: the norm takes them out again.
        to_x = torch.addcmul(
            _of_picture(-factor * to_shift / (h * w), slope),
            normal,
            _of_picture(-factor * to_scale / (h * w), slope),
        ).addcmul_(slope, _of_picture(factor, slope))
        return to_x, to_scale, to_shift, None


def _of_picture(values: Tensor, like: Tensor) -> Tensor:
    """(N, C) values as (N, C, 1, 1) of the type of `like`."""
    return values[:, :, None, None].to(like.dtype)
