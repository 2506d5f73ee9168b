"""What every reader of a foreign format gives, and the ends that every imported graph gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from vidstyle.errors import StyleError
from vidstyle.networks.nodes import OPSET, Nodes

LARGEST_FILE = 512 * 2**20
"""Bytes: a style network of this kind has 7 MB, the largest known about 200."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A foreign network as a graph of our own contract: `frames` in, `painted` out (`networks.network`).

    `format` says in a few words what it was read from, `notes` what the user should know of it.
    """

    model: onnx.ModelProto
    format: str
    notes: tuple[str, ...] = ()


class PictureNodes(Nodes):
    """A graph from frames to frames; between `enter` and `leave` the picture is (N, 3, H', W') float32, 0..255."""

    def enter(self, *, multiple: int, smallest: int) -> str:
        """The frames (N, H, W, 3) uint8, their edge repeated until the sides are multiples, at least `smallest`.

        `smallest` is itself a multiple. Nodes here and in `leave` are those of opset 12 and later.
        """
        self._size = self.node("Slice", self.node("Shape", "frames"), self.ints(1), self.ints(3))
        blocks = self.node("Div", self.node("Add", self._size, self.ints(multiple - 1)), self.ints(multiple))
        padded = self.node("Max", self.node("Mul", blocks, self.ints(multiple)), self.ints(smallest))
        missing = self.node("Sub", padded, self._size)
        pads = self.node("Concat", self.ints(0, 0, 0, 0, 0), missing, self.ints(0), axis=0)
        x = self.node("Pad", "frames", pads, mode="edge")
        return self.node("Transpose", self.node("Cast", x, to=TensorProto.FLOAT), perm=[0, 3, 1, 2])

    def leave(self, x: str) -> None:
        """Clip and round (N, 3, H', W') float32 to the output's (N, H, W, 3) uint8."""
        x = self.node("Round", self.node("Clip", x, self.scalar(0.0), self.scalar(255.0)))
        x = self.node("Transpose", self.node("Cast", x, to=TensorProto.UINT8), perm=[0, 2, 3, 1])
        self.node("Slice", x, self.ints(0, 0), self._size, self.ints(1, 2), name="painted")

    def picture_model(self, *, batch: int | str = "N", opset: int = OPSET) -> onnx.ModelProto:
        """The graph from `frames` to `painted`; `batch` is 1 where the network takes no more at a time."""
        ends = [
            helper.make_tensor_value_info(name, TensorProto.UINT8, [batch, "H", "W", 3])
            for name in ("frames", "painted")
        ]
        return self.model(ends[:1], ends[1:], opset=opset)

    def instance_norm(
        self, x: str, name: str, *, scale: npt.NDArray[np.float32], shift: npt.NDArray[np.float32], epsilon: float
    ) -> str:
        """Ulyanov, Vedaldi, Lempitsky, "Instance Normalization: The Missing Ingredient" (2016)."""
        scales, shifts = self.constant(f"{name}.scale", scale), self.constant(f"{name}.shift", shift)
        return self.node("InstanceNormalization", x, scales, shifts, epsilon=epsilon)


def check_finite(path: Path, name: str, values: npt.NDArray[np.float32]) -> None:
    """Raise StyleError if one of a weight's values is not a number."""
    if not np.isfinite(values).all():
        raise StyleError(f"{path}: {name} holds values that are not finite numbers; the file is damaged")


def check_size(path: Path) -> None:
    """Raise StyleError if the file cannot be read or is too large for a style network."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from error
    if size > LARGEST_FILE:
        raise StyleError(f"{path}: {size // 2**20} MB; a style network has at most {LARGEST_FILE // 2**20}")
