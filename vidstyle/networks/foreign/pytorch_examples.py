"""Checkpoints of fast_neural_style in pytorch/examples (`.pth`, `.model`): the state dict of its TransformerNet.

The network takes and gives 0..255. Reflection padding; upsampling repeats pixels. Checkpoints made
before PyTorch 0.4 hold running statistics of the instance norms, which never had an effect.
"""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vidstyle.errors import StyleError
from vidstyle.networks.foreign.imported import LARGEST_FILE, Imported, PictureNodes, check_finite, check_size

EPSILON = 1e-5
STRIDE = 4
BLOCKS = 5

_UNUSED = (".running_mean", ".running_var", ".num_batches_tracked")

Array = npt.NDArray[np.float32]


def read(path: Path) -> Imported:
    """Read the checkpoint. Raises StyleError; nothing but tables of numbers is ever loaded from it."""
    builder = _Builder(path, _weights(path))
    x = builder.enter(multiple=STRIDE, smallest=2 * STRIDE)
    for i, (kernel, stride) in enumerate(((9, 1), (3, 2), (3, 2)), 1):
        x = builder.node("Relu", builder.layer(x, f"conv{i}", f"in{i}", kernel=kernel, stride=stride))
    for i in range(1, BLOCKS + 1):
        y = builder.node("Relu", builder.layer(x, f"res{i}.conv1", f"res{i}.in1"))
        x = builder.node("Add", builder.layer(y, f"res{i}.conv2", f"res{i}.in2"), x)
    for i in (1, 2):
        x = builder.node("Relu", builder.layer(builder.repeated(x), f"deconv{i}", f"in{i + 3}"))
    x = builder.convolution(x, "deconv3", kernel=9, channels=3)
    if builder.weights:
        raise StyleError(f"{path}: holds {min(builder.weights)} too, which is no part of a pytorch/examples network")
    builder.leave(x)
    return Imported(model=builder.picture_model(), format="pytorch/examples checkpoint")


class _Builder(PictureNodes):
    def __init__(self, path: Path, weights: dict[str, Array]) -> None:
        super().__init__()
        self.path = path
        self.weights = weights
        self.channels = 3

    def layer(self, x: str, name: str, norm: str, *, kernel: int = 3, stride: int = 1) -> str:
        """A convolution and its instance norm. The second of a residual block gives what came into the block."""
        channels = self.channels if name.startswith("res") else None
        x = self.convolution(x, name, kernel=kernel, stride=stride, channels=channels)
        scale = self.take(f"{norm}.weight", (self.channels,))
        return self.instance_norm(
            x, norm, scale=scale, shift=self.take(f"{norm}.bias", (self.channels,)), epsilon=EPSILON
        )

    def convolution(self, x: str, name: str, *, kernel: int, stride: int = 1, channels: int | None = None) -> str:
        """Reflection padding and a convolution to `channels`, or to as many as its weights make."""
        weight = self.take(f"{name}.conv2d.weight", (channels, self.channels, kernel, kernel))
        self.channels = weight.shape[0]
        bias = self.take(f"{name}.conv2d.bias", (self.channels,))
        p = kernel // 2
        x = self.node("Pad", x, self.ints(0, 0, p, p, 0, 0, p, p), mode="reflect")
        tensors = self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)
        return self.node("Conv", x, *tensors, strides=[stride, stride])

    def repeated(self, x: str) -> str:
        """Every pixel twice in both directions."""
        scales = self.constant("twice", np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize", x, "", scales, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
        )

    def take(self, name: str, shape: tuple[int | None, ...]) -> Array:
        """The weight called `name`, of this shape; None stands for any size."""
        value = self.weights.pop(name, None)
        if value is None:
            raise StyleError(f"{self.path}: holds no {name}; only pytorch/examples fast_neural_style networks are read")
        if value.ndim != len(shape) or any(w not in (None, v) for w, v in zip(shape, value.shape, strict=True)):
            wanted = tuple("any" if side is None else side for side in shape)
            raise StyleError(f"{self.path}: {name} is {value.shape}, not {wanted}")
        return value


def _weights(path: Path) -> dict[str, Array]:
    """All weights by name, float32; those without effect left out."""
    check_size(path)
    state = _load(path)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise StyleError(f"{path}: not a state dict; save one with torch.save(model.state_dict(), FILE)")
    used = {name: value for name, value in state.items() if not name.endswith(_UNUSED)}
    for name, value in used.items():
        _check_plain(path, name, value)
    # A view may claim far more values than the file holds.
    if sum(value.numel() for value in used.values()) * np.float32().itemsize > LARGEST_FILE:
        raise StyleError(f"{path}: its weights claim more than {LARGEST_FILE // 2**20} MB; a style network has less")
    weights = {name: np.ascontiguousarray(value.detach().float().numpy()) for name, value in used.items()}
    for name, value in weights.items():
        check_finite(path, name, value)
    return weights


def _check_plain(path: Path, name: str, value: torch.Tensor) -> None:
    """Raise StyleError if a tensor is not an array of ordinary numbers that is really there."""
    plain = value.layout is torch.strided and value.device.type == "cpu" and not value.is_nested
    if not plain or not value.is_floating_point():  # quantised and complex numbers are none
        raise StyleError(f"{path}: {name} is not a plain array of floating-point numbers, which weights are")


def _load(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # A pickle of protocol 4 makes torch warn that it may not read it; the error below says what is wrong.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes the unpickler raise
        forbidden = re.search(r"GLOBAL ([\w.]+)", str(error))
        if forbidden:
            raise StyleError(
                f"{path}: asks to run {forbidden[1]} on loading, which is never done; only plain weights are read, "
                "as torch.save(model.state_dict(), FILE) makes them"
            ) from error
        if f"operand {pickle.FRAME[0]}" in str(error):  # begins every pickle of protocol 4 and later
            raise StyleError(
                f"{path}: a pickle of protocol 4 or later, which can run code on loading and so is never loaded; "
                "only plain weights are read, as torch.save(model.state_dict(), FILE) makes them"
            ) from error
        raise StyleError(f"{path}: not a PyTorch checkpoint of plain weights ({type(error).__name__})") from error
