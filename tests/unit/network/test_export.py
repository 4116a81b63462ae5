"""Exported networks answer as before in ONNX Runtime."""

import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose

from engine.errors import NetFileError
from engine.network.lc0.planes_file import read_planes
from engine.network.onnx_graph import export_onnx
from engine.network.outputs import policy_name
from engine.network.planes import FIFTY_MOVE_PLANE, float_planes
from engine.network.weights import default_net_path
from tests.unit.network.lc0_kept import network_file
from tests.unit.network.lc0_nets import random_masks, training_answers

SHIPPED = "shipped"
KINDS = (
    SHIPPED, "tower: classical policy, scalar value", "tower: mish, encoders in an attention policy",
    "tower: no gates, odd filters", "dense, all heads", "narrow queries, odd sizes", "encoders in the policy head",
    "scalar value, no moves left", "selu and tanh", "sigmoid and none", "canonical, hundreds",
    "canonical, repeated positions",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_runtime_computes_what_the_layers_do(tmp_path, kind):
    """Planes come in the network's input format, of which some count plies in hundreds."""
    runtime = pytest.importorskip("onnxruntime")
    source = default_net_path(entry="default_tower")
    if kind != SHIPPED:
        source = tmp_path / "net.pb"
        source.write_bytes(network_file(kind))
    export_onnx(source, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = [output.name for output in session.get_outputs()]
    masks = random_masks(10, default_rng(3))
    assert masks[:, FIFTY_MOVE_PLANE].max() > 1
    planes = np.ascontiguousarray(float_planes(masks))
    net = read_planes(source)
    if net.config.input_format >= 4:
        planes[:, FIFTY_MOVE_PLANE] /= 100
    outputs = dict(zip(names, session.run(names, {"planes": planes}), strict=True))
    for policy, value in zip(net.config.policy_heads, net.config.value_heads, strict=False):
        policy_output = policy_name(policy)
        expected = training_answers(net, masks, policy_output, net.config.value_name(value))
        wdl = "wdl" if value == "winner" else f"wdl_{value}"
        assert_allclose(outputs[policy_output], expected.logits, atol=1e-4)
        assert_allclose(outputs[wdl], expected.wdl, atol=1e-5)
        left = outputs.get("moves_left", np.zeros((10, 1)))
        assert_allclose(left[:, 0], expected.moves_left, atol=1e-3)


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    with pytest.raises(NetFileError, match="expected a tower, found a network sparse"):
        export_onnx(default_net_path(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
