"""Types a network's ONNX graph for TensorRT: uint8 only at its ends, fp16 inside, fp32 where sums grow.

TensorRT takes a strongly typed network at its word, so the precision is a matter of this graph:

- uint8 may only be converted to and from floats at the network's edge. Our graphs fold and crop
  bytes; here they are cast as soon as they come in and again as the last step. 0..255 are exact in fp16.
- Statistics of a whole picture (instance norm and means) are taken in fp32: the squares of a few
  hundred overflow fp16, and millions of values summed in it lose everything. The style's scale and
  shift, which follow, stay in the same fp32 island, where they cost nothing: one fused kernel reads
  and writes fp16.
- Everything else, all convolutions above all, is fp16; or fp32 throughout, where that was asked for.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from vidstyle.backends.protocol import Precision
from vidstyle.errors import BackendError

FRAMES, STYLE, PAINTED = "frames", "style", "painted"
"""The names of every network's inputs and output (`vidstyle.networks.network`)."""

_WHOLE_PICTURE = {"InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceSumSquare", "GlobalAveragePool"}
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal"}

_FP32_OPERANDS = {"Resize": (1, 2)}
"""Operands that ONNX wants in fp32 whatever the data: region of interest and scales."""


class _Kind(Enum):
    """What the graph's tensors are to this conversion."""

    CONSTANT = "float weights, taken in the precision of whoever uses them"
    INNER = "the picture on its way, in the precision that was asked for"
    ISLAND = "the picture inside an fp32 island"
    VECTOR = "the style, statistics, and what is computed from these and weights alone: small, fp32"
    OTHER = "integers: shapes and indices, left alone"


_INPUTS = {FRAMES: _Kind.INNER, STYLE: _Kind.VECTOR}
_PICTURE = (_Kind.INNER, _Kind.ISLAND)


def typed_for_tensorrt(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A copy of a network's graph for a strongly typed TensorRT network; same inputs, output and picture.

    `precision` is fp16 or fp32. Raises BackendError if a weight does not fit fp16, or if an operator is
    used in a way that is not known here.
    """
    return _Typing(model, TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT).run()


class _Typing:
    """One pass over the nodes, which ONNX keeps in the order of computation."""

    def __init__(self, model: onnx.ModelProto, inner: int) -> None:
        self.source = model
        self.inner = inner
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.weights = {i.name: i for i in model.graph.initializer}
        self.renamed: dict[str, str] = {}
        self.kinds = {
            name: _Kind.CONSTANT if tensor.data_type == TensorProto.FLOAT else _Kind.OTHER
            for name, tensor in self.weights.items()
        }

    def run(self) -> onnx.ModelProto:
        """The whole graph, typed and checked. Raises BackendError where its types cannot be settled."""
        self.kinds |= {i.name: _INPUTS[i.name] for i in self.source.graph.input}
        self.renamed[FRAMES] = self.cast(FRAMES, self.inner)
        for node in self.source.graph.node:
            self.convert(node)
        last = self.read(PAINTED, self.inner)
        self.nodes.append(helper.make_node("Cast", [last], [PAINTED], name=PAINTED, to=TensorProto.UINT8))
        graph = helper.make_graph(
            self.nodes,
            self.source.graph.name,
            self.source.graph.input,
            self.source.graph.output,
            list(self.initializers.values()),
        )
        model = helper.make_model(graph, opset_imports=self.source.opset_import, producer_name="vidstyle")
        model.ir_version = self.source.ir_version
        try:
            onnx.checker.check_model(model, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise BackendError(f"TensorRT: this network's types cannot be settled: {error}") from error
        return model

    def convert(self, node: NodeProto) -> None:
        """Append `node` with its operands in the right type, and note the kind of what it makes."""
        if value := _float_constant(node):
            self.weights[node.output[0]], self.kinds[node.output[0]] = value, _Kind.CONSTANT
            return
        if _type_cast_to(node) in (TensorProto.UINT8, TensorProto.FLOAT) and self.kinds[node.input[0]] in _PICTURE:
            self.leave_out_cast(node)
            return
        kinds = [self.kinds[name] for name in node.input if name]
        data = [kind for kind in kinds if kind in (*_PICTURE, _Kind.VECTOR)]
        if node.op_type in ("Shape", "Size") or not (data or _Kind.CONSTANT in kinds):
            result, operands = _Kind.OTHER, self.inner
        elif all(kind is _Kind.VECTOR for kind in data):
            result, operands = _Kind.VECTOR, TensorProto.FLOAT
        elif node.op_type in _WHOLE_PICTURE:
            keeps_picture = node.op_type == "InstanceNormalization"
            result, operands = _Kind.ISLAND if keeps_picture else _Kind.VECTOR, TensorProto.FLOAT
        elif node.op_type in _ELEMENTWISE and (_Kind.VECTOR in data or _Kind.INNER not in data):
            result, operands = _Kind.ISLAND, TensorProto.FLOAT
        else:
            result, operands = _Kind.INNER, self.inner
        self.kinds.update(dict.fromkeys(node.output, result))
        self.append(node, operands)

    def append(self, node: NodeProto, operands: int) -> None:
        """Append a copy of `node` that reads its float operands in type `operands`."""
        copy = NodeProto()
        copy.CopyFrom(node)
        fp32 = _FP32_OPERANDS.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if name:
                copy.input[i] = self.read(name, TensorProto.FLOAT if i in fp32 else operands)
        for i, name in enumerate(node.output):
            if name == PAINTED:  # the cast at the very end takes this name
                self.renamed[name] = copy.output[i] = f"{name}_inner"
        self.nodes.append(copy)

    def leave_out_cast(self, node: NodeProto) -> None:
        """The picture stays float where the source casts it; from there on to the end it is only moved."""
        source, target = self.read(node.input[0], self.inner), node.output[0]
        self.kinds[target], self.renamed[target] = _Kind.INNER, source

    def read(self, name: str, wanted: int) -> str:
        """The name under which tensor `name` can be read in type `wanted`, converted if need be."""
        kind = self.kinds[name]
        if kind is _Kind.CONSTANT:
            return self.weight(name, wanted)
        if kind is _Kind.OTHER:
            if name in self.weights:
                self.initializers[name] = self.weights[name]
            return name
        current = self.inner if kind is _Kind.INNER else TensorProto.FLOAT
        name = self.renamed.get(name, name)
        return name if current == wanted else self.cast(name, wanted)

    def weight(self, name: str, wanted: int) -> str:
        """The constant `name` as an initialiser of type `wanted`."""
        half = wanted == TensorProto.FLOAT16
        typed = f"{name}_fp16" if half else name
        if typed not in self.initializers:
            value = numpy_helper.to_array(self.weights[name])
            if half:
                if np.abs(value).max(initial=0) > np.finfo(np.float16).max:
                    raise BackendError(f"TensorRT: weight {name} does not fit fp16; use --precision fp32")
                value = value.astype(np.float16)
            self.initializers[typed] = numpy_helper.from_array(value, typed)
        return typed

    def cast(self, name: str, to: int) -> str:
        """A cast of `name`, made once however many nodes read it."""
        result = f"{name}_as_{TensorProto.DataType.Name(to).lower()}"
        if result not in self.kinds:
            self.kinds[result] = _Kind.OTHER
            self.nodes.append(helper.make_node("Cast", [name], [result], name=result, to=to))
        return result


def _float_constant(node: NodeProto) -> TensorProto | None:
    """The value of a node that is a float constant; None for all others."""
    values = [a.t for a in node.attribute if a.name == "value"] if node.op_type == "Constant" else []
    return values[0] if values and values[0].data_type == TensorProto.FLOAT else None


def _type_cast_to(node: NodeProto) -> int | None:
    """The type that a cast gives; None for all other nodes."""
    return next(a.i for a in node.attribute if a.name == "to") if node.op_type == "Cast" else None
