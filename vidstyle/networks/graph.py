"""Writes a transformation network as one ONNX graph, uint8 frames in, uint8 frames out.

Scaling, padding to the stride, cropping, clipping and rounding are inside the graph, so that an
engine takes what the decoder gives and gives what the encoder takes. The initialisers carry the
names of `TransformNetwork.state_dict()`, so the file is also the weights file (`read_weights`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidstyle.networks.architecture import Architecture

OPSET = 18
EPSILON = 1e-5
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


class _Builder:
    """Adds nodes one after another; every method returns the name of the tensor it made."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        self.architecture = architecture
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.style_offset = 0

    def build(self) -> onnx.ModelProto:
        arch = self.architecture
        x = self.norm(self.convolution(self.fold("frames"), "stem"), arch.widths[0])
        levels = []
        for i, width in enumerate(arch.widths[1:]):
            levels.append(x)
            x = self.norm(self.convolution(x, f"down{i}", stride=2), width)
        for i in range(arch.blocks):
            y = self.norm(self.convolution(x, f"block{i}.first"), arch.widths[-1])
            y = self.norm(self.convolution(y, f"block{i}.second"), arch.widths[-1], relu=False)
            x = self.node("Add", x, y)
        for i, width in enumerate(arch.widths[-2::-1]):
            x = self.convolution(self.double(x), f"up{i}")
            if arch.skips:
                gate = self.style_slice(2 * sum(arch.norms) + sum(arch.gates[:i]), width)
                x = self.node("Add", x, self.node("Mul", levels.pop(), gate))
            x = self.norm(x, width)
        self.unfold(self.convolution(x, "head"), "painted")
        graph = helper.make_graph(
            self.nodes,
            "vidstyle",
            [
                helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3]),
                helper.make_tensor_value_info("style", TensorProto.FLOAT, [arch.style_size]),
            ],
            [helper.make_tensor_value_info("painted", TensorProto.UINT8, ["N", "H", "W", 3])],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="vidstyle")
        model.ir_version = 9
        onnx.checker.check_model(model)
        return model

    def node(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def ints(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant("ints_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(f"scalar_{value}", np.array(value, np.float32))

    def fold(self, frames: str) -> str:
        """(N, H, W, 3) uint8 to (N, 3 u u, H'/u, W'/u) float 0..1, the sides padded to the stride.

        The fold moves bytes, before the cast: rows of u pixels travel as one piece, so it costs a
        fraction of SpaceToDepth on floats.
        """
        side, stride = self.architecture.unshuffle, self.architecture.stride
        shape = self.node("Shape", frames)
        size = self.node("Slice", shape, self.ints(1), self.ints(3))
        # Reflection inside needs two pixels at the coarsest level, so the smallest picture is 2 strides.
        self.padded = self.node(
            "Max",
            self.ints(2 * stride),
            self.node(
                "Mul",
                self.node("Div", self.node("Add", size, self.ints(stride - 1)), self.ints(stride)),
                self.ints(stride),
            ),
        )
        zero = self.ints(0)
        pads = self.node("Concat", self.ints(0, 0, 0, 0, 0), self.node("Sub", self.padded, size), zero, axis=0)
        self.size = size
        x = self.node("Pad", frames, pads, mode="edge")
        if side > 1:
            coarse = self.node("Div", self.padded, self.ints(side))
            self.coarse_height = self.node("Slice", coarse, zero, self.ints(1))
            self.coarse_width = self.node("Slice", coarse, self.ints(1), self.ints(2))
            blocks = self.node(
                "Concat",
                self.ints(-1),
                self.coarse_height,
                self.ints(side),
                self.coarse_width,
                self.ints(3 * side),
                axis=0,
            )
            x = self.node("Transpose", self.node("Reshape", x, blocks), perm=[0, 1, 3, 2, 4])
            rows = self.node(
                "Concat", self.ints(-1), self.coarse_height, self.coarse_width, self.ints(3 * side * side), axis=0
            )
            x = self.node("Reshape", x, rows)
        x = self.node("Transpose", self.node("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
        return self.node("Mul", x, self.scalar(1 / 255))

    def unfold(self, x: str, name: str) -> str:
        """(N, 3 u u, H'/u, W'/u) float to (N, H, W, 3) uint8: sigmoid, 0..255, round, unfold, crop."""
        side = self.architecture.unshuffle
        x = self.node("Round", self.node("Mul", self.node("Sigmoid", x), self.scalar(255.0)))
        x = self.node("Transpose", self.node("Cast", x, to=TensorProto.UINT8), perm=[0, 2, 3, 1])
        if side > 1:
            blocks = self.node(
                "Concat", self.ints(-1), self.coarse_height, self.coarse_width, self.ints(side, 3 * side), axis=0
            )
            x = self.node("Transpose", self.node("Reshape", x, blocks), perm=[0, 1, 3, 2, 4])
            x = self.node("Reshape", x, self.node("Concat", self.ints(-1), self.padded, self.ints(3), axis=0))
        return self.node("Slice", x, self.ints(0, 0), self.size, self.ints(1, 2), name=name)

    def convolution(self, x: str, name: str, stride: int = 1) -> str:
        """Reflection padding and a convolution, by its name in the architecture."""
        channels, width, kernel = self.architecture.convolutions()[name]
        names = f"{name}.weight", f"{name}.bias"
        for key, expected in zip(names, ((width, channels, kernel, kernel), (width,)), strict=True):
            value = np.ascontiguousarray(self.weights[key], np.float32)
            if value.shape != expected:
                raise ValueError(f"{key} is {value.shape}, not {expected}")
            self.constant(key, value)
        p = kernel // 2
        x = self.node("Pad", x, self.ints(0, 0, p, p, 0, 0, p, p), mode="reflect")
        return self.node("Conv", x, *names, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[0, 0, 0, 0])

    def norm(self, x: str, channels: int, relu: bool = True) -> str:
        """Conditional instance norm: the statistics of the picture, scale and shift of the style."""
        ones = self.constant(f"ones_{channels}", np.ones(channels, np.float32))
        zeros = self.constant(f"zeros_{channels}", np.zeros(channels, np.float32))
        x = self.node("InstanceNormalization", x, ones, zeros, epsilon=EPSILON)
        x = self.node("Mul", x, self.style_part(channels))
        x = self.node("Add", x, self.style_part(channels))
        return self.node("Relu", x) if relu else x

    def style_part(self, channels: int) -> str:
        """The next `channels` values of the style vector as (1, C, 1, 1)."""
        start = self.style_offset
        self.style_offset += channels
        return self.style_slice(start, channels)

    def style_slice(self, start: int, channels: int) -> str:
        """`channels` values of the style vector from `start` on, as (1, C, 1, 1)."""
        part = self.node("Slice", "style", self.ints(start), self.ints(start + channels))
        return self.node("Reshape", part, self.ints(1, channels, 1, 1))

    def double(self, x: str) -> str:
        """Twice the height and width by repeating pixels (see `TransformNetwork` for why not transposed)."""
        return self.node(
            "Resize", x, "", self.constant("double", np.array([1, 1, 2, 2], np.float32)),
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
