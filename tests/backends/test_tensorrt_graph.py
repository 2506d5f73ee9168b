"""The graph for TensorRT: the same picture, uint8 only at its ends, statistics in fp32."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.backends.fake_tensorrt import check_types
from vidstyle.backends.fidelity import trial_pictures
from vidstyle.backends.protocol import Precision
from vidstyle.backends.tensorrt_graph import typed_for_tensorrt
from vidstyle.errors import BackendError, StyleError
from vidstyle.networks.architecture import Architecture
from vidstyle.networks.graph import build_graph
from vidstyle.style_library import Library, shipped_data

ARCHITECTURES = {
    "folded": Architecture(unshuffle=2, widths=(8, 16), blocks=2, end_kernel=3),
    "skipping": Architecture(unshuffle=2, widths=(8, 16), blocks=1, end_kernel=3, skips=True),
    "plain": Architecture(unshuffle=1, widths=(4, 8), blocks=1, end_kernel=5),
}


def make(architecture: Architecture, *, gain: float = 1.0) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """A network with random weights, those before norms `gain` times too large, and something to paint."""
    random = np.random.default_rng(3)
    weights = {}
    for name, (channels, width, kernel) in architecture.convolutions().items():
        spread = (1.0 if name == "head" else gain) / (channels * kernel**2) ** 0.5
        weights[f"{name}.weight"] = random.normal(0, spread, (width, channels, kernel, kernel)).astype(np.float32)
        weights[f"{name}.bias"] = random.normal(0, 0.1, width).astype(np.float32)
    feeds = {
        "frames": random.integers(0, 256, (2, 19, 26, 3), np.uint8),
        "style": random.normal(0.7, 0.4, architecture.style_size).astype(np.float32),
    }
    return build_graph(architecture, weights), feeds


def paint(model: onnx.ModelProto, feeds: dict[str, Any]) -> np.ndarray[Any, Any]:
    """What the ONNX reference makes of it, every tensor rounded to the type that the graph gives it."""
    return np.asarray(ReferenceEvaluator(model).run(None, feeds)[0])


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.input, *inferred.output)}


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0), ("fp16", 1)])
def test_paints_the_same_picture(architecture: Architecture, precision: Precision, tolerance: int) -> None:
    model, feeds = make(architecture)
    expected = paint(model, feeds)
    painted = paint(typed_for_tensorrt(model, precision), feeds)
    assert painted.dtype == np.uint8
    assert painted.shape == expected.shape
    assert expected.std() > 20, "the picture must have something to lose"
    assert np.abs(painted.astype(int) - expected).max() <= tolerance


def test_shipped_network_in_fp16() -> None:
    """Trained weights and a real style, with every tensor rounded to fp16 where the graph says so."""
    try:
        library = Library([shipped_data()])
    except StyleError as error:
        pytest.skip(str(error))
    network = library.network("live")
    feeds = {"frames": trial_pictures(64, 48), "style": library.style("mosaic", network).vector}
    model = onnx.load(str(network.graph))
    error = np.abs(paint(typed_for_tensorrt(model, "fp16"), feeds).astype(int) - paint(model, feeds))
    assert error.mean() < 0.2
    assert error.max() <= 4


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_bytes_only_at_the_ends(precision: Precision) -> None:
    model, _ = make(ARCHITECTURES["folded"])
    with pytest.raises(AssertionError, match="works on uint8"):
        check_types(model)  # so the check can fail
    check_types(typed_for_tensorrt(model, precision))


def test_convolutions_in_fp16_and_norms_in_fp32() -> None:
    model, _ = make(ARCHITECTURES["folded"])
    typed = typed_for_tensorrt(model, "fp16")
    types = element_types(typed) | {i.name: i.data_type for i in typed.graph.initializer}
    by_operator: dict[str, set[int]] = {}
    for node in typed.graph.node:
        by_operator.setdefault(node.op_type, set()).update(types[name] for name in node.input if name in types)
    assert by_operator["Conv"] == {TensorProto.FLOAT16}
    assert by_operator["InstanceNormalization"] == {TensorProto.FLOAT}
    assert by_operator["Relu"] == {TensorProto.FLOAT16}
    slices = {node.output[0] for node in typed.graph.node if node.op_type == "Slice" and node.input[0] == "style"}
    parts = {node.output[0] for node in typed.graph.node if node.op_type == "Reshape" and node.input[0] in slices}
    styled = [node for node in typed.graph.node if parts & set(node.input)]
    assert len(styled) == len(parts) >= 2 * len(ARCHITECTURES["folded"].norms)
    assert {types[name] for node in styled for name in (*node.input, *node.output)} == {TensorProto.FLOAT}


def test_interface_is_unchanged() -> None:
    model, _ = make(ARCHITECTURES["plain"])
    typed = typed_for_tensorrt(model, "fp16")
    assert typed.graph.input == model.graph.input
    assert typed.graph.output == model.graph.output


def test_statistics_that_overflow_fp16() -> None:
    """Features of a few hundred are fine in fp16, their squares are not."""
    model, feeds = make(ARCHITECTURES["folded"], gain=2000.0)
    typed = typed_for_tensorrt(model, "fp16")
    expected = paint(model, feeds).astype(int)
    assert np.abs(paint(typed, feeds) - expected).max() <= 2
    with np.errstate(all="ignore"):
        spoilt = paint(_norms_in_fp16(typed), feeds)
    assert np.abs(spoilt - expected).max() > 20, "without islands this network must fail"


def _norms_in_fp16(typed: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its instance norms written out and their statistics rounded to fp16."""
    model = onnx.ModelProto()
    model.CopyFrom(typed)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    axes = numpy_helper.from_array(np.array([2, 3]), "axes")
    model.graph.initializer.append(axes)
    for node in nodes:
        if node.op_type != "InstanceNormalization":
            model.graph.node.append(node)
            continue
        x, out = node.input[0], node.output[0]
        steps = [
            ("Cast", [x], f"{out}_half", {"to": TensorProto.FLOAT16}),
            ("ReduceMean", [f"{out}_half", "axes"], f"{out}_mean", {}),
            ("Sub", [f"{out}_half", f"{out}_mean"], f"{out}_centred", {}),
            ("Mul", [f"{out}_centred", f"{out}_centred"], f"{out}_squares", {}),
            ("ReduceMean", [f"{out}_squares", "axes"], f"{out}_variance", {}),
            ("Sqrt", [f"{out}_variance"], f"{out}_deviation", {}),
            ("Div", [f"{out}_centred", f"{out}_deviation"], f"{out}_normal", {}),
            ("Cast", [f"{out}_normal"], out, {"to": TensorProto.FLOAT}),
        ]
        model.graph.node.extend(helper.make_node(op, i, [o], **attributes) for op, i, o, attributes in steps)
    return model


def test_norm_written_out_becomes_one_island() -> None:
    """A network that spells its norm out (mean, difference, variance) keeps all of it in fp32."""
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "H", "W", 3])
    painted = helper.make_tensor_value_info("painted", TensorProto.UINT8, ["N", "H", "W", 3])
    constants = {
        "axes": np.array([1, 2]),
        "tiny": np.float32(1e-5),
        "grey": np.float32(128),
        "contrast": np.float32(40),
    }
    steps = [
        ("Cast", ["frames"], "x", {"to": TensorProto.FLOAT}),
        ("ReduceMean", ["x", "axes"], "mean", {}),
        ("Sub", ["x", "mean"], "centred", {}),
        ("Mul", ["centred", "centred"], "squares", {}),
        ("ReduceMean", ["squares", "axes"], "variance", {}),
        ("Add", ["variance", "tiny"], "safe", {}),
        ("Sqrt", ["safe"], "deviation", {}),
        ("Div", ["centred", "deviation"], "normal", {}),
        ("Mul", ["normal", "contrast"], "scaled", {}),
        ("Add", ["scaled", "grey"], "shifted", {}),
        ("Clip", ["shifted", "low", "high"], "clipped", {}),
        ("Cast", ["clipped"], "painted", {"to": TensorProto.UINT8}),
    ]
    constants |= {"low": np.float32(0), "high": np.float32(255)}
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node(op, i, [o], **attributes) for op, i, o, attributes in steps],
            "written_out",
            [frames],
            [painted],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    feeds = {"frames": np.random.default_rng(0).integers(0, 256, (1, 30, 40, 3), np.uint8)}
    typed = typed_for_tensorrt(model, "fp16")
    check_types(typed)
    types = element_types(typed)
    assert {types[name] for name in ("centred", "squares", "variance", "deviation", "normal")} == {TensorProto.FLOAT}
    assert np.abs(paint(typed, feeds).astype(int) - paint(model, feeds)).max() <= 1


def test_weight_beyond_fp16() -> None:
    model, _ = make(ARCHITECTURES["plain"])
    weight = next(i for i in model.graph.initializer if i.name == "down0.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + 70000, "down0.weight"))
    with pytest.raises(BackendError, match=r"down0\.weight does not fit fp16"):
        typed_for_tensorrt(model, "fp16")
    typed_for_tensorrt(model, "fp32")
