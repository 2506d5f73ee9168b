"""A network whose norms are opened up: their statistics come from outside and are measured tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vidstyle.backends.openvino import translated
from vidstyle.backends.openvino_core import openvino_core
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.architecture import EPSILON
from vidstyle.networks.network import Network

Vector = npt.NDArray[np.float32]

_CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


@dataclass(frozen=True, eq=False)
class _Measured:
    """Of the `pixels` of a tile's own part: each channel's mean and variance, (C,) float64."""

    pixels: int
    mean: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64]


class TileNetwork:
    """A network for one size of tile, its norms opened up: their statistics are inputs, learnt one by one."""

    def __init__(self, network: Network, tile: tuple[int, int]) -> None:
        self._core = openvino_core()
        self._name = network.name
        try:
            self._model = self._core.read_model(network.graph)
            self._model.reshape({self._model.input(0): [1, *tile, 3]})
            self._norms = _open_norms(self._model, tile)
        except (RuntimeError, MemoryError) as error:
            raise translated(error, f"OpenVINO cannot open the norms of {network.name}") from error
        self.norms = len(self._norms)
        self.forget()

    def forget(self) -> None:
        """Statistics of no picture: means of zero, deviations of one."""
        self._statistics = {f"mean_{i}": np.zeros(n.channels, np.float32) for i, n in enumerate(self._norms)}
        self._statistics |= {f"scale_{i}": np.ones(n.channels, np.float32) for i, n in enumerate(self._norms)}

    def measuring(self, norm: int, style: StyleVector) -> Callable[[ImageArray, Vector], _Measured]:
        """The network up to `norm`: takes a window (H, W, 3) uint8 and its own part, gives what it measures."""
        import openvino

        opened = self._norms[norm]
        part = openvino.Model([opened.mean, opened.variance], self._model.get_parameters())
        run = self._compiled(part, style)

        def measure(window: ImageArray, own: Vector) -> _Measured:
            weight = own[:: opened.level, :: opened.level]
            mean, variance = run(window, {f"own_{opened.level}": weight / weight.sum()})
            return _Measured(int(own.sum()), mean.astype(np.float64), variance.astype(np.float64))

        return measure

    def learn(self, norm: int, tiles: Sequence[_Measured]) -> None:
        """Take over the statistics of one norm from all tiles of the picture.

        Variances within tiles and between them add up. A mean of squares would lose those of even pictures, which are
        small beside the mean.
        """
        pixels = sum(tile.pixels for tile in tiles)
        mean = np.sum([tile.mean * (tile.pixels / pixels) for tile in tiles], axis=0)
        spread = [(tile.variance + (tile.mean - mean) ** 2) * (tile.pixels / pixels) for tile in tiles]
        self._statistics[f"mean_{norm}"] = mean.astype(np.float32)
        self._statistics[f"scale_{norm}"] = (1 / np.sqrt(np.sum(spread, axis=0) + EPSILON)).astype(np.float32)

    def painting(self, style: StyleVector) -> Callable[[ImageArray], ImageArray]:
        """The whole network: takes a window (H, W, 3) uint8, gives it painted."""
        run = self._compiled(self._model, style)
        return lambda window: run(window, {})[0][0]

    def _compiled(self, model: Any, style: StyleVector) -> Callable[[ImageArray, dict[str, Vector]], list[Any]]:
        """A function from a window and further inputs to the model's outputs, with what was learnt until now."""
        try:
            request = self._core.compile_model(model, "CPU", _CONFIG).create_infer_request()
        except (RuntimeError, MemoryError) as error:
            raise translated(error, f"OpenVINO cannot compile tiles of {self._name}") from error
        names = {name for port in request.model_inputs for name in port.get_names()}
        fixed = {name: value for name, value in {**self._statistics, "style": style}.items() if name in names}

        def run(window: ImageArray, more: dict[str, Vector]) -> list[Any]:
            try:
                outputs = request.infer({"frames": window[None], **fixed, **more})
            except (RuntimeError, MemoryError) as error:
                raise translated(error, "OpenVINO failed to run a tile") from error
            return [outputs[port].copy() for port in request.model_outputs]

        return run


@dataclass(frozen=True, kw_only=True, eq=False)
class _OpenedNorm:
    """`level`: pixels of the picture to one of its own. `mean` and `variance`: what measures it, graph outputs."""

    channels: int
    level: int
    mean: Any
    variance: Any


def _open_norms(model: Any, tile: tuple[int, int]) -> list[_OpenedNorm]:
    """Give norm i of `model` its statistics from inputs `mean_<i>` and `scale_<i>`.

    Every level has an input `own_<level>`: weights, of sum one, of the pixels to be measured.
    """
    from openvino import opset13 as op

    own: dict[int, Any] = {}
    found, inputs = [], []
    for i, norm in enumerate(node for node in model.get_ordered_ops() if node.get_type_name() == "MVN"):
        _, channels, height, _ = norm.output(0).get_shape()
        level = tile[0] // height
        if level not in own:
            own[level] = _input(f"own_{level}", [side // level for side in tile])
        x = norm.input_value(0)
        centre = op.reduce_sum(op.multiply(x, own[level]), [0, 2, 3], keep_dims=True)
        apart = op.subtract(x, centre)
        spread = op.reduce_sum(op.multiply(op.multiply(apart, apart), own[level]), [0, 2, 3], keep_dims=True)
        measured = [op.result(op.reshape(value, [channels], special_zero=False)) for value in (centre, spread)]
        found.append(_OpenedNorm(channels=channels, level=level, mean=measured[0], variance=measured[1]))
        statistics = [_input(f"{name}_{i}", [channels]) for name in ("mean", "scale")]
        mean, scale = (op.reshape(value, [1, channels, 1, 1], special_zero=False) for value in statistics)
        normed = op.multiply(op.subtract(x, mean), scale)
        for reader in norm.output(0).get_target_inputs():
            reader.replace_source_output(normed.output(0))
        inputs += statistics
    model.add_parameters([*inputs, *own.values()])
    model.validate_nodes_and_infer_types()
    return found


def _input(name: str, shape: list[int]) -> Any:
    from openvino import opset13 as op

    parameter = op.parameter(shape, np.float32, name=name)
    parameter.output(0).get_tensor().set_names({name})
    return parameter
