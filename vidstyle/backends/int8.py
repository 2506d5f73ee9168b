"""int8 for OpenVINO: convolutions that multiply bytes instead of floats, where that costs nearly nothing to see.

Most processors multiply four times as many bytes as floats in an instruction, and those without AMX gain most.
The network is quantised after training, by what its styles make of pictures drawn here (Nagel et al., "A White
Paper on Neural Network Quantization", 2021): every channel of a convolution's input has its own range, so far as
weights of the same precision can make up for it, and the mean that rounded weights take away is given back.

The very first convolution is given bytes anyway, and so loses nothing. Those that follow it stay as they are, for
what goes wrong there is made larger by every norm after it; so do the last one, whose errors are seen as they are,
and transposed ones, which are no faster in bytes (docs/performance.md).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from vidstyle.backends import engine_cache
from vidstyle.backends.fidelity import digest, trial_pictures
from vidstyle.backends.protocol import Say
from vidstyle.frames import ImageArray, StyleVector
from vidstyle.networks.network import Network

if TYPE_CHECKING:
    import openvino

Values = npt.NDArray[np.float32]

WIDTH, HEIGHT = 320, 192

EQUALISATION = 0.65
"""How far an input's channels are brought to one range: 0 not at all, 1 wholly; weights lose what inputs win."""

KEPT = 0.4
"""This part of all convolutions, counted from the first, which is an exception, is not quantised."""

_NARROWEST = 0.02
"""No channel's range is taken as narrower than this part of the widest: it would blow its weights up."""

_BYTE = 255
_FORMAT = 2


@dataclass(frozen=True)
class Inputs:
    """What a convolution is given, by channel: the least, the largest and the mean value, (C,) float32 each."""

    low: Values
    high: Values
    mean: Values


def quantise(
    core: openvino.Core, model: openvino.Model, network: Network, styles: Sequence[StyleVector], say: Say
) -> str:
    """Let the convolutions of `model`, which is `network`'s graph, that are fit for it work in int8, for `styles`.

    The ranges are measured at first use, and kept. Returns a name for all that they depend on. Raises BackendError
    without a cache.
    """
    import openvino

    layers = fit_for_int8(model)
    name = digest([_FORMAT, openvino.__version__, network.sha256], styles)
    file = engine_cache.folder("int8") / f"{name}.npy"
    ranges = _read(file, layers)
    if ranges is None:
        ranges = measured(core, model, styles)
        engine_cache.keep(file, _as_file(ranges), say)
    for layer, inputs in zip(layers, ranges, strict=True):
        _quantise_layer(layer, inputs)
    model.validate_nodes_and_infer_types()
    return name


def fit_for_int8(model: openvino.Model) -> list[openvino.Node]:
    """The convolutions of two dimensions that the module's text names, in order.

    One that pads with zeros is left out, for zero need not be among the values of its bytes.
    """
    kinds = ("Convolution", "ConvolutionBackpropData")
    found = [node for node in model.get_ordered_ops() if node.get_type_name() in kinds]
    first = [node for node in found[:1] if _given_bytes(node)]
    return [node for node in first + found[ceil(KEPT * len(found)) : -1] if _fits(node)]


def _given_bytes(node: openvino.Node) -> bool:
    """Whether a convolution's input is the picture's own bytes, at most moved about."""
    source = node.input_value(0).get_node()
    while source.get_type_name() in ("Transpose", "Reshape", "Pad"):
        source = source.input_value(0).get_node()
    return bool(source.get_type_name() == "Convert" and source.get_input_element_type(0).get_type_name() == "u8")


def _fits(node: openvino.Node) -> bool:
    attributes = node.get_attributes()
    return (
        node.get_type_name() == "Convolution"
        and node.input_value(1).get_node().get_type_name() == "Constant"
        and len(node.input_value(1).get_shape()) == 4
        and attributes["auto_pad"] in ("explicit", "valid")
        and not any((*attributes["pads_begin"], *attributes["pads_end"]))
    )


def measured(core: openvino.Core, model: openvino.Model, styles: Sequence[StyleVector]) -> list[Inputs]:
    """What the convolutions of `fit_for_int8` are given, in fp32, over all `styles` and `pictures()`."""
    import openvino

    model = model.clone()
    layers = fit_for_int8(model)
    inputs = [openvino.opset13.result(layer.input_value(0)) for layer in layers]
    tapped = openvino.Model(inputs, model.get_parameters(), "vidstyle")
    tapped.reshape({tapped.input(0): [1, HEIGHT, WIDTH, 3]})
    request = core.compile_model(tapped, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    runs: list[list[tuple[Values, Values, Values]]] = [[] for _ in inputs]
    for picture in pictures():
        for style in styles:
            request.infer([picture[None], style][: len(tapped.inputs)])
            for number, run in enumerate(runs):
                values = request.get_output_tensor(number).data
                run.append((values.min((0, 2, 3)), values.max((0, 2, 3)), values.mean((0, 2, 3))))
    found = []
    for layer, run in zip(layers, runs, strict=True):
        low, high, mean = (np.asarray(values, np.float32) for values in zip(*run, strict=True))
        if _given_bytes(layer):  # the range of every picture, not of these
            low, high = np.zeros_like(low), np.full_like(high, _BYTE)
        found.append(Inputs(low.min(0), high.max(0), mean.mean(0)))
    return found


def pictures() -> list[ImageArray]:
    """Pictures to measure ranges with, (HEIGHT, WIDTH, 3) uint8 RGB: as rough as nature, and such as try norms."""
    random = np.random.default_rng(19120415)
    rows, columns = np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None]
    fall = 1 / np.maximum(np.hypot(rows, columns), 1 / WIDTH)  # amplitudes as in photographs: one over the frequency
    noise = random.standard_normal((3, HEIGHT, WIDTH))
    clouds = np.stack([np.fft.irfft2(np.fft.rfft2(plane) * fall, (HEIGHT, WIDTH)) for plane in noise], axis=-1)
    clouds = clouds.mean(-1, keepdims=True) + 0.4 * clouds
    natural = [np.clip(mean + contrast * clouds / clouds.std(), 0, 255) for mean, contrast in ((120, 60), (50, 25))]
    return [picture.astype(np.uint8) for picture in natural] + list(trial_pictures(WIDTH, HEIGHT))


def _quantise_layer(layer: openvino.Node, inputs: Inputs) -> None:
    """Round a convolution's input and weights in place, each channel by its own step.

    A channel's values are brought to bytes by its own step, which the weights take over; with bytes of one range for
    all channels, as OpenVINO's kernels want them.
    """
    from openvino import opset13 as ops

    weight = np.asarray(layer.input_value(1).get_node().data, np.float32)
    low, step = _steps(inputs)
    scaled = weight * _by_channel(step)
    limit = np.maximum(np.abs(scaled).max((1, 2, 3), keepdims=True), np.float32(1e-12))
    rounded = _rounded(scaled / limit * 127) * (limit / 127)
    bytes_in = ops.fake_quantize(
        layer.input_value(0),
        _by_channel(low),
        _by_channel(low + _BYTE * step),
        np.float32(0),
        np.float32(_BYTE),
        256,
    )
    bytes_weight = ops.fake_quantize(ops.constant(rounded), -limit, limit, -limit, limit, 255)
    # Where the bytes are 0 the values are `low`; and rounded weights weigh the mean of the bytes a little wrongly.
    lost = weight.sum((2, 3)) @ low + (scaled - rounded).sum((2, 3)) @ ((inputs.mean - low) / step)
    readers = list(layer.output(0).get_target_inputs())
    layer.input(0).replace_source_output(bytes_in.output(0))
    layer.input(1).replace_source_output(bytes_weight.output(0))
    whole = ops.add(layer, _by_channel(lost.astype(np.float32)))
    for reader in readers:
        reader.replace_source_output(whole.output(0))


def _rounded(weight: Values) -> Values:
    """Whole numbers from -127 to 127 for the taps of kernels (O, C, H, W), each making up for the one before.

    Neighbours see nearly the same in a picture, so errors that cancel along a walk over the taps, to and fro, row
    after row, cancel in what comes out: error diffusion (Floyd and Steinberg 1976).
    """
    walk = weight.copy()
    walk[:, :, 1::2] = weight[:, :, 1::2, ::-1]
    sums = np.round(np.cumsum(walk.reshape(*weight.shape[:2], -1), axis=-1, dtype=np.float64))
    taps: Values = np.clip(np.diff(sums, axis=-1, prepend=0), -127, 127).astype(np.float32).reshape(weight.shape)
    taps[:, :, 1::2] = taps[:, :, 1::2, ::-1].copy()
    return taps


def _steps(inputs: Inputs) -> tuple[Values, Values]:
    """The value that is byte 0, and the one from byte to byte, by channel: (C,) float32 each."""
    positive = bool((inputs.low >= 0).all())  # after a rectifier, where 0 is by far the most frequent value
    low = np.zeros_like(inputs.low) if positive else inputs.low
    width = np.maximum(inputs.high - low, 1e-6)
    width = np.maximum(width, width.max() * _NARROWEST)
    equalised = width**EQUALISATION
    wide = equalised * (width / equalised).max()
    low = low if positive else low - (wide - width) / 2
    return low.astype(np.float32), (wide / _BYTE).astype(np.float32)


def _by_channel(values: Values) -> Values:
    return values.reshape(1, -1, 1, 1)


def _read(file: Path, layers: Sequence[openvino.Node]) -> list[Inputs] | None:
    """The ranges in `file`; None if there are none that can be read, which only costs measuring anew."""
    ends = np.cumsum([layer.input_value(1).get_shape()[1] for layer in layers])
    try:
        kept = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if kept.shape != (3, ends[-1]) or not np.isfinite(kept).all():
        return None
    return [Inputs(*part) for part in np.split(kept.astype(np.float32), ends[:-1], axis=1)]


def _as_file(ranges: Sequence[Inputs]) -> bytes:
    content = io.BytesIO()
    np.save(content, np.concatenate([np.stack([r.low, r.high, r.mean]) for r in ranges], axis=1))
    return content.getvalue()
