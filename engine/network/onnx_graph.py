"""Towers and transformers as ONNX files; docs/own-network.md has the inputs and outputs."""

from pathlib import Path

import numpy as np

from engine.files.atomic import write_file
from engine.network.families import PlanesConfig
from engine.network.fused.given_tensors import layers_with
from engine.network.input_formats import counter_scale
from engine.network.lc0.planes_file import read_planes
from engine.network.lc0.tensor_map import with_counter_times
from engine.network.outputs import MOVES_LEFT_SCALE, Tensors
from engine.network.planes import PLANES
from engine.network.policy_map import HEAD_INDEX, POLICY_SIZE
from engine.nn.norm_folding import fold_norms
from engine.nn.onnx_layers import Graph
from engine.nn.onnx_nodes import tensor_type


def export_onnx(source: Path, target: Path) -> None:
    """Write the tower or transformer in a net file as an ONNX file, which takes the planes of its
    input format.

    Raises NetFileError for a source that cannot be read or is neither, and as `onnx_graph`.
    """
    tower = read_planes(source)  # whose tensors take the fifty-move counter in plies
    tensors = with_counter_times(1 / counter_scale(tower.config.input_format), tower.tensors)
    write_file(target, onnx_graph(tensors, tower.config))


def onnx_graph(tensors: Tensors, config: PlanesConfig) -> bytes:
    """Serialise a network: planes [N, 112, 8, 8], in its input format -> policy [N, 1858], wdl [N,
    3] as chances and, with such a head, moves_left [N, 1], plies. Further heads go by their names,
    such as policy_soft.
    """
    graph = Graph()
    network = fold_norms(layers_with(tensors, config)).children()
    graph.examples["planes"] = np.zeros((1, PLANES, 8, 8), np.float32)
    trunk = graph.layer(network.pop("trunk"), "planes")
    outputs = {}
    for name, head in network.items():
        result = graph.layer(head, trunk)
        if name.startswith("policy"):
            flat = graph.node("Flatten", result)
            answer = graph.node("Gather", flat, HEAD_INDEX[config.policy], axis=1), POLICY_SIZE
        elif name == "moves_left":
            answer = graph.times(graph.node("Relu", result), MOVES_LEFT_SCALE), 1
        else:
            answer = _chances(graph, name, result), 3
            name = name.replace("value", "wdl", 1)
        outputs[name] = answer[0], tensor_type(np.float32, ["batch", answer[1]])
    return graph.model({"planes": tensor_type(np.float32, ["batch", PLANES, 8, 8])}, outputs)


def _chances(graph: Graph, name: str, result: str) -> str:
    """Add what makes chances of win, draw and loss of their logits or of win - loss."""
    if not name.startswith("value"):
        return graph.node("Softmax", result, axis=1)
    halves = graph.times(result, 0.5)
    return graph.product(halves, np.array([[1.0], [0.0], [-1.0]]), np.array([0.5, 0.0, 0.5]))
