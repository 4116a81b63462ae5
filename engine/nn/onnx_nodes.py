"""The nodes and weights of an ONNX graph, and the messages that a file holds. No other package is
needed.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto has the field numbers, docs/Operators.md
there the nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.files.wire import Message, encode, fields

OPSET, IR_VERSION = 20, 9  # ONNX Runtime 1.17 and later read them
_ELEMENTS = (
    "float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64".split()
)
ELEMENT_TYPES = {name: number for number, name in enumerate(_ELEMENTS, 1)}

_TENSOR = fields(dims=["uint"], type="uint") | fields(8, name="text", data="bytes")
_SIDES = fields(side=[fields(length="uint", name="text")])
_VALUE = fields(name="text", type=fields(tensor=fields(type="uint", sides=_SIDES)))
_ATTRIBUTE = fields(name="text", float="float", int="uint", text="text") | fields(8, ints=["uint"])
_NODE = fields(input=["text"], output=["text"], name="text", kind="text", attribute=[_ATTRIBUTE])
_GRAPH = (
    fields(node=[_NODE], name="text")
    | fields(5, weight=[_TENSOR])
    | fields(11, input=[_VALUE], output=[_VALUE])
)
_ATTRIBUTE |= fields(6, graph=_GRAPH) | fields(20, type="uint")
_MODEL = fields(ir_version="uint", producer="text") | fields(
    7, graph=_GRAPH, opset=fields(2, version="uint")
)


class Nodes:
    """Collects nodes and weights. A result is known by its name; every method returns that of its
    own.
    """

    def __init__(self) -> None:
        self.nodes: list[Message] = []
        self.weights: list[Message] = []
        self._numbers = itertools.count()

    def node(
        self, kind: str, *inputs: str | np.ndarray, outputs: int = 1, **attributes: Any
    ) -> Any:
        """Add a node; inputs are names of results, and arrays, which become weights.

        Returns the name of its result, or a tuple of names for several `outputs`. Attributes are
        whole numbers, floats, strings, lists of whole numbers, and graphs.
        """
        names = tuple(self.new_name(kind) for _ in range(outputs))
        given = [one if isinstance(one, str) else self.weight(one) for one in inputs]
        described = [{"name": name, **_attribute(value)} for name, value in attributes.items()]
        self.nodes.append(
            {
                "name": names[0],
                "kind": kind,
                "input": given,
                "output": names,
                "attribute": described,
            }
        )
        return names if outputs > 1 else names[0]

    def new_name(self, kind: str) -> str:
        """Return a name that nothing else has; the dot keeps it apart from a head's."""
        return f"{kind}.{next(self._numbers)}"

    def weight(self, array: np.ndarray) -> str:
        """Add an array, float32 or int64."""
        array = np.asarray(array, "<i8" if array.dtype.kind == "i" else "<f4")
        name = self.new_name("weight")
        kind = ELEMENT_TYPES[array.dtype.name]
        data = array.tobytes()
        self.weights.append({"name": name, "type": kind, "dims": array.shape, "data": data})
        return name

    def reshaped(self, x: str, *sides: int) -> str:
        """Reshape; a side of 0 stays as it is."""
        return self.node("Reshape", x, np.array(sides))

    def times(self, x: str, factor: float) -> str:
        return self.node("Mul", x, np.array(factor))

    def part(self, x: str, part: slice, axis: int) -> str:
        bounds = (part.start, part.stop, axis)
        return self.node("Slice", x, *(np.array([bound]) for bound in bounds))

    def product(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        return self.node("Add", self.node("MatMul", x, weight.T), bias)

    def graph(
        self, nodes: list[Message], inputs: Mapping[str, Message], outputs: Mapping[str, Message]
    ) -> Message:
        """Return a graph's message; inside another, it sees the weights and the earlier results of
        that.
        """
        return {
            "name": "aino",
            "node": nodes,
            "input": _values(inputs),
            "output": _values(outputs),
        }

    def model(
        self, inputs: Mapping[str, Message], outputs: Mapping[str, tuple[str, Message]]
    ) -> bytes:
        """Return a file's bytes. Inputs are `tensor_type`s by name; outputs have the name of their
        result, too.
        """
        ends = [
            {"kind": "Identity", "input": [result], "output": [name], "name": f"{name}."}
            for name, (result, _) in outputs.items()
        ]
        graph = self.graph(
            self.nodes + ends, inputs, {name: kind for name, (_, kind) in outputs.items()}
        )
        graph["weight"] = self.weights
        message = {
            "ir_version": IR_VERSION,
            "producer": "aino",
            "graph": graph,
            "opset": {"version": OPSET},
        }
        return encode(message, _MODEL)


def tensor_type(dtype: Any, sides: Sequence[int | str] | None = None) -> Message:
    """Describe a tensor. A side that is a string may have any length; without `sides` there may be
    any number.
    """
    known: Message = {"type": ELEMENT_TYPES[np.dtype(dtype).name]}
    if sides is not None:
        known["sides"] = {
            "side": [{"name" if isinstance(side, str) else "length": side} for side in sides]
        }
    return {"tensor": known}


def _values(types: Mapping[str, Message]) -> list[Message]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def _attribute(value: Any) -> Message:
    """Return an attribute's value with the number of its type."""
    value = np.array(value).tolist()  # NumPy's numbers as Python's
    if isinstance(value, int):
        return {"int": value % 2**64, "type": 2}
    if isinstance(value, list):
        return {"ints": [one % 2**64 for one in value], "type": 7}
    name, kind = {float: ("float", 1), str: ("text", 3), dict: ("graph", 5)}[type(value)]
    return {name: value, "type": kind}
