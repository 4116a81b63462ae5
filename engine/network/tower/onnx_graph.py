"""A tower as an ONNX graph: batch norm folded, gates included. Needs the package `onnx`, which Aino does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES
from engine.network.policy_map import CONV_INDEX, POLICY_SIZE
from engine.network.tower.folding import folded_convolution
from engine.network.tower.model import TowerConfig

OPSET = 17


class TowerGraph:
    """Collects the nodes and weights of the graph; every method returns the name of its result."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._tensors = tensors
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights.append(self._numpy.from_array(np.ascontiguousarray(array), name))
        return name

    def conv(self, x: str, conv: str, norm: str = "", relu: bool = True) -> str:
        """Convolution `conv` with its batch norm folded in, or with its own bias."""
        weight = self._tensors[f"{conv}.weight"].astype(np.float64)
        if norm:
            weight, bias = folded_convolution(self._tensors, conv, norm, weight.shape)
        else:
            bias = self._tensors[f"{conv}.bias"]
        size = weight.shape[-1]
        arrays = [self.constant(array.astype(np.float32)) for array in (weight, bias)]
        y = self.node("Conv", x, *arrays, kernel_shape=[size, size], pads=[size // 2] * 4)
        return self.node("Relu", y) if relu else y

    def dense(self, x: str, name: str, relu: bool = False) -> str:
        arrays = [self.constant(self._tensors[f"{name}.{part}"]) for part in ("weight", "bias")]
        y = self.node("Gemm", x, *arrays, transB=1)
        return self.node("Relu", y) if relu else y

    def block(self, x: str, name: str, filters: int, gated: bool) -> str:
        y = self.conv(x, f"{name}.conv1", f"{name}.norm1")
        y = self.conv(y, f"{name}.conv2", f"{name}.norm2", relu=False)
        if gated:
            pooled = self.node("Flatten", self.node("GlobalAveragePool", y))
            gates = self.dense(self.dense(pooled, f"{name}.se.squeeze", relu=True), f"{name}.se.excite")
            shape = self.constant(np.array([-1, 2 * filters, 1, 1], np.int64))
            column = self.node("Reshape", gates, shape)
            halves = (np.array([first]) for first in (0, filters, 2 * filters))
            low, middle, high = (self.constant(bound.astype(np.int64)) for bound in halves)
            axis = self.constant(np.array([1], np.int64))
            scale = self.node("Sigmoid", self.node("Slice", column, low, middle, axis))
            shift = self.node("Slice", column, middle, high, axis)
            y = self.node("Add", self.node("Mul", y, scale), shift)
        return self.node("Relu", self.node("Add", y, x))

    def dense_head(self, x: str, name: str) -> str:
        features = self.node("Flatten", self.conv(x, f"{name}.conv", f"{name}.norm"))
        return self.dense(self.dense(features, f"{name}.dense1", relu=True), f"{name}.dense2")


def onnx_tower(tensors: Mapping[str, np.ndarray], config: TowerConfig) -> bytes:
    """Serialise the model: planes [N, 112, 8, 8] -> policy [N, 1858], wdl [N, 3] as chances, moves_left [N, 1], plies.

    Raises ConfigError where `onnx` is missing, or for a tower with other heads or activations.
    """
    kinds = config.activation, config.policy, config.value
    if kinds != ("relu", "convolution", "wdl") or not config.moves_left_channels:
        expected = "ReLU, a convolutional policy, win-draw-loss and moves left"
        raise ConfigError(f"only towers with {expected} can be written as ONNX, not {config.describe()}")
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise ConfigError("an ONNX file needs the package onnx: pip install onnx") from error

    graph = TowerGraph(tensors)
    x = graph.conv("planes", "trunk.input_conv", "trunk.input_norm")
    for number in range(config.blocks):
        x = graph.block(x, f"trunk.block{number}", config.filters, config.se_ratio > 0)
    policy = graph.conv(graph.conv(x, "policy.conv1", "policy.norm1"), "policy.conv2", relu=False)
    moves = graph.constant(CONV_INDEX.astype(np.int64))
    hundreds = graph.node("Relu", graph.dense_head(x, "moves_left"))
    results = {
        "policy": (graph.node("Gather", graph.node("Flatten", policy), moves, axis=1), [None, POLICY_SIZE]),
        "wdl": (graph.node("Softmax", graph.dense_head(x, "wdl"), axis=1), [None, 3]),
        "moves_left": (
            graph.node("Mul", hundreds, graph.constant(np.array([MOVES_LEFT_SCALE], np.float32))),
            [None, 1],
        ),
    }
    for name, (result, _) in results.items():
        graph.nodes.append(helper.make_node("Identity", [result], [name]))
    inputs = [helper.make_tensor_value_info("planes", TensorProto.FLOAT, [None, PLANES, 8, 8])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, (_, shape) in results.items()]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "tower", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    checker.check_model(model)
    return model.SerializeToString()
