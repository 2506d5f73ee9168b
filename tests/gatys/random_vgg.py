"""A VGG of the right shape with random weights, and quick options for it."""

from __future__ import annotations

from functools import cache

import torch

from vidstyle.gatys.options import GatysOptions
from vidstyle.networks.vgg import VGG

QUICK = (
    "style-layers=conv1_1,conv2_1",
    "content-layers=conv2_1",
    "iterations=6",
    "next-iterations=2",
    "tolerance=0",
    "coarsest=32",
)
"""Words for --gatys that need only the first layers."""

SHALLOW = GatysOptions(
    style_layers=(("conv1_1", 1.0), ("conv2_1", 1.0), ("conv3_1", 1.0)),
    content_layers=(("conv3_1", 1.0),),
    iterations=20,
    tolerance=0.0,
)


@cache
def random_vgg(pooling: str = "average") -> VGG:
    """VGG-16 with weights that keep activations of order 1."""
    torch.manual_seed(0)
    vgg = VGG("vgg16", pooling)  # type: ignore[arg-type]
    for convolution in vgg.convolutions.values():
        fan_in = convolution.weight[0].numel()
        torch.nn.init.normal_(convolution.weight, std=(2 / fan_in) ** 0.5)
        torch.nn.init.zeros_(convolution.bias)
    return vgg
