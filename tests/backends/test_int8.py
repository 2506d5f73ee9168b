"""int8: which convolutions work in bytes, that they do, how near they stay, and when ranges are measured."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from tests.conftest import add_style, make_library
from vidstyle.backends import fidelity, int8
from vidstyle.backends.openvino import OpenVino, open_reference
from vidstyle.backends.openvino_core import openvino_core
from vidstyle.backends.protocol import EngineSpec, Precision
from vidstyle.cache import cache_folder
from vidstyle.errors import BackendError
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.network import Network
from vidstyle.style_library import Library

DEEP = Architecture(unshuffle=2, widths=(16, 32), blocks=3, end_kernel=3, skips=True, squash=False, refine=1)
"""With all that `live` has, so that some convolutions are early, some transposed, and one is the last."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_library(tmp_path_factory.mktemp("deep"), networks={"live": DEEP}, styles=("mosaic", "waves"))


@pytest.fixture
def network(root: Path) -> Network:
    return Library([root]).network("live")


@pytest.fixture
def core() -> openvino.Core:
    return openvino_core()


def ignore(line: str) -> None:
    """What a trial says of random weights is nothing to a test."""


def kinds(model: openvino.Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def test_the_first_reads_bytes_the_next_the_last_and_transposed_ones_stay(
    core: openvino.Core, network: Network
) -> None:
    model = core.read_model(network.graph)
    fit = int8.fit_for_int8(model)
    # Twelve convolutions: stem, down, three blocks of two, up (transposed), refine's two, head.
    assert [layer.input_value(1).get_shape()[:2] for layer in fit] == [[16, 6], *[[32, 32]] * 3, *[[16, 16]] * 2]
    ranges = int8.measured(core, model, fidelity.known_styles(network))
    assert [(r.low.tolist(), r.high.tolist()) for r in ranges[:1]] == [([0] * 6, [255] * 6)]
    int8.quantise(core, model, network, fidelity.known_styles(network), ignore)
    assert kinds(model).count("FakeQuantize") == 2 * len(fit)


def test_the_engine_computes_bytes_and_paints_nearly_the_same(network: Network) -> None:
    picture = int8.pictures()[0][None]
    height, width = picture.shape[1:3]
    engine = OpenVino().load(network, EngineSpec(width=width, height=height, precision="int8"), ignore)
    assert engine.info.precision == "int8"
    compiled = engine._compiled  # type: ignore[attr-defined]
    convolutions = [
        op
        for op in compiled.get_runtime_model().get_ops()
        if op.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]
    assert [op.get_rt_info()["runtimePrecision"].astype(str) for op in convolutions].count("u8") == 6
    for style in fidelity.known_styles(network):
        error = np.abs(
            engine.run(picture, style).astype(int) - open_reference(network, width, height).run(picture, style)
        )
        assert 0 < error.mean() < 2, "random weights make noise of every picture: trained ones stay within 1"


@pytest.mark.parametrize("signed", [False, True])
def test_a_convolution_is_rounded_finely_whatever_its_channels_hold(core: openvino.Core, signed: bool) -> None:
    """Channels of ranges twenty times apart, and a mean far from zero: what one range for all would spoil."""
    random = np.random.default_rng(5)
    scale = np.geomspace(0.2, 4, 24, dtype=np.float32)[:, None, None]
    x = random.standard_normal((1, 24, 40, 40)).astype(np.float32) * scale
    x = x + 5 * scale if signed else np.maximum(x, 0)
    weight = (random.standard_normal((8, 24, 3, 3)) / scale).astype(np.float32)
    parameter = ops.parameter(list(x.shape), np.float32)
    layer = ops.convolution(parameter, ops.constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
    model = openvino.Model([ops.result(layer)], [parameter], "one")
    expected = core.compile_model(model.clone(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    int8._quantise_layer(layer, int8.Inputs(x.min((0, 2, 3)), x.max((0, 2, 3)), x.mean((0, 2, 3))))
    rounded = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([x])[0]
    error = rounded - expected
    assert error.std() < 0.02 * expected.std()
    assert np.abs(error.mean((0, 2, 3))).max() < 0.01 * expected.std()


def test_ranges_are_measured_once_and_anew_with_another_style(
    root: Path, tmp_path: Path, core: openvino.Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured, counted = int8.measured, []
    monkeypatch.setattr(int8, "measured", lambda *arguments: counted.append(1) or measured(*arguments))
    own = tmp_path / "own"
    shutil.copytree(root, own)

    def quantised() -> None:
        network = Library([own]).network("live")
        int8.quantise(core, core.read_model(network.graph), network, fidelity.known_styles(network), ignore)

    quantised()
    quantised()
    assert len(counted) == 1
    (kept,) = cache_folder("int8").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    quantised()
    assert len(counted) == 2, "a damaged file costs measuring anew"
    add_style(own, "strong", {"live": np.full(DEEP.style_size, 3.0)})
    quantised()
    assert len(counted) == 3


def test_ranges_hold_what_every_style_makes(core: openvino.Core, network: Network) -> None:
    model = core.read_model(network.graph)
    mosaic, waves = fidelity.known_styles(network)
    both = int8.measured(core, model, [mosaic, 3 * waves])
    alone = int8.measured(core, model, [mosaic]), int8.measured(core, model, [3 * waves])
    assert both
    for inputs, first, second in zip(both, *alone, strict=True):
        assert np.array_equal(inputs.low, np.minimum(first.low, second.low))
        assert np.array_equal(inputs.high, np.maximum(first.high, second.high))
        np.testing.assert_allclose(inputs.mean, (first.mean + second.mean) / 2, rtol=1e-4, atol=1e-5)


def test_a_convolution_that_pads_with_zeros_stays(core: openvino.Core) -> None:
    x = ops.parameter([1, 3, 16, 16], np.float32)
    y: openvino.Node = x
    for pad in ([0, 0], [0, 0], [1, 1], [0, 0], [0, 0]):
        y = ops.convolution(y, ops.constant(np.ones((3, 3, 3, 3), np.float32)), [1, 1], pad, pad, [1, 1])
    (fit,) = int8.fit_for_int8(openvino.Model([ops.result(y)], [x], "padded"))  # the fourth: two early, one the last
    assert list(fit.get_attributes()["pads_begin"]) == [0, 0]


def test_a_network_without_a_fit_convolution_is_refused(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "fit_for_int8", lambda model: [])
    with pytest.raises(BackendError, match="no int8 on CPU here for this network"):
        OpenVino().load(network, EngineSpec(width=16, height=16, precision="int8"), ignore)
    assert OpenVino().load(network, EngineSpec(width=16, height=16, latency=True), ignore).info.precision != "int8"


def test_rounding_errors_of_neighbouring_taps_cancel() -> None:
    weight = np.random.default_rng(2).uniform(-100, 100, (6, 4, 5, 7)).astype(np.float32)
    taps = int8._rounded(weight)
    assert (taps == np.round(taps)).all()
    assert np.abs(taps - weight).max() <= 1
    assert np.abs((taps - weight).sum((2, 3))).max() <= 0.5 + 1e-4
    assert np.abs((np.round(weight) - weight).sum((2, 3))).max() > 1, "plain rounding leaves a sum"
    assert np.abs(int8._rounded(np.full((1, 1, 3, 3), 127.0, np.float32))).max() == 127


def test_auto_tries_it_for_live_pictures_only(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Sequence[Precision]] = []

    def choose(subject: fidelity.Subject, candidates: Sequence[Precision], *others: object) -> Precision:
        tried.append(candidates)
        return candidates[0]

    monkeypatch.setattr(fidelity, "choose", choose)
    for latency in (False, True):
        OpenVino().load(network, EngineSpec(width=16, height=16, latency=latency), ignore)
    film, live = tried
    assert "int8" not in film
    assert live == [*film, "int8"]


@pytest.mark.slow
def test_the_shipped_live_network_passes_the_gate() -> None:
    """In its own precision, without bf16 for the rest, every style in it: what a plain laptop paints with."""
    network = Library().network("live")
    core = openvino_core()
    model = core.read_model(network.graph)
    styles = fidelity.known_styles(network)
    int8.quantise(core, model, network, styles, ignore)
    model.reshape({model.input(0): [1, fidelity.HEIGHT, fidelity.WIDTH, 3]})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    reference = open_reference(network, fidelity.WIDTH, fidelity.HEIGHT)
    errors = [
        np.abs(np.asarray(compiled([picture[None], style])[0]).astype(int) - reference.run(picture[None], style))
        for style in styles
        for picture in fidelity.trial_pictures(fidelity.WIDTH, fidelity.HEIGHT)
    ]
    assert np.mean(errors) <= fidelity.MEAN_LIMIT
    assert np.mean(np.asarray(errors) <= fidelity.WITHIN) >= fidelity.WITHIN_SHARE
