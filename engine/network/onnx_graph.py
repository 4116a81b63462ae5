"""Towers and transformers as ONNX graphs, written layer by layer. Needs the package `onnx`, which Aino does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import numpy as np

from engine import nn
from engine.errors import ConfigError
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES
from engine.network.policy_map import HEAD_INDEX, POLICY_SIZE
from engine.network.tower.attention_policy import PROMOTION_FROM, PROMOTION_TO, AttentionPolicy
from engine.network.transformer.model import PIECE_PLANES, BoardEmbedding, NetworkConfig, layers_with, reach_map
from engine.nn.layer import Layer
from engine.nn.layers.smolgen import Smolgen
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

    def dense(self, x: str, weight: np.ndarray, bias: np.ndarray) -> str:
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


def onnx_graph(tensors: Mapping[str, np.ndarray], config: NetworkConfig) -> bytes:
    """Serialise a network: planes [N, 112, 8, 8], in its input format -> policy [N, 1858], wdl [N, 3] as chances and,
    with such a head, moves_left [N, 1], plies. Further heads go by their names, such as policy_soft.

    Raises ConfigError where `onnx` is missing and for activations that it lacks.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise ConfigError("an ONNX file needs the package onnx: pip install onnx") from error

    graph, network = Graph(), fold_norms(layers_with(tensors, config)).children()
    trunk, outputs = added(network["trunk"], graph, "planes"), []
    for name, head in network.items():
        if name == "trunk":
            continue
        result, size = added(head, graph, trunk), 3
        if name.startswith("policy"):
            result, size = graph.node("Flatten", result), POLICY_SIZE
            result = graph.node("Gather", result, HEAD_INDEX[config.policy], axis=1)
        elif name == "moves_left":
            result, size = graph.times(graph.node("Relu", result), MOVES_LEFT_SCALE), 1
        elif name.startswith("value"):  # win - loss
            halves, name = graph.times(result, 0.5), name.replace("value", "wdl", 1)
            result = graph.dense(halves, np.array([[1.0], [0.0], [-1.0]]), np.array([0.5, 0.0, 0.5]))
        else:
            result = graph.node("Softmax", result, axis=1)
        graph.nodes.append(helper.make_node("Identity", [result], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size]))
    inputs = [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [None, PLANES, 8, 8])]
    whole = helper.make_graph(graph.nodes, config.kind, inputs, outputs, graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    checker.check_model(model)
    return model.SerializeToString()


# ---- layers -------------------------------------------------------------------------------------------------------


@singledispatch
def added(layer: Layer, graph: Graph, x: str) -> str:
    """Add a layer to the graph and return the name of its result. Raises ConfigError for a layer unknown here."""
    raise ConfigError(f"a layer {layer.kind} cannot be written as ONNX")


@added.register
def _sequential(layer: nn.Sequential, graph: Graph, x: str) -> str:
    parts = list(layer.children().values())
    is_board = isinstance(parts[0], nn.Conv2D)
    for part in parts:
        if is_board and isinstance(part, nn.Encoder | AttentionPolicy):  # these take squares
            x, is_board = graph.node("Transpose", graph.reshaped(x, 0, 0, 64), perm=[0, 2, 1]), False
        x = added(part, graph, x)
    return x


@added.register
def _convolution(layer: nn.Conv2D, graph: Graph, x: str) -> str:
    weight = layer.params["weight"]
    size = weight.shape[-1]
    return graph.node("Conv", x, weight, layer.params["bias"], kernel_shape=[size, size], pads=[size // 2] * 4)


@added.register
def _dense(layer: nn.Dense, graph: Graph, x: str) -> str:
    return graph.dense(x, layer.params["weight"], layer.params["bias"])


@added.register
def _flatten(layer: nn.Flatten, graph: Graph, x: str) -> str:
    return graph.node("Flatten", x)


@added.register
def _activation(layer: nn.Activation, graph: Graph, x: str) -> str:
    return graph.activated(x, layer.function)


@added.register
def _layer_norm(layer: nn.LayerNorm, graph: Graph, x: str) -> str:
    return graph.node("LayerNormalization", x, layer.params["gamma"], layer.params["beta"], epsilon=layer.epsilon)


@added.register
def _place_gate(layer: nn.PlaceGate, graph: Graph, x: str) -> str:
    return graph.node("Add", graph.node("Mul", x, layer.params["scale"].T), layer.params["shift"].T)


@added.register
def _residual(layer: nn.Residual, graph: Graph, x: str) -> str:
    y = added(layer.body, graph, x)
    if layer.se is not None:
        pooled = graph.node("Flatten", graph.node("GlobalAveragePool", y))
        squeezed = graph.activated(added(layer.se.squeeze, graph, pooled), layer.se.activation)
        excited = graph.reshaped(added(layer.se.excite, graph, squeezed), 0, 0, 1, 1)
        channels = layer.se.channels
        scale = graph.node("Sigmoid", graph.part(excited, slice(0, channels), 1))
        y = graph.node("Add", graph.node("Mul", y, scale), graph.part(excited, slice(channels, 2 * channels), 1))
    return graph.activated(graph.node("Add", y, x), layer.activation)


@added.register
def _board_embedding(layer: BoardEmbedding, graph: Graph, x: str) -> str:
    squares = graph.node("Transpose", graph.reshaped(x, 0, 0, 64), perm=[0, 2, 1])
    weight, bias = layer.dense.params["weight"], layer.dense.params["bias"]
    if layer.planes:
        pieces = graph.node("Flatten", graph.part(squares, slice(0, PIECE_PLANES), 2))
        more = graph.reshaped(added(layer.parts["preprocess"], graph, pieces), 0, 64, layer.planes)
        y = graph.dense(graph.node("Concat", squares, more, axis=2), weight, bias)
    else:
        y = graph.dense(squares, weight[:, :PLANES], reach_map() @ weight[:, PLANES:].T + bias)
    return graph.activated(y, layer.activation)


@added.register
def _feed_forward(layer: nn.FeedForward, graph: Graph, x: str) -> str:
    y = graph.times(added(nn.Sequential(**layer.layers), graph, x), layer.scale)
    return added(layer.norm, graph, graph.node("Add", y, x))


@added.register
def _encoder(layer: nn.Encoder, graph: Graph, x: str) -> str:
    for one in layer.layers.values():
        x = _encoder_layer(one, graph, x, layer.params.get("table"))
    return x


def _encoder_layer(layer: Layer, graph: Graph, x: str, table: np.ndarray | None) -> str:
    parts = layer.children()
    bias = None if table is None else _smolgen_bias(parts["smolgen"], graph, x, table)
    mixed = graph.times(_attention(parts["attention"], graph, x, bias), layer.config()["scale"])
    return added(parts["feed"], graph, added(parts["norm"], graph, graph.node("Add", mixed, x)))


def _smolgen_bias(layer: Smolgen, graph: Graph, x: str, table: np.ndarray) -> str:
    small = graph.node("MatMul", x, layer.params["compress"].T)
    codes = graph.reshaped(added(nn.Sequential(**layer.layers), graph, small), 0, layer.heads, layer.generated)
    return graph.reshaped(graph.node("MatMul", codes, table.T), 0, 0, layer.places, layer.places)


def _attention(layer: nn.SelfAttention, graph: Graph, x: str, bias: str | None) -> str:
    orders, heads = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}, layer.heads
    query, key, value = (
        graph.node("Transpose", graph.reshaped(added(layer.parts[name], graph, x), 0, 0, heads, -1), perm=order)
        for name, order in orders.items()
    )
    scores = graph.times(graph.node("MatMul", query, key), 1 / math.sqrt(layer.inner // heads))
    shares = graph.node("Softmax", scores if bias is None else graph.node("Add", scores, bias), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    return added(layer.parts["output"], graph, graph.reshaped(mixed, 0, 0, layer.inner))


@added.register
def _attention_policy(layer: AttentionPolicy, graph: Graph, x: str) -> str:
    query, key = added(layer.query, graph, x), added(layer.key, graph, x)
    product = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 1]))
    scores, promotion = graph.times(product, 1 / math.sqrt(layer.depth)), layer.params["promotion"]
    last_rank = graph.part(key, PROMOTION_TO, 1)
    pieces = graph.reshaped(graph.node("MatMul", last_rank, (promotion[:3] + promotion[3]).T), 0, 1, 8, 3)
    steps = graph.reshaped(graph.part(graph.part(scores, PROMOTION_FROM, 1), PROMOTION_TO, 2), 0, 8, 8, 1)
    flat = graph.reshaped(scores, 0, 64 * 64), graph.reshaped(graph.node("Add", steps, pieces), 0, 8 * 8 * 3)
    return graph.node("Concat", *flat, axis=1)
