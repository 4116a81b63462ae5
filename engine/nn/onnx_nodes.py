"""The nodes and weights of an ONNX graph, by the package onnx.

https://github.com/onnx/onnx/blob/main/docs/Operators.md has the nodes.
"""

import importlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.errors import ConfigError

OPSET, IR_VERSION = 20, 9  # ONNX Runtime 1.17 and later read them
Proto = Any  # a message of the package onnx


def helper() -> Any:
    """Return `onnx.helper`. Raises ConfigError where the package is missing."""
    try:
        return importlib.import_module("onnx.helper")
    except ImportError:
        raise ConfigError("ONNX files need the package onnx: pip install onnx") from None


class Nodes:
    """Collects nodes and weights. A result is known by its name; every method returns that of its
    own.
    """

    def __init__(self) -> None:
        self.nodes: list[Proto] = []
        self.weights: list[Proto] = []
        self._helper = helper()
        self._numbers = itertools.count()

    def node(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; inputs are names of results, and arrays or numbers, which become weights.

        Returns the name of its result, or a tuple of names for several `outputs`. Attributes are
        whole numbers, floats, strings, and lists of whole numbers.
        """
        names = tuple(self.new_name(kind) for _ in range(outputs))
        input_names = [*map(self.weight, inputs)]
        # NumPy's numbers as Python's.
        plain = {name: np.array(value).tolist() for name, value in attributes.items()}
        self.nodes.append(self._helper.make_node(kind, input_names, names, name=names[0], **plain))
        if outputs > 1:
            return names
        return names[0]

    def new_name(self, kind: str) -> str:
        """Return a name that nothing else has; the dot keeps it apart from a head's."""
        return f"{kind}.{next(self._numbers)}"

    def weight(self, numbers: Any) -> str:
        """Add an array, float32 or int64; the name of a result stays."""
        if isinstance(numbers, str):
            return numbers
        array = np.asarray(numbers)
        dtype: Any = np.float32
        if array.dtype.kind == "i":
            dtype = np.int64
        array = array.astype(dtype)
        name = self.new_name("weight")
        kind = self._helper.np_dtype_to_tensor_dtype(array.dtype)
        data = array.tobytes()
        self.weights.append(self._helper.make_tensor(name, kind, array.shape, data, raw=True))
        return name

    def cast(self, x: str, dtype: Any) -> str:
        return self.node("Cast", x, to=self._helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def reshaped(self, x: str, *sides: int) -> str:
        """Reshape; a side of 0 stays as it is."""
        return self.node("Reshape", x, sides)

    def times(self, x: str, factor: float) -> str:
        return self.node("Mul", x, factor)

    def part(self, x: str, part: slice, axis: int) -> str:
        return self.node("Slice", x, [part.start], [part.stop], [axis])

    def product(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
        return self.node("Add", self.node("MatMul", x, weight.T), bias)

    def model(self, inputs: Mapping[str, Proto], outputs: Mapping[str, tuple[str, Proto]]) -> bytes:
        """Return a file's bytes. Inputs are `tensor_type`s by name; outputs have the name of their
        result, too.
        """
        make = self._helper
        ends = [
            make.make_node("Identity", [result], [name], name=f"{name}.")
            for name, (result, _) in outputs.items()
        ]
        graph = make.make_graph(
            self.nodes + ends,
            "aino",
            [make.make_value_info(name, kind) for name, kind in inputs.items()],
            [make.make_value_info(name, kind) for name, (_, kind) in outputs.items()],
            self.weights,
        )
        opset = make.make_opsetid("", OPSET)
        whole = make.make_model(
            graph, producer_name="aino", ir_version=IR_VERSION, opset_imports=[opset]
        )
        return whole.SerializeToString()


def tensor_type(dtype: Any, sides: Sequence[int | str]) -> Proto:
    """Describe a tensor. A side that is a string may have any length."""
    make = helper()
    return make.make_tensor_type_proto(make.np_dtype_to_tensor_dtype(np.dtype(dtype)), sides)
