"""Folders of raw weights: lengstrom/fast-style-transfer networks as ml5.js and deeplearn.js keep them.

`manifest.json` names one file of little-endian float32 per variable: `Variable`, `Variable_1`, ...; for
each of the sixteen convolutions its kernel (height, width, in, out; transposed: height, width, out, in),
then shift and scale of the instance norm after it. Padding is TensorFlow's SAME, with zeros.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vidstyle.errors import StyleError
from vidstyle.networks.foreign.imported import LARGEST_FILE, Imported, PictureNodes, check_finite
from vidstyle.networks.network import parse_json, read_small_file

EPSILON = 1e-3
STRIDE = 4
LAYERS = (9, 3, 3, *(3,) * 10, 3, 3, 9)
"""Kernel sides: three on the way down, five residual blocks of two, two transposed ones up, the last."""

_UP = (13, 14)
_DOWN = (1, 2)

Array = npt.NDArray[np.float32]


def read(folder: Path) -> Imported:
    """Read the network in `folder`. Raises StyleError, also for a manifest that points out of the folder."""
    variables = _variables(folder)
    builder = _Builder(folder, variables)
    x = builder.enter(multiple=STRIDE, smallest=2 * STRIDE)
    for layer in range(3):
        x = builder.node("Relu", builder.convolution(x, layer))
    for first in range(3, 13, 2):
        y = builder.node("Relu", builder.convolution(x, first))
        x = builder.node("Add", x, builder.convolution(y, first + 1))
    for layer in _UP:
        x = builder.node("Relu", builder.transposed(x, layer))
    x = builder.node("Tanh", builder.convolution(x, len(LAYERS) - 1))
    builder.leave(builder.node("Add", builder.node("Mul", x, builder.scalar(150.0)), builder.scalar(127.5)))
    return Imported(model=builder.picture_model(), format="lengstrom/ml5 folder")


class _Builder(PictureNodes):
    def __init__(self, folder: Path, variables: list[Array]) -> None:
        super().__init__()
        self.folder = folder
        self.variables = variables
        self.channels = 3

    def convolution(self, x: str, layer: int) -> str:
        """A convolution and its norm. SAME padding of an even side for stride 2 is one row below, none above."""
        kernel, shift, scale = self.layer(layer, incoming=2)
        name, side = f"layer{layer}", LAYERS[layer]
        stride, before = (2, 0) if layer in _DOWN else (1, side // 2)
        weight = self.constant(f"{name}.weight", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        after = side - stride - before
        x = self.node("Conv", x, weight, strides=[stride, stride], pads=[before, before, after, after])
        return self.instance_norm(x, name, scale=scale, shift=shift, epsilon=EPSILON)

    def transposed(self, x: str, layer: int) -> str:
        """A transposed convolution to twice the sides, and its norm."""
        kernel, shift, scale = self.layer(layer, incoming=3)
        weight = self.constant(f"layer{layer}.weight", np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        x = self.node("ConvTranspose", x, weight, strides=[2, 2], pads=[0, 0, 1, 1])
        return self.instance_norm(x, f"layer{layer}", scale=scale, shift=shift, epsilon=EPSILON)

    def layer(self, layer: int, *, incoming: int) -> tuple[Array, Array, Array]:
        """Kernel, shift and scale; `incoming` is the kernel's axis of the channels that come in."""
        kernel, shift, scale = self.variables[3 * layer : 3 * layer + 3]
        side, outgoing = LAYERS[layer], 5 - incoming
        fits = kernel.ndim == 4 and kernel.shape[:2] == (side, side) and kernel.shape[incoming] == self.channels
        if fits and layer == len(LAYERS) - 1:
            fits = kernel.shape[outgoing] == 3
        elif fits and 3 <= layer < _UP[0]:
            fits = kernel.shape[outgoing] == self.channels  # a residual block adds to what came in
        if not fits or shift.shape != scale.shape or shift.shape != (kernel.shape[outgoing],):
            shapes = ", ".join(str(v.shape) for v in (kernel, shift, scale))
            raise StyleError(f"{self.folder}: convolution {layer + 1} has the shapes {shapes}, which do not fit")
        self.channels = kernel.shape[outgoing]
        return kernel, shift, scale


def _variables(folder: Path) -> list[Array]:
    """All variables in order."""
    path = folder / "manifest.json"
    try:
        manifest = parse_json(read_small_file(path))
        names = ["Variable", *(f"Variable_{i}" for i in range(1, 3 * len(LAYERS)))]
        entries = [(name, manifest[name]["filename"], manifest[name]["shape"]) for name in names]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StyleError(f"{path}: not the manifest of a lengstrom/ml5 network ({error!r})") from error
    if extra := manifest.keys() - set(names):
        raise StyleError(f"{path}: lists {min(extra)!r} too, which is no part of a lengstrom/ml5 network")
    return [_variable(folder, name, filename, shape) for name, filename, shape in entries]


def _variable(folder: Path, name: str, filename: object, shape: object) -> Array:
    """One variable's file, which must lie in the folder itself and be of exactly the right size."""
    if not isinstance(shape, list) or not all(type(side) is int and side > 0 for side in shape):
        raise StyleError(f"{folder}: {name} has the shape {shape!r}, which is not a list of sizes")
    if not isinstance(filename, str) or not filename or filename in (".", "..") or set(filename) & set("/\\:\0"):
        raise StyleError(f"{folder}: {name} lies in {filename!r}, which is not a file name; such a manifest is refused")
    path = folder / filename
    expected = 4 * math.prod(shape)
    try:
        if path.is_symlink() or not path.is_file():
            raise StyleError(f"{path}: not an ordinary file in the folder, but {name} should be there")
        size = path.stat().st_size
        if size != expected or size > LARGEST_FILE:
            raise StyleError(f"{path}: {size} bytes, but {name} of shape {shape} has {expected}; the file is damaged")
        values = np.fromfile(path, "<f4").astype(np.float32).reshape(shape)
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from error
    check_finite(path, name, values)
    return values
