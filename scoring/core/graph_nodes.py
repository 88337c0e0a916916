"""Nodes, constants and outputs of an ONNX graph in the making, for both of an encoder's graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from scoring.core.lite import same_pads

PICTURES, FEATURES = "pictures", "features"
OPSET, IR_VERSION = 17, 8
RUNTIME_DOMAIN = "com.microsoft"  # ONNX Runtime's own operators: channels last, and sums of int8


class Nodes:
    """Nodes and constants of a graph in the making."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._notes: dict[str, str] = {}
        self._outputs: list[ValueInfoProto] = []
        self._given = (PICTURES, 3)

    def node(self, kind: str, inputs: Sequence[str], *, output: str = "", **attributes: Any) -> str:
        output = output or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(np.asarray(value), name))
        return name

    def give(self, name: str, *sides: int | str | None, kind: int = TensorProto.FLOAT) -> str:
        """``name`` as one more output of the graph."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, sides))
        return name

    def written(self) -> bytes:
        """The graph as bytes of ONNX."""
        name, depth = self._given
        given = helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", "height", "width", depth])
        graph = helper.make_graph(
            self._nodes, "encoder", [given], self._outputs, list(self._constants.values())
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME_DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)
        helper.set_model_props(model, self._notes)
        return bytes(model.SerializeToString())


def window(weight: npt.NDArray[Any], stride: int) -> dict[str, Any]:
    """Attributes of a convolution by weights (O, I, k, k), with its padding."""
    kernel = weight.shape[2]
    left, right, top, bottom = same_pads(kernel, stride)
    return {
        "kernel_shape": [kernel, kernel],
        "strides": [stride, stride],
        "pads": [top, left, bottom, right],
    }
