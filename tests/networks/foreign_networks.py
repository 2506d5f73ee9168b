"""Small networks in the formats that are imported, and what they paint according to PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vidstyle.backends.openvino_core import openvino_core
from vidstyle.frames import ImageArray

WIDTHS = (4, 6, 8)


def paint(model: onnx.ModelProto, frames: ImageArray) -> ImageArray:
    """Run a graph of our own contract on (N, H, W, 3) uint8, in fp32."""
    core = openvino_core()
    network = core.read_model(model.SerializeToString())
    network.reshape({"frames": list(frames.shape)})
    engine = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(engine({"frames": frames})[0])


def photograph(height: int, width: int, count: int = 1) -> ImageArray:
    """Soft shapes with a little grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = np.stack([np.sin(x / 7 + c) * np.cos(y / (5 + c)) for c in range(3)], axis=-1)
    grain = np.random.default_rng(0).normal(0, 8, (count, height, width, 3))
    return np.clip(128 + 90 * planes + grain, 0, 255).astype(np.uint8)


class TransformerNet(nn.Module):
    """Layers named as in the state dicts of pytorch/examples; `nn.Module`s only where they hold weights."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        ends = {
            "conv1": (3, first, 9), "conv2": (first, second, 3), "conv3": (second, third, 3),
            "deconv1": (third, second, 3), "deconv2": (second, first, 3), "deconv3": (first, 3, 9),
        }  # fmt: skip
        for name, (channels, width, kernel) in ends.items():
            self.add_module(name, self.convolution(channels, width, kernel))
        for i, width in enumerate((first, second, third, second, first), 1):
            self.add_module(f"in{i}", nn.InstanceNorm2d(width, affine=True))
        for i in range(1, 6):
            block = nn.Module()
            for j in (1, 2):
                block.add_module(f"conv{j}", self.convolution(third, third, 3))
                block.add_module(f"in{j}", nn.InstanceNorm2d(third, affine=True))
            self.add_module(f"res{i}", block)
        for norm in self.modules():
            if isinstance(norm, nn.InstanceNorm2d):
                nn.init.normal_(norm.weight, 1, 0.3)
                nn.init.normal_(norm.bias, 0, 0.3)
        nn.init.normal_(self.get_submodule("deconv3.conv2d").weight, 0, 3)
        nn.init.constant_(self.get_submodule("deconv3.conv2d").bias, 120)

    @staticmethod
    def convolution(channels: int, width: int, kernel: int) -> nn.Module:
        layer = nn.Module()
        layer.add_module("conv2d", nn.Conv2d(channels, width, kernel))
        return layer

    def layer(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weights = self.get_submodule(f"{name}.conv2d")
        p = weights.weight.shape[2] // 2
        return F.conv2d(F.pad(x, (p, p, p, p), mode="reflect"), weights.weight, weights.bias, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.get_submodule
        for i, stride in ((1, 1), (2, 2), (3, 2)):
            x = norm(f"in{i}")(self.layer(x, f"conv{i}", stride)).relu()
        for i in range(1, 6):
            y = norm(f"res{i}.in1")(self.layer(x, f"res{i}.conv1")).relu()
            x = x + norm(f"res{i}.in2")(self.layer(y, f"res{i}.conv2"))
        for i in (1, 2):
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = norm(f"in{i + 3}")(self.layer(x, f"deconv{i}")).relu()
        return self.layer(x, "deconv3")


def paint_with_torch(network: nn.Module, frames: ImageArray) -> ImageArray:
    """What a network from 0..255 to 0..255 paints; the sides of `frames` are multiples of 4."""
    with torch.no_grad():
        painted = network(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    return painted.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()


def write_lengstrom(folder: Path) -> list[Tensor]:
    """A random network in lengstrom's format; returns its variables in order."""
    first, second, third = WIDTHS
    random = torch.Generator().manual_seed(3)
    kernels = [(9, 9, 3, first), (3, 3, first, second), (3, 3, second, third), *[(3, 3, third, third)] * 10]
    kernels += [(3, 3, second, third), (3, 3, first, second), (9, 9, first, 3)]  # the transposed: out before in
    variables = []
    for i, shape in enumerate(kernels):
        width = shape[2] if i in (13, 14) else shape[3]
        variables.append(torch.randn(shape, generator=random) * 0.2)
        variables.append(torch.randn(width, generator=random) * 0.2)
        variables.append(torch.randn(width, generator=random) * 0.3 + (0.5 if i == 15 else 1))
    folder.mkdir()
    manifest = {}
    for i, variable in enumerate(variables):
        name = f"Variable_{i}" if i else "Variable"
        manifest[name] = {"filename": name, "shape": list(variable.shape)}
        (folder / name).write_bytes(variable.numpy().astype("<f4").tobytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return variables


class LengstromReference(nn.Module):
    """The same network according to PyTorch."""

    def __init__(self, variables: list[Tensor]) -> None:
        super().__init__()
        self.variables = variables

    def norm(self, x: Tensor, i: int) -> Tensor:
        _, shift, scale = self.variables[3 * i : 3 * i + 3]
        return F.instance_norm(x, weight=scale, bias=shift, eps=1e-3)

    def layer(self, x: Tensor, i: int, stride: int = 1) -> Tensor:
        kernel = self.variables[3 * i].permute(3, 2, 0, 1)
        p = kernel.shape[2] // 2
        pads = (0, 1, 0, 1) if stride == 2 else (p, p, p, p)
        return self.norm(F.conv2d(F.pad(x, pads), kernel, stride=stride), i)

    def forward(self, x: Tensor) -> Tensor:
        for i, stride in ((0, 1), (1, 2), (2, 2)):
            x = self.layer(x, i, stride).relu()
        for i in range(3, 13, 2):
            x = x + self.layer(self.layer(x, i).relu(), i + 1)
        for i in (13, 14):
            kernel = self.variables[3 * i].permute(3, 2, 0, 1)
            x = F.conv_transpose2d(x, kernel, stride=2)[:, :, :-1, :-1]
            x = self.norm(x, i).relu()
        return 150 * self.layer(x, 15).tanh() + 127.5
