"""ONNX files: layout, size and values found out rightly, and refused where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing needs the torch extra")
pytest.importorskip("torch", reason="the helpers need the torch extra")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from tests.networks import foreign_networks as foreign  # noqa: E402
from vidstyle.errors import StyleError, UsageError  # noqa: E402
from vidstyle.networks.foreign import onnx_file  # noqa: E402
from vidstyle.networks.foreign.trial import Values, parse_values  # noqa: E402

Write = Callable[..., Path]
FREE_FIRST = ("N", 3, "H", "W")
FREE_LAST = ("N", "H", "W", 3)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a graph of nodes from `x` to `y`."""

    def make(
        nodes: list[onnx.NodeProto],
        *,
        shape: tuple[object, ...] = FREE_FIRST,
        out: tuple[object, ...] | None = None,
        kind: int = TensorProto.FLOAT,
        weights: dict[str, np.ndarray] | None = None,
        opset: int = 17,
        more_inputs: tuple[str, ...] = (),
        domain: str = "",
    ) -> Path:
        ends = [helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", kind, out or shape)]
        inputs = [ends[0], *(helper.make_tensor_value_info(name, kind, shape) for name in more_inputs)]
        constants = [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()]
        graph = helper.make_graph(nodes, "foreign", inputs, ends[1:], constants)
        imports = [helper.make_opsetid("", opset), *([helper.make_opsetid(domain, 1)] if domain else [])]
        model = helper.make_model(graph, opset_imports=imports)
        model.ir_version = 8
        onnx.save(model, str(tmp_path / "net.onnx"))
        return tmp_path / "net.onnx"

    return make


def negative(top: float, axis: int) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """`top` minus the picture, red and blue changed places: axis and range show in the result."""
    nodes = [
        helper.make_node("Gather", ["x", "order"], ["swapped"], axis=axis),
        helper.make_node("Sub", ["top", "swapped"], ["y"]),
    ]
    return nodes, {"order": np.array([2, 1, 0]), "top": np.array(top, np.float32)}


@pytest.mark.parametrize("shape", [FREE_FIRST, FREE_LAST, (1, 3, 64, 80), (1, 64, 80, 3)])
@pytest.mark.parametrize(("top", "values"), [(255, "0..255"), (1, "0..1"), (0, "-1..1")])
def test_layout_size_and_values_are_found(write: Write, shape: tuple[object, ...], top: float, values: str) -> None:
    nodes, weights = negative(top, 1 if shape[1] == 3 else 3)
    imported = onnx_file.read(write(nodes, shape=shape, weights=weights))
    frames = foreign.photograph(37, 51, 2)
    painted = foreign.paint(imported.model, frames)
    assert np.abs(painted.astype(int) - (255 - frames[..., ::-1].astype(int))).max() <= 1
    assert imported.notes == (f"takes values of {values}, gives {values}",)


def test_a_network_that_is_indifferent_to_the_range_needs_no_word(write: Write) -> None:
    nodes = [
        helper.make_node("InstanceNormalization", ["x", "ones", "zeros"], ["normed"]),
        helper.make_node("Tanh", ["normed"], ["y"]),
    ]
    weights = {"ones": np.ones(3, np.float32), "zeros": np.zeros(3, np.float32)}
    imported = onnx_file.read(write(nodes, weights=weights))
    assert imported.notes == ("takes values of -1..1, gives -1..1",)


def test_values_that_cannot_be_told_must_be_said(write: Write) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["y"])]
    with pytest.raises(StyleError, match=r"paints differently for values of .*--values"):
        onnx_file.read(write(nodes))
    frames = foreign.photograph(16, 24)
    imported = onnx_file.read(write(nodes), values=(Values.SYMMETRIC, None))
    expected = (np.tanh(frames / 127.5 - 1) + 1) * 127.5
    assert np.abs(foreign.paint(imported.model, frames) - expected).max() <= 1


def test_both_values_can_be_said(write: Write) -> None:
    half = helper.make_node("Mul", ["x", "half"], ["y"])
    path = write([half], weights={"half": np.array(0.5, np.float32)})
    imported = onnx_file.read(path, values=(Values.UNIT, Values.UNIT))
    frames = foreign.photograph(16, 24)
    assert np.abs(foreign.paint(imported.model, frames) - frames / 2).max() <= 1


def test_words_for_values() -> None:
    assert parse_values("0..1") == (Values.UNIT, None)
    assert parse_values("auto:-1..1") == (None, Values.SYMMETRIC)
    for wrong in ("", "0..2", "0..1:0..1:0..1"):
        with pytest.raises(UsageError, match=r"0\.\.255"):
            parse_values(wrong)


def test_bytes_in_and_out(write: Write) -> None:
    nodes = [helper.make_node("BitwiseNot", ["x"], ["y"])]
    imported = onnx_file.read(write(nodes, kind=TensorProto.UINT8, shape=FREE_LAST, opset=18))
    frames = foreign.photograph(17, 23)
    assert np.array_equal(foreign.paint(imported.model, frames), 255 - frames)


def test_half_precision(write: Write) -> None:
    nodes, weights = negative(255, 1)
    weights["top"] = weights["top"].astype(np.float16)
    imported = onnx_file.read(write(nodes, kind=TensorProto.FLOAT16, weights=weights))
    frames = foreign.photograph(17, 23)
    assert np.array_equal(foreign.paint(imported.model, frames), 255 - frames[..., ::-1])


def test_sides_are_padded_to_what_the_network_can_take(write: Write) -> None:
    nodes = [
        helper.make_node("AveragePool", ["x"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Resize", ["small", "", "scales"], ["y"], mode="nearest"),
    ]
    imported = onnx_file.read(write(nodes, weights={"scales": np.array([1, 1, 8, 8], np.float32)}))
    frames = np.full((1, 37, 51, 3), 90, np.uint8)
    assert np.array_equal(foreign.paint(imported.model, frames), frames)


def test_an_old_opset_is_converted(write: Write) -> None:
    nodes = [
        helper.make_node("MaxPool", ["x"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Upsample", ["small", "scales"], ["y"], mode="nearest"),
    ]
    path = write(nodes, weights={"scales": np.array([1, 1, 2, 2], np.float32)}, opset=9, shape=(1, 3, 64, 64))
    frames = np.full((1, 37, 51, 3), 90, np.uint8)
    assert np.array_equal(foreign.paint(onnx_file.read(path).model, frames), frames)


def test_a_network_of_one_size_paints_at_that_size(write: Write) -> None:
    nodes = [helper.make_node("Reshape", ["x", "flat"], ["line"]), helper.make_node("Reshape", ["line", "back"], ["y"])]
    weights = {"flat": np.array([1, 3 * 48 * 64]), "back": np.array([1, 3, 48, 64])}
    imported = onnx_file.read(write(nodes, weights=weights, shape=(1, 3, 48, 64)))
    assert any("64x48 only" in note for note in imported.notes)
    frames = foreign.photograph(48, 64)
    assert np.array_equal(foreign.paint(imported.model, frames), frames)
    twice = frames.repeat(2, 1).repeat(2, 2)
    painted = foreign.paint(imported.model, twice)
    assert painted.shape == twice.shape
    assert np.abs(painted.astype(int) - twice).mean() < 12
    assert imported.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"more_inputs": ("style",)}, "2 inputs"),
        ({"shape": ("N", 1, "H", "W")}, "Nx3xHxW"),
        ({"shape": (3, "H", "W")}, "Nx3xHxW"),
        ({"kind": TensorProto.INT64}, "int64"),
    ],
)
def test_what_takes_no_picture_is_refused(write: Write, options: dict[str, object], message: str) -> None:
    with pytest.raises(StyleError, match=message):
        onnx_file.read(write([helper.make_node("Identity", ["x"], ["y"])], **options))


def test_what_gives_a_picture_of_another_size_is_refused(write: Write) -> None:
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")]
    path = write(nodes, weights={"scales": np.array([1, 1, 2, 2], np.float32)}, out=("N", 3, "H2", "W2"))
    with pytest.raises(StyleError, match="no picture of the size"):
        onnx_file.read(path)


def test_a_flat_picture_is_none(write: Write) -> None:
    path = write([helper.make_node("Mul", ["x", "zero"], ["y"])], weights={"zero": np.array(0, np.float32)})
    with pytest.raises(StyleError, match="no picture that can be told"):
        onnx_file.read(path)


@pytest.mark.parametrize("place", ["initializer", "attribute"])
def test_weights_in_other_files_are_never_read(write: Write, tmp_path: Path, place: str) -> None:
    path = write([helper.make_node("Add", ["x", "w"], ["y"])], weights={"w": np.ones(1, np.float32)})
    model = onnx.load(str(path))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/hostname")
    if place == "attribute":
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
        del model.graph.initializer[:]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(StyleError, match="other files"):
        onnx_file.read(path)


def test_operators_of_others_are_refused_by_name(write: Write) -> None:
    path = write([helper.make_node("Magic", ["x"], ["y"], domain="com.example")], domain="com.example")
    with pytest.raises(StyleError, match=r"'Magic' of 'com\.example'"):
        onnx_file.read(path)


@pytest.mark.parametrize("content", [b"", b"\x08", b"\x08\x07junk", b"hello", bytes(range(256))])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(StyleError, match="ONNX"):
        onnx_file.read(tmp_path / "net.onnx")
