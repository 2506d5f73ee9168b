"""Conditional instance norm for training: each picture normalised by itself, scaled and shifted by its style.

Dumoulin, Shlens, Kudlur, "A Learned Representation For Artistic Style" (2017). PyTorch's own instance norm
takes activations out of channels-last memory, on a processor, and every convolution after it puts them
back; those copies took a third of a training step. Its group norm with one channel to a group is the same
function and leaves the memory as it is, but its gradient does not; so the gradient is written out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SPIKE = 5.0
"""Deviations from the mean beyond which an activation counts as a spike."""


def conditional_instance_norm(x: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float) -> Tensor:
    """(N, C, H, W) activations, normalised over H W, times `scale` plus `shift`, both (N, C)."""
    apply: Callable[..., tuple[Tensor, None]] = _ConditionalInstanceNorm.apply
    return apply(x, scale, shift, epsilon, False)[0]


def conditional_instance_norm_and_spikes(
    x: Tensor, scale: Tensor, shift: Tensor, *, epsilon: float
) -> tuple[Tensor, Tensor]:
    """`conditional_instance_norm`, and the mean square (N,) of what stands out beyond `SPIKE` deviations.

    A network can get round the norm by one spot so strong that it makes up the deviation: all else keeps its
    own strength, and the spot shows as a blob in the picture (Karras et al., "Analyzing and Improving the Image
    Quality of StyleGAN", 2020, section 2). A small weight on this number takes the way away.
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = _ConditionalInstanceNorm.apply
    return apply(x, scale, shift, epsilon, True)


class _ConditionalInstanceNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, epsilon: float, with_spikes: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Of `x` (N, C, H, W), `scale` and `shift` (N, C): the same shape as `x`, and spikes (N,) or None."""
        n, c, h, w = x.shape
        x = x if x.is_cpu else x.contiguous()  # PyTorch's group norm takes channels-last memory on a processor only
        normal, _, inverse_deviation = torch.native_group_norm(x, None, None, n, c, h * w, c, epsilon)
        ctx.save_for_backward(normal, inverse_deviation, scale)
        ctx.with_spikes = with_spikes
        spikes = _means(_excess(normal).square(), scale.dtype).mean(1) if with_spikes else None
        return torch.addcmul(_of_picture(shift, x), normal, _of_picture(scale, x)), spikes

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Slopes of both results to those of `x` (N, C, H, W), `scale` and `shift` (N, C); the rest has none."""
        slope, slope_of_spikes = slopes
        normal, inverse_deviation, scale = ctx.saved_tensors
        n, c, h, w = normal.shape
        slope_mean, slope_tilt = _means(slope, scale.dtype), _means(slope * normal, scale.dtype)
        deviation = inverse_deviation.view(n, c).to(scale.dtype)
        factor = deviation * scale
        mean, tilt = factor * slope_mean, factor * slope_tilt
        if ctx.with_spikes:
            excess = _excess(normal)
            to_excess = deviation * slope_of_spikes[:, None] * 2 / (c * h * w)
            mean += to_excess * _means(excess, scale.dtype)
            tilt += to_excess * _means(excess * normal, scale.dtype)
        # The mean and the part along the normalised values change nothing: the norm takes them out again.
        to_x = torch.addcmul(_of_picture(-mean, slope), normal, _of_picture(-tilt, slope))
        to_x.addcmul_(slope, _of_picture(factor, slope))
        if ctx.with_spikes:
            to_x.addcmul_(excess, _of_picture(to_excess, slope))
        return to_x, slope_tilt * (h * w), slope_mean * (h * w), None, None


def _excess(normal: Tensor) -> Tensor:
    """What of normalised activations stands out beyond `SPIKE`, with its sign."""
    return F.softshrink(normal, SPIKE)


def _means(x: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, C, H, W) to means over pixels, (N, C) of `dtype`.

    Summed in float32 but handed over in the type of `x`: asked for another, `sum` converts all of `x` first.
    """
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h * w, c).sum(1).to(dtype) / (h * w)


def _of_picture(values: Tensor, like: Tensor) -> Tensor:
    """(N, C) values as (N, C, 1, 1) of the type of `like`."""
    return values[:, :, None, None].to(like.dtype)
