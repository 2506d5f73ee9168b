"""Writes a transformation network as one ONNX graph, uint8 frames in, uint8 frames out.

Scaling, padding to the stride, cropping, clipping and rounding are inside the graph, so that an
engine takes what the decoder gives and gives what the encoder takes. The initialisers carry the
names of `TransformNetwork.state_dict()`, so the file is also the weights file (`read_weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidstyle.networks.architecture import EPSILON, TANH_SCALE, Architecture
from vidstyle.networks.nodes import Nodes

Weights = Mapping[str, npt.NDArray[np.float32]]


def write_graph(path: Path, architecture: Architecture, weights: Weights) -> None:
    """Write the network to `path`. Raises KeyError for missing weights, ValueError for wrong shapes."""
    onnx.save(build_graph(architecture, weights), str(path))


def read_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """The weights in a graph that `write_graph` wrote, by their state-dict names."""
    model = onnx.load(str(path))
    return {
        i.name: numpy_helper.to_array(i).copy()
        for i in model.graph.initializer
        if i.name.endswith((".weight", ".bias"))
    }


def build_graph(architecture: Architecture, weights: Weights) -> onnx.ModelProto:
    """The network as an ONNX model with free N, H and W."""
    return _Builder(architecture, weights).build()


class _Builder(Nodes):
    """The network's layers, one after another."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        super().__init__()
        self.architecture = architecture
        self.weights = weights
        self.style_offset = 0
        self.bordered: set[str] = set()

    def build(self) -> onnx.ModelProto:
        """(N, H, W, 3) uint8 `frames` and a `style` (S,) float32 to `painted`, like `frames`, of any size."""
        arch = self.architecture
        x = self.stem("frames")
        levels = []
        for i, width in enumerate(arch.widths[:-1]):
            levels.append(x)
            x = self.convolution(self.norm(x, width, pad=1), f"down{i}", stride=2)
        x = self.norm(x, arch.widths[-1])  # the first block's two readers pad it themselves
        for i in range(arch.blocks):
            y = self.norm(self.convolution(x, f"block{i}.first"), arch.widths[-1], pad=1)
            y = self.norm(self.convolution(y, f"block{i}.second"), arch.widths[-1], relu=False)
            x = self.node("Add", x, y)
        for i, width in enumerate(arch.widths[-2::-1]):
            to_head = i == len(arch.widths) - 2 and not arch.skips and not arch.refine
            x = self.norm(self.up(x, f"up{i}"), width, pad=arch.end_kernel // 2 if to_head else 0)
            if arch.skips:
                gate = self.style_slice(2 * sum(arch.norms) + sum(arch.gates[:i]), width)
                x = self.node("Add", x, self.node("Mul", levels.pop(), gate))
        for i in range(arch.refine):
            y = self.node("Relu", self.convolution(x, f"refine{i}.first"))
            x = self.node("Add", x, self.convolution(y, f"refine{i}.second"))
        self.finish(self.head(x), "painted")
        return self.model(
            [
                helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3]),
                helper.make_tensor_value_info("style", TensorProto.FLOAT, [arch.style_size]),
            ],
            [helper.make_tensor_value_info("painted", TensorProto.UINT8, ["N", "H", "W", 3])],
        )

    def stem(self, frames: str) -> str:
        """(N, H, W, 3) uint8 frames to the first convolution's (N, C, H'/u, W'/u).

        The sides are padded to the stride, the picture is folded and given its reflected border; all of
        that on bytes, before the cast, and the fold on its width only, where it is a matter of reading
        the same bytes differently: the rows are folded by the convolution, whose kernel is u times as
        high and moves down u rows at a time. So it costs next to nothing, where moving bytes about for a
        whole fold costs as much as the convolution. The kernel takes 0..255, which bf16 holds exactly.
        """
        side, stride = self.architecture.unshuffle, self.architecture.stride
        _, width, kernel = self.architecture.convolutions()["stem"]
        p = kernel // 2
        shape = self.node("Shape", frames)
        self.size = self.node("Slice", shape, self.ints(1), self.ints(3))
        # Reflection inside needs two pixels at the coarsest level, so the smallest picture is 2 strides.
        strides = self.node("Div", self.node("Add", self.size, self.ints(stride - 1)), self.ints(stride))
        self.padded = self.node("Max", self.ints(2 * stride), self.node("Mul", strides, self.ints(stride)))
        missing = self.node("Sub", self.padded, self.size)
        pads = self.node("Concat", self.ints(0, 0, 0, 0, 0), missing, self.ints(0), axis=0)
        self.picture = x = self.node("Pad", frames, pads, mode="edge")
        coarse = self.node("Div", self.padded, self.ints(side))
        self.coarse_height = self.node("Slice", coarse, self.ints(0), self.ints(1))
        self.coarse_width = self.node("Slice", coarse, self.ints(1), self.ints(2))
        blocks = self.shape(-1, self.coarse_height, side, self.coarse_width, 3 * side)
        x = self.node("Reshape", x, blocks)
        x = self.node("Pad", x, self.ints(0, p, 0, p, 0, 0, p, 0, p, 0), mode="reflect")
        bordered = self.node("Add", self.coarse_width, self.ints(2 * p))
        x = self.node("Reshape", x, self.shape(self.node("Shape", x, start=0, end=1), -1, bordered, 3 * side))
        x = self.node("Transpose", self.node("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        weight = self.weight("stem").reshape(width, side, 3 * side, kernel, kernel).transpose(0, 2, 3, 1, 4)
        rows = self.constant("stem.rows", weight.reshape(width, 3 * side, kernel * side, kernel) / np.float32(255))
        return self.node(
            "Conv", x, rows, "stem.bias", kernel_shape=[kernel * side, kernel], strides=[side, 1], pads=[0, 0, 0, 0]
        )

    def head(self, x: str) -> str:
        """The last convolution: one pixel of its output is a `block` of the picture's, (row, column, colour).

        Three outputs would leave most of a matrix unit's columns empty. So, where the picture is not folded
        already, groups of columns are read as channels (the same bytes read differently) and the kernel is
        laid out once for each column of a group: three times as fast with groups of four.
        """
        rows, f = self.block
        if rows > 1 or f == 1:
            return self.convolution(x, "head")
        weight = self.weight("head")
        kernel = weight.shape[2]
        p = kernel // 2
        groups = 1 + 2 * p // f
        laid_out = np.zeros((f, 3, kernel, groups * f, weight.shape[1]), np.float32)
        for i in range(f):
            laid_out[i, :, :, i : i + kernel] = weight.transpose(0, 2, 3, 1)
        laid_out = laid_out.reshape(3 * f, kernel, groups, -1).transpose(0, 3, 1, 2)
        names = (
            self.constant("head.columns", np.ascontiguousarray(laid_out)),
            self.constant("head.columns_bias", np.tile(np.asarray(self.weights["head.bias"], np.float32), f)),
        )
        x = self.node("Transpose", x if x in self.bordered else self.border(x, p), perm=[0, 2, 3, 1])
        sides = self.node("Div", self.node("Add", self.padded, self.ints(2 * p, 2 * p)), self.ints(1, f))
        x = self.node("Transpose", self.node("Reshape", x, self.shape(-1, sides, laid_out.shape[1])), perm=[0, 3, 1, 2])
        return self.node("Conv", x, *names, kernel_shape=[kernel, groups], strides=[1, 1], pads=[0, 0, 0, 0])

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of pixels that are one pixel of the last convolution's output."""
        arch = self.architecture
        return (arch.unshuffle, arch.unshuffle) if arch.unshuffle > 1 else (1, gcd(arch.end_kernel // 2, arch.stride))

    def finish(self, x: str, name: str) -> str:
        """The last convolution's output to (N, H, W, 3) uint8: to 0..255, bypass, round, unfold, crop."""
        arch = self.architecture
        rows, columns = self.block
        grid = self.node("Div", self.padded, self.ints(rows, columns))
        x = self.node("Tanh", x) if arch.squash else x
        x = self.node("Mul", x, self.scalar(255 * TANH_SCALE if arch.squash else 255.0))
        if arch.bypass:
            x = self.node("Add", x, self.bypass(grid))
        x = self.node("Clip", self.node("Add", x, self.scalar(127.5)), self.scalar(0.0), self.scalar(255.0))
        x = self.node("Transpose", self.node("Cast", self.node("Round", x), to=TensorProto.UINT8), perm=[0, 2, 3, 1])
        if rows > 1:
            x = self.node("Reshape", x, self.shape(-1, grid, rows, 3 * columns))
            x = self.node("Transpose", x, perm=[0, 1, 3, 2, 4])
        x = self.node("Reshape", x, self.shape(-1, self.padded, 3))
        return self.node("Slice", x, self.ints(0, 0), self.size, self.ints(1, 2), name=name)

    def bypass(self, grid: str) -> str:
        """The picture, in the last convolution's blocks, by how far it is from grey, times the style's gates."""
        rows, columns = self.block
        x = self.picture
        if rows > 1:
            height, width = (self.node("Slice", grid, self.ints(i), self.ints(i + 1)) for i in range(2))
            x = self.node("Reshape", x, self.shape(-1, height, rows, width, 3 * columns))
            x = self.node("Transpose", x, perm=[0, 1, 3, 2, 4])
        x = self.node("Reshape", x, self.shape(-1, grid, 3 * rows * columns))
        x = self.node("Transpose", self.node("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        gates = self.style_slice(self.architecture.style_size - 3, 3)
        gates = self.node("Tile", gates, self.ints(1, rows * columns, 1, 1))
        return self.node("Mul", self.node("Sub", x, self.scalar(127.5)), gates)

    def weight(self, name: str) -> npt.NDArray[np.float32]:
        """The kernel of the convolution called `name`; it and its bias join the graph under their own names."""
        channels, width, kernel = self.architecture.convolutions()[name]
        names = f"{name}.weight", f"{name}.bias"
        for key, expected in zip(names, ((width, channels, kernel, kernel), (width,)), strict=True):
            value = np.ascontiguousarray(self.weights[key], np.float32)
            if value.shape != expected:
                raise ValueError(f"{key} is {value.shape}, not {expected}")
            self.constant(key, value)
        return np.asarray(self.weights[names[0]], np.float32)

    def convolution(self, x: str, name: str, stride: int = 1) -> str:
        """Reflection padding, unless the norm before did it, and a convolution by its name in the architecture."""
        kernel = self.architecture.convolutions()[name][2]
        self.weight(name)
        if x not in self.bordered:
            x = self.border(x, kernel // 2)
        names = f"{name}.weight", f"{name}.bias"
        return self.node("Conv", x, *names, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[0, 0, 0, 0])

    def up(self, x: str, name: str) -> str:
        """Twice the height and width by repeating pixels, reflection padding, a 3x3 convolution: in one.

        Every pixel is spread over four by four, which is what a transposed convolution of stride two does:
        4/9 of the arithmetic and nothing large to repeat, pad or interleave (Shi et al., "Is the
        deconvolution layer the same as a convolutional layer?", 2016). Repeated pixels reflected are the
        edge repeated, so the edge is repeated before, and what it makes beyond the picture is cut off.
        """
        taps = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)  # rows made by kernel rows
        weight = np.einsum("oikl,ak,bl->ioab", self.weight(name), taps, taps)
        kernel = self.constant(f"{name}.spread", np.ascontiguousarray(weight))
        x = self.node("Pad", x, self.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
        return self.node(
            "ConvTranspose", x, kernel, f"{name}.bias", kernel_shape=[4, 4], strides=[2, 2], pads=[3, 3, 3, 3]
        )

    def border(self, x: str, pixels: int) -> str:
        """Reflection padding."""
        result = self.node("Pad", x, self.ints(0, 0, pixels, pixels, 0, 0, pixels, pixels), mode="reflect")
        self.bordered.add(result)
        return result

    def norm(self, x: str, channels: int, *, pad: int = 0, relu: bool = True) -> str:
        """Conditional instance norm: the statistics of the picture, scale and shift of the style.

        A border of `pad` for the next convolution is added between the statistics and the rest: there
        OpenVINO needs no copy of the picture, which it makes between a norm and an element-wise
        operation that both work in place.
        """
        ones = self.constant(f"ones_{channels}", np.ones(channels, np.float32))
        zeros = self.constant(f"zeros_{channels}", np.zeros(channels, np.float32))
        x = self.node("InstanceNormalization", x, ones, zeros, epsilon=EPSILON)
        x = self.border(x, pad) if pad else x
        result = self.node("Add", self.node("Mul", x, self.style_part(channels)), self.style_part(channels))
        result = self.node("Relu", result) if relu else result
        if pad:
            self.bordered.add(result)
        return result

    def style_part(self, channels: int) -> str:
        """The next `channels` values of the style vector as (1, C, 1, 1)."""
        start = self.style_offset
        self.style_offset += channels
        return self.style_slice(start, channels)

    def style_slice(self, start: int, channels: int) -> str:
        """`channels` values of the style vector from `start` on, as (1, C, 1, 1)."""
        part = self.node("Slice", "style", self.ints(start), self.ints(start + channels))
        return self.node("Reshape", part, self.ints(1, channels, 1, 1))
