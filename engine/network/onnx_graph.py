"""Towers and transformers as ONNX graphs, written layer by layer. Needs the package `onnx`, which Aino does not.

docs/own-network.md has the inputs and outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError
from engine.files.atomic import write_file
from engine.network.attention_policy import PROMOTION_FROM, PROMOTION_TO, AttentionPolicy
from engine.network.families import PlanesConfig, layers_with
from engine.network.input_formats import counter_scale
from engine.network.lc0.planes_file import read_planes
from engine.network.lc0.tensor_map import with_counter_times
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES
from engine.network.policy_map import HEAD_INDEX, POLICY_SIZE
from engine.network.transformer.model import PIECE_PLANES, BoardEmbedding, reach_map
from engine.nn.layer import Layer
from engine.nn.norm_folding import fold_norms

OPSET = 17
_NODES = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "selu": "Selu", "softplus": "Softplus"}


class Graph:
    """Collects nodes and weights. A result is known by its name; every method returns that of its own."""

    def __init__(self) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, *inputs: str | np.ndarray, **attributes: Any) -> str:
        """Add a node; inputs are names of results, and arrays, which become weights."""
        name = f"{kind}_{len(self.nodes)}"
        names = [one if isinstance(one, str) else self._weight(one) for one in inputs]
        self.nodes.append(self._helper.make_node(kind, names, [name], name=name, **attributes))
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

    def activated(self, x: str, function: str) -> str:
        """Apply an activation function. Raises ConfigError for one that only Aino has."""
        if function in _NODES:
            return self.node(_NODES[function], x)
        if function == "identity":
            return x
        if function == "squared_relu":
            return self.node("Mul", *[self.node("Relu", x)] * 2)
        gates = {"swish": ("Sigmoid",), "mish": ("Softplus", "Tanh")}
        if function not in gates:
            raise ConfigError(f"the activation {function} cannot be written as ONNX")
        gate = x
        for kind in gates[function]:
            gate = self.node(kind, gate)
        return self.node("Mul", x, gate)

    def _weight(self, array: np.ndarray) -> str:
        name, dtype = f"weight_{len(self.weights)}", np.int64 if array.dtype.kind == "i" else np.float32
        self.weights.append(self._numpy.from_array(np.array(array, dtype), name))
        return name

    # ---- layers ---------------------------------------------------------------------------------------------------

    def layer(self, layer: Layer, x: str) -> str:
        """Add a layer by the method of its kind. Raises ConfigError for a kind without one."""
        method = getattr(self, f"_{layer.kind}", None)
        if method is None:
            raise ConfigError(f"a layer {layer.kind} cannot be written as ONNX")
        return method(layer, x)

    def _sequential(self, layer: nn.Sequential, x: str) -> str:
        parts = list(layer.children().values())
        is_board = isinstance(parts[0], nn.Conv2D)
        for part in parts:
            if is_board and isinstance(part, nn.Encoder | AttentionPolicy):  # these take squares
                x, is_board = self._squares(x), False
            x = self.layer(part, x)
        return x

    def _squares(self, x: str) -> str:
        """Turn boards [N, C, 8, 8] to squares [N, 64, C]."""
        return self.node("Transpose", self.reshaped(x, 0, 0, 64), perm=[0, 2, 1])

    def _conv2d(self, layer: nn.Conv2D, x: str) -> str:
        weight, bias = layer.params["weight"], layer.params["bias"]
        size = weight.shape[-1]
        return self.node("Conv", x, weight, bias, kernel_shape=[size, size], pads=[size // 2] * 4)

    def _dense(self, layer: nn.Dense, x: str) -> str:
        return self.product(x, layer.params["weight"], layer.params["bias"])

    def _flatten(self, layer: nn.Flatten, x: str) -> str:
        return self.node("Flatten", x)

    def _activation(self, layer: nn.Activation, x: str) -> str:
        return self.activated(x, layer.function)

    def _layer_norm(self, layer: nn.LayerNorm, x: str) -> str:
        return self.node("LayerNormalization", x, layer.params["gamma"], layer.params["beta"], epsilon=layer.epsilon)

    def _place_gate(self, layer: nn.PlaceGate, x: str) -> str:
        return self.node("Add", self.node("Mul", x, layer.params["scale"].T), layer.params["shift"].T)

    def _residual(self, layer: nn.Residual, x: str) -> str:
        y = self.layer(layer.body, x)
        if layer.se is not None:
            channels, pooled = layer.se.channels, self.node("Flatten", self.node("GlobalAveragePool", y))
            squeezed = self.activated(self.layer(layer.se.squeeze, pooled), layer.se.activation)
            excited = self.reshaped(self.layer(layer.se.excite, squeezed), 0, 0, 1, 1)
            scale = self.node("Sigmoid", self.part(excited, slice(0, channels), 1))
            y = self.node("Add", self.node("Mul", y, scale), self.part(excited, slice(channels, 2 * channels), 1))
        return self.activated(self.node("Add", y, x), layer.activation)

    def _board_embedding(self, layer: BoardEmbedding, x: str) -> str:
        squares, (weight, bias) = self._squares(x), (layer.dense.params[name] for name in ("weight", "bias"))
        if not layer.planes:
            start = reach_map() @ weight[:, PLANES:].T + bias
            return self.activated(self.product(squares, weight[:, :PLANES], start), layer.activation)
        pieces = self.node("Flatten", self.part(squares, slice(0, PIECE_PLANES), 2))
        more = self.reshaped(self.layer(layer.parts["preprocess"], pieces), 0, 64, layer.planes)
        return self.activated(self.layer(layer.dense, self.node("Concat", squares, more, axis=2)), layer.activation)

    def _feed_forward(self, layer: nn.FeedForward, x: str) -> str:
        y = self.times(self.layer(nn.Sequential(**layer.layers), x), layer.scale)
        return self.layer(layer.norm, self.node("Add", y, x))

    def _encoder(self, layer: nn.Encoder, x: str) -> str:
        for one in layer.layers.values():
            parts, bias = one.children(), None
            if "table" in layer.params:
                bias = self._bias(parts["smolgen"], x, layer.params["table"])
            mixed = self.times(self._attention(parts["attention"], x, bias), one.config()["scale"])
            x = self.layer(parts["feed"], self.layer(parts["norm"], self.node("Add", mixed, x)))
        return x

    def _bias(self, layer: Any, x: str, table: np.ndarray) -> str:
        """Smolgen's bias [N, heads, 64, 64]."""
        small = self.node("MatMul", x, layer.params["compress"].T)
        codes = self.reshaped(self.layer(nn.Sequential(**layer.layers), small), 0, layer.heads, layer.generated)
        return self.reshaped(self.node("MatMul", codes, table.T), 0, 0, 64, 64)

    def _attention(self, layer: Any, x: str, bias: str | None) -> str:
        orders, heads = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}, layer.heads
        split = {name: self.reshaped(self.layer(layer.parts[name], x), 0, 0, heads, -1) for name in orders}
        query, key, value = (self.node("Transpose", split[name], perm=order) for name, order in orders.items())
        scores = self.times(self.node("MatMul", query, key), 1 / math.sqrt(layer.inner // heads))
        shares = self.node("Softmax", scores if bias is None else self.node("Add", scores, bias), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self.layer(layer.parts["output"], self.reshaped(mixed, 0, 0, layer.inner))

    def _attention_policy(self, layer: AttentionPolicy, x: str) -> str:
        query, key, promotion = self.layer(layer.query, x), self.layer(layer.key, x), layer.params["promotion"]
        product = self.node("MatMul", query, self.node("Transpose", key, perm=[0, 2, 1]))
        scores = self.times(product, 1 / math.sqrt(layer.depth))
        offsets = self.node("MatMul", self.part(key, PROMOTION_TO, 1), (promotion[:3] + promotion[3]).T)
        steps = self.reshaped(self.part(self.part(scores, PROMOTION_FROM, 1), PROMOTION_TO, 2), 0, 8, 8, 1)
        promotions = self.reshaped(self.node("Add", steps, self.reshaped(offsets, 0, 1, 8, 3)), 0, 8 * 8 * 3)
        return self.node("Concat", self.reshaped(scores, 0, 64 * 64), promotions, axis=1)


def export_onnx(source: Path, target: Path) -> None:
    """Write the tower or transformer in a net file as an ONNX file, which takes the planes of its input format.

    Raises NetFileError for a source that cannot be read or is neither, and as `onnx_graph`.
    """
    tower = read_planes(source)  # whose tensors take the fifty-move counter in plies
    tensors = with_counter_times(1 / counter_scale(tower.config.input_format), tower.tensors)
    write_file(target, onnx_graph(tensors, tower.config))


def onnx_graph(tensors: Mapping[str, np.ndarray], config: PlanesConfig) -> bytes:
    """Serialise a network: planes [N, 112, 8, 8], in its input format -> policy [N, 1858], wdl [N, 3] as chances and,
    with such a head, moves_left [N, 1], plies. Further heads go by their names, such as policy_soft.

    Raises ConfigError where `onnx` is missing and for activations that it lacks.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise ConfigError("an ONNX file needs the package onnx: pip install onnx") from error

    graph, network = Graph(), fold_norms(layers_with(tensors, config)).children()
    trunk, outputs = graph.layer(network["trunk"], "planes"), []
    for name, head in network.items():
        if name == "trunk":
            continue
        result, size = graph.layer(head, trunk), 3
        if name.startswith("policy"):
            result, size = graph.node("Flatten", result), POLICY_SIZE
            result = graph.node("Gather", result, HEAD_INDEX[config.policy], axis=1)
        elif name == "moves_left":
            result, size = graph.times(graph.node("Relu", result), MOVES_LEFT_SCALE), 1
        elif name.startswith("value"):  # win - loss
            halves, name = graph.times(result, 0.5), name.replace("value", "wdl", 1)
            result = graph.product(halves, np.array([[1.0], [0.0], [-1.0]]), np.array([0.5, 0.0, 0.5]))
        else:
            result = graph.node("Softmax", result, axis=1)
        graph.nodes.append(helper.make_node("Identity", [result], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]))
    inputs = [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [None, PLANES, 8, 8])]
    whole = helper.make_graph(graph.nodes, config.kind, inputs, outputs, graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()
