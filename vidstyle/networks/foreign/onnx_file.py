"""Any ONNX file from one picture to one picture, given ends of our own contract.

Layout, types and sizes are read from the file. What is not written there, which sizes it takes and
what its values mean, is found by painting a trial picture (`trial`), or refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, compose, inliner, version_converter

from vidstyle.errors import StyleError
from vidstyle.networks.foreign.imported import Imported, PictureNodes, check_size
from vidstyle.networks.foreign.trial import Fit, Picture, Values, find_fit, find_values

OLDEST_OPSET = 12
"""Graphs of before are converted: the ends need its operators."""

_PREFIX = "imported/"
_TYPES: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.UINT8: "uint8"}


@dataclass(frozen=True, kw_only=True)
class _End:
    """The input or output of a foreign graph."""

    name: str
    type: int
    channels_first: bool
    size: tuple[int, int] | None
    """(height, width) where both are fixed."""


def read(path: Path, *, values: tuple[Values | None, Values | None] = (None, None)) -> Imported:
    """Read the network in the file; `values` are what its input and output mean, where the user said it.

    Raises StyleError, saying why, for whatever is not a network from one RGB picture to another of the same size.
    """
    model = _load(path)
    takes, gives = _ends(path, model)
    picture = Picture(
        model=model.SerializeToString(),
        freed=_freed(model, takes).SerializeToString(),
        channels_first=(takes.channels_first, gives.channels_first),
        type=_TYPES[takes.type],
        size=takes.size,
    )
    fit = find_fit(path, picture)
    known = tuple(Values.BYTES if end.type == TensorProto.UINT8 else None for end in (takes, gives))
    meaning = find_values(path, picture, fit, given=(values[0] or known[0], values[1] or known[1]))
    notes = [f"takes values of {meaning[0].value}, gives {meaning[1].value}"]
    if fit.fixed:
        height, width = fit.fixed
        notes.append(f"works at {width}x{height} only: pictures are scaled to that inside and back, and lose detail")
    source = onnx.load_model_from_string(picture.model if fit.fixed else picture.freed)
    return Imported(model=_wrapped(source, takes, gives, fit, meaning), format="ONNX file", notes=tuple(notes))


def _load(path: Path) -> onnx.ModelProto:
    """The file's model, its functions inlined, of opset 12 or later, and nothing outside the file read."""
    check_size(path)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise StyleError(f"{path}: not an ONNX file") from error
    if not model.graph.node:
        raise StyleError(f"{path}: not an ONNX file, or one without a network")
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise StyleError(f"{path}: keeps weights in other files, which are never read; save it as one file")
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx") and not any(f.domain == opset.domain for f in model.functions):
            used = {node.op_type for node in model.graph.node if node.domain == opset.domain}
            if used:
                raise StyleError(f"{path}: uses {min(used)!r} of {opset.domain!r}, which is not part of ONNX itself")
    try:
        if model.functions:
            model = inliner.inline_local_functions(model)
        onnx.checker.check_model(model)
        if _opset(model) < OLDEST_OPSET:
            model = version_converter.convert_version(model, OLDEST_OPSET)
    except (onnx.checker.ValidationError, RuntimeError) as error:
        raise StyleError(f"{path}: not a valid ONNX network ({_line(error)})") from error
    return model


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor in the file, also those in attributes, sub-graphs and functions."""
    yield from _tensors_of_graph(model.graph)
    for function in model.functions:
        yield from _tensors_of_nodes(function.node)


def _tensors_of_graph(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _tensors_of_nodes(graph.node)


def _tensors_of_nodes(nodes: Iterator[onnx.NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in (attribute.g, *attribute.graphs):
                yield from _tensors_of_graph(graph)


def _ends(path: Path, model: onnx.ModelProto) -> tuple[_End, _End]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise StyleError(
            f"{path}: has {len(inputs)} inputs and {len(model.graph.output)} outputs; "
            "a style network takes one picture and gives one"
        )
    takes = _end(path, inputs[0], "input")
    return takes, _end(path, model.graph.output[0], "output", like=takes)


def _end(path: Path, value: onnx.ValueInfoProto, what: str, like: _End | None = None) -> _End:
    """What is written about an end; an output of unknown shape is taken to be `like` the input."""
    tensor = value.type.tensor_type
    sizes = [side.dim_value if side.dim_value > 0 else None for side in tensor.shape.dim]
    if tensor.elem_type not in _TYPES:
        kind = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise StyleError(f"{path}: its {what} is {kind}; a picture is float or uint8")
    written = "x".join("?" if side is None else str(side) for side in sizes) or "of no written size"
    if like and (not sizes or (len(sizes) == 4 and sizes[1] is None and sizes[3] is None)):
        return _End(name=value.name, type=tensor.elem_type, channels_first=like.channels_first, size=None)
    if len(sizes) != 4 or 3 not in (sizes[1], sizes[3]):
        raise StyleError(f"{path}: its {what} is {written}; a picture is Nx3xHxW or NxHxWx3")
    channels_first = sizes[1] == 3
    height, width = sizes[2:] if channels_first else sizes[1:3]
    return _End(
        name=value.name,
        type=tensor.elem_type,
        channels_first=channels_first,
        size=(height, width) if height and width else None,
    )


def _freed(model: onnx.ModelProto, takes: _End) -> onnx.ModelProto:
    """A copy whose pictures may have any number and size, as far as what is written about them goes."""
    freed = onnx.ModelProto()
    freed.CopyFrom(model)
    del freed.graph.value_info[:]  # the sizes written there would contradict
    for end in (next(i for i in freed.graph.input if i.name == takes.name), freed.graph.output[0]):
        channels = 1 if takes.channels_first else 3
        for axis, side in enumerate(end.type.tensor_type.shape.dim):
            if axis != channels or end is freed.graph.output[0]:
                side.dim_param = f"{end.name}_{axis}"
    return freed


def _wrapped(
    source: onnx.ModelProto, takes: _End, gives: _End, fit: Fit, meaning: tuple[Values, Values]
) -> onnx.ModelProto:
    builder = PictureNodes()
    x = builder.enter(multiple=fit.multiple, smallest=fit.multiple * max(1, 16 // fit.multiple))
    if fit.fixed:
        padded = builder.node("Shape", x)
        x = _scaled(builder, x, builder.ints(1, 3, *fit.fixed))
    scale, offset = meaning[0].per_level
    x = builder.node("Add", builder.node("Mul", x, builder.scalar(scale)), builder.scalar(offset))
    x = x if takes.type == TensorProto.FLOAT else builder.node("Cast", x, to=takes.type)
    x = x if takes.channels_first else builder.node("Transpose", x, perm=[0, 2, 3, 1])
    graph = compose.add_prefix_graph(source.graph, _PREFIX)
    builder.node("Identity", x, name=_PREFIX + takes.name)
    builder.nodes.extend(graph.node)
    builder.constants.update({tensor.name: tensor for tensor in graph.initializer})
    x = _PREFIX + gives.name
    x = x if gives.type == TensorProto.FLOAT else builder.node("Cast", x, to=TensorProto.FLOAT)
    x = x if gives.channels_first else builder.node("Transpose", x, perm=[0, 3, 1, 2])
    scale, offset = meaning[1].per_level
    x = builder.node("Mul", builder.node("Sub", x, builder.scalar(offset)), builder.scalar(1 / scale))
    builder.leave(_scaled(builder, x, padded) if fit.fixed else x)
    return builder.picture_model(batch="N" if fit.any_batch else 1, opset=_opset(source))


def _scaled(builder: PictureNodes, x: str, shape: str) -> str:
    """The picture at the height and width of `shape` (four sizes)."""
    number = builder.node("Slice", builder.node("Shape", x), builder.ints(0), builder.ints(2))
    sides = builder.node("Slice", shape, builder.ints(2), builder.ints(4))
    sizes = builder.node("Concat", number, sides, axis=0)
    return builder.node("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")


def _opset(model: onnx.ModelProto) -> int:
    return int(next(opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")))


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
