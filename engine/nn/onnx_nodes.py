"""The nodes and weights of an ONNX graph, and the messages that a file holds. No other package is needed.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the field numbers, docs/Operators.md there the nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.files.wire import Field, Message, Schema, encode

OPSET, IR_VERSION = 17, 8  # the newest that ONNX Runtime 1.12 reads
ELEMENT_TYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "uint32": 12,
    "uint64": 13,
}  # fmt: skip

_NAME, _MANY = Field("name", "text"), True
_TENSOR: Schema = {1: Field("dims", "uint", _MANY), 2: Field("type", "uint"), 8: _NAME, 9: Field("raw_data", "bytes")}
_SHAPE: Schema = {1: Field("dim", {1: Field("value", "uint"), 2: Field("param", "text")}, _MANY)}
_VALUE: Schema = {
    1: _NAME,
    2: Field("type", {1: Field("tensor", {1: Field("type", "uint"), 2: Field("shape", _SHAPE)})}),
}
_ATTRIBUTE: dict[int, Field] = {
    1: _NAME, 2: Field("float", "float"), 3: Field("int", "uint"), 4: Field("text", "text"),
    8: Field("ints", "uint", _MANY), 20: Field("type", "uint"),
}  # fmt: skip
_NODE: Schema = {
    1: Field("input", "text", _MANY), 2: Field("output", "text", _MANY), 3: _NAME, 4: Field("kind", "text"),
    5: Field("attribute", _ATTRIBUTE, _MANY),
}  # fmt: skip
_GRAPH: Schema = {
    1: Field("node", _NODE, _MANY), 2: _NAME, 5: Field("weight", _TENSOR, _MANY), 11: Field("input", _VALUE, _MANY),
    12: Field("output", _VALUE, _MANY),
}  # fmt: skip
_ATTRIBUTE[6] = Field("graph", _GRAPH)
_MODEL: Schema = {
    1: Field("ir_version", "uint"), 2: Field("producer", "text"), 7: Field("graph", _GRAPH),
    8: Field("opset", {2: Field("version", "uint")}),
}  # fmt: skip


class Nodes:
    """Collects nodes and weights. A result is known by its name; every method returns that of its own."""

    def __init__(self) -> None:
        self.nodes: list[Message] = []
        self.weights: list[Message] = []
        self._numbers = itertools.count()

    def node(self, kind: str, *inputs: str | np.ndarray, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; inputs are names of results, and arrays, which become weights.

        Returns the name of its result, or a tuple of names for several `outputs`. Attributes are whole numbers,
        floats, strings, lists of whole numbers and graphs.
        """
        names = tuple(self.new_name(kind) for _ in range(outputs))
        given = [one if isinstance(one, str) else self.weight(one) for one in inputs]
        described = [_attribute(name, value) for name, value in attributes.items()]
        self.nodes.append({"name": names[0], "kind": kind, "input": given, "output": names, "attribute": described})
        return names if outputs > 1 else names[0]

    def new_name(self, kind: str) -> str:
        """Return a name that nothing else has; the dot keeps it apart from a head's."""
        return f"{kind}.{next(self._numbers)}"

    def weight(self, array: np.ndarray) -> str:
        """Add an array, float32 or int64."""
        name, array = self.new_name("weight"), np.array(array, np.int64 if array.dtype.kind == "i" else np.float32)
        type_, data = ELEMENT_TYPES[array.dtype.name], array.astype(array.dtype.newbyteorder("<")).tobytes()
        self.weights.append({"name": name, "type": type_, "dims": array.shape, "raw_data": data})
        return name

    def reshaped(self, x: str, *sides: int) -> str:
        """Reshape; a side of 0 stays as it is."""
        return self.node("Reshape", x, np.array(sides))

    def times(self, x: str, factor: float) -> str:
        return self.node("Mul", x, np.array(factor, np.float32))

    def part(self, x: str, part: slice, axis: int) -> str:
        bounds = (np.array([bound]) for bound in (part.start, part.stop, axis))
        return self.node("Slice", x, *bounds)

    def product(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        return self.node("Add", self.node("MatMul", x, weight.T), bias)

    def model(self, inputs: Mapping[str, Message], outputs: Mapping[str, tuple[str, Message]]) -> bytes:
        """Return the file's bytes. Inputs are `tensor_type`s by name; outputs have the name of their result, too."""
        for name, (result, _) in outputs.items():
            self.nodes.append({"name": name, "kind": "Identity", "input": [result], "output": [name]})
        graph = self.graph(self.nodes, inputs, {name: kind for name, (_, kind) in outputs.items()})
        graph |= {"name": "aino", "weight": self.weights}
        message = {"ir_version": IR_VERSION, "producer": "aino", "graph": graph, "opset": {"version": OPSET}}
        return encode(message, _MODEL)

    def graph(self, nodes: list[Message], inputs: Mapping[str, Message], outputs: Mapping[str, Message]) -> Message:
        """Return a graph's message; inside another it sees the weights and the earlier results of that."""
        ends = ([{"name": name, "type": kind} for name, kind in one.items()] for one in (inputs, outputs))
        return {"name": "body", "node": nodes, **dict(zip(("input", "output"), ends, strict=True))}


def tensor_type(dtype: Any, sides: Sequence[int | str] | None = None) -> Message:
    """Describe a tensor; a side that is a string may have any length, and without `sides` there may be any number."""
    known: Message = {"type": ELEMENT_TYPES[np.dtype(dtype).name]}
    if sides is not None:
        known["shape"] = {"dim": [{"param" if isinstance(side, str) else "value": side} for side in sides]}
    return {"tensor": known}


def _attribute(name: str, value: Any) -> Message:
    """Describe an attribute, with the number of its type."""
    if isinstance(value, dict):
        return {"name": name, "graph": value, "type": 5}
    if isinstance(value, str | float):
        return (
            {"name": name, "text": value, "type": 3}
            if isinstance(value, str)
            else {"name": name, "float": value, "type": 1}
        )
    if isinstance(value, int):
        return {"name": name, "int": value % 2**64, "type": 2}
    return {"name": name, "ints": [one % 2**64 for one in value], "type": 7}
