"""The transformation network in PyTorch: what is trained, and the reference for every engine."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.networks.architecture import EPSILON, TANH_SCALE, Architecture
from vidstyle.networks.instance_norm import conditional_instance_norm, conditional_instance_norm_and_spikes
from vidstyle.networks.padding import reflect

LEAK = 0.05
"""Slope of the output beyond 0..1 while training."""

EDGE = math.atanh(0.5 / TANH_SCALE)
"""Where the scaled tanh reaches 0 and 1."""


class TransformNetwork(nn.Module):
    """Johnson's network with conditional instance norm, of any `Architecture`.

    Upsampling repeats pixels and convolves (Odena et al., "Deconvolution and Checkerboard Artifacts",
    2016): transposed convolutions leave a grid on flat areas. The norms have no parameters: scales and
    shifts come with each picture.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        for name, (channels, width, kernel) in architecture.convolutions().items():
            stride = 2 if name.startswith("down") else 1
            module: nn.Module = self
            *parents, leaf = name.split(".")
            for parent in parents:
                if not hasattr(module, parent):
                    module.add_module(parent, nn.Module())
                module = module.get_submodule(parent)
            module.add_module(leaf, nn.Conv2d(channels, width, kernel, stride))

    def forward(self, pictures: Tensor, styles: Tensor, spikes: list[Tensor] | None = None) -> Tensor:
        """Paint `pictures` (N, 3, H, W) RGB in 0..1 in `styles` (N, S); returns the same shape and range.

        In training mode the output leaks out of the range by a small part of what is clipped otherwise: at
        a hard edge gradients stop, and what once left the range would never return.

        To a list of `spikes` each norm adds what stands out in its activations, (N,).

        H and W must be multiples of `architecture.stride` and at least twice that; the ONNX graph
        and the torch backend pad other sizes.
        """
        arch = self.architecture
        parts = list(styles.split([*(c for n in arch.norms for c in (n, n)), *arch.gates], dim=1))
        gates = [parts.pop()[:, :, None, None] for _ in arch.gates]
        parts.reverse()
        levels = []

        def norm(x: Tensor) -> Tensor:
            scale, shift = (parts.pop() for _ in range(2))
            if spikes is None:
                return conditional_instance_norm(x, scale, shift, epsilon=EPSILON)
            x, spike = conditional_instance_norm_and_spikes(x, scale, shift, epsilon=EPSILON)
            spikes.append(spike)
            return x

        x = fold(pictures, arch.unshuffle)
        x = self.convolve(x, "stem")
        for i in range(len(arch.widths) - 1):
            levels.append(x)
            x = self.convolve(norm(x).relu(), f"down{i}")
        x = norm(x).relu()
        for i in range(arch.blocks):
            y = norm(self.convolve(x, f"block{i}.first")).relu()
            x = x + norm(self.convolve(y, f"block{i}.second"))
        for i in range(len(arch.widths) - 1):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = norm(self.convolve(x, f"up{i}")).relu()
            if arch.skips:
                x = x + levels.pop() * gates.pop().to(x.dtype)
        for i in range(arch.refine):
            x = x + self.convolve(self.convolve(x, f"refine{i}.first").relu(), f"refine{i}.second")
        x = self.convolve(x, "head")
        x = unfold(self.squash(x) if arch.squash else x, arch.unshuffle) + 0.5
        if arch.bypass:
            x = x + (pictures - 0.5) * gates.pop()
        inside = x.clamp(0, 1)
        return inside + LEAK * (x - inside) if self.training else inside

    def squash(self, x: Tensor) -> Tensor:
        """The paper's scaled tanh; in training straight on beyond 0 and 1, since a flat end has no gradient either:
        what was once painted black there would stay black."""
        if not self.training:
            return x.tanh() * TANH_SCALE
        inside = x.clamp(-EDGE, EDGE)
        return inside.tanh() * TANH_SCALE + (x - inside)

    def convolve(self, x: Tensor, name: str) -> Tensor:
        """Reflection padding, so that no border shows, and the convolution called `name`."""
        convolution = self.get_submodule(name)
        p = self.architecture.convolutions()[name][2] // 2
        result: Tensor = convolution(reflect(x, p))
        return result


def fold(x: Tensor, side: int) -> Tensor:
    """(N, 3, H, W) to (N, 3 side side, H/side, W/side): channel order row, column, colour.

    Not `pixel_unshuffle`, whose colour is outermost: with colour innermost an (H, W, 3) frame folds
    by moving whole rows of `side` pixels.
    """
    if side == 1:
        return x
    n, c, h, w = x.shape
    x = x.view(n, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, side * side * c, h // side, w // side)


def unfold(x: Tensor, side: int) -> Tensor:
    """The reverse of `fold`."""
    if side == 1:
        return x
    n, c, h, w = x.shape
    x = x.view(n, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(n, c // side**2, h * side, w * side)


def neutral_style(architecture: Architecture) -> Tensor:
    """The style vector that scales by one and shifts by nothing, (S,) float32: where training starts."""
    norms = [part for c in architecture.norms for part in (torch.ones(c), torch.zeros(c))]
    skips = [torch.ones(c) for c in architecture.widths[-2::-1] if architecture.skips]
    return torch.cat([*norms, *skips, *([torch.zeros(3)] if architecture.bypass else [])])


def identity_style(architecture: Architecture) -> Tensor:
    """The style vector that comes nearest to giving pictures back untrained, (S,) float32.

    With a bypass that is exact but for the last convolution's bias: nothing passes the last norm.
    """
    style = neutral_style(architecture)
    if architecture.bypass:
        end, width = 2 * sum(architecture.norms), architecture.norms[-1]
        style[end - 2 * width : end - width] = 0
        style[-3:] = 1
    return style
