"""Builds an ONNX graph node by node: what all graphs that vidstyle writes have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET = 18
IR_VERSION = 9


class Nodes:
    """Adds nodes one after another; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def node(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        output = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def ints(self, *values: int) -> str:
        """A constant int64 vector."""
        return self.constant("ints_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def scalar(self, value: float) -> str:
        return self.constant(f"scalar_{value}", np.array(value, np.float32))

    def shape(self, *sizes: int | str) -> str:
        """A shape put together of numbers and names of one-element tensors."""
        return self.node("Concat", *(self.ints(s) if isinstance(s, int) else s for s in sizes), axis=0)

    def model(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto], *, opset: int = OPSET
    ) -> onnx.ModelProto:
        """All nodes so far as a checked model. Raises onnx.checker.ValidationError."""
        graph = helper.make_graph(self.nodes, "vidstyle", inputs, outputs, list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="vidstyle")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model)
        return model
