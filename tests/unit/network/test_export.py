"""Exported networks answer as before in ONNX Runtime."""

import numpy as np
import pytest
from numpy.random import default_rng

from engine.errors import NetFileError
from engine.evaluation.custom import board_planes, planes_of
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.tower import NetworkEvaluator
from engine.network.input_formats import CANONICAL, turned_batch
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.onnx_graph import export_onnx
from engine.network.outputs import FIRST_HEADS
from engine.network.planes import FIFTY_MOVE_PLANE
from engine.network.weights import default_net_path, load_network
from tests.boards import random_game
from tests.unit.network import test_lc0_generated
from tests.unit.network.lc0_towers import file_bytes, random_net
from tests.unit.network.lc0_transformers import KINDS, random_transformer

POSITIONS = 10
TOWERS = (
    "classical policy, scalar value",
    "mish, encoders in an attention policy",
    "no gates, odd filters",
)
TRANSFORMERS = (
    "dense, all heads", "narrow queries, odd sizes", "encoders in the policy head", "scalar value, no moves left",
    "selu and tanh", "sigmoid and none",
)  # fmt: skip


@pytest.fixture(scope="module")
def boards():
    rng = default_rng(3)
    return [random_game(rng, 7 * number) for number in range(POSITIONS)]


def answers(net, boards):
    leaves = leaves_of(boards, net.config.input_format)
    NetworkEvaluator(net, 1).evaluate(leaves, len(boards))
    return leaves


def assert_same(outputs, leaves):
    policy, wdl, plies = outputs
    for leaf, count in enumerate(leaves.n_moves[:POSITIONS]):
        chosen = policy[leaf, leaves.policy_index[leaf, :count]]
        np.testing.assert_allclose(chosen, leaves.logits[leaf, :count], atol=1e-4)
    np.testing.assert_allclose(wdl, leaves.wdl[:POSITIONS], atol=1e-5)
    np.testing.assert_allclose(plies[:, 0], leaves.moves_left[:POSITIONS], atol=1e-3)


@pytest.mark.parametrize("kind", ["shipped", *TOWERS, *TRANSFORMERS])
def test_onnx_runtime_computes_what_plays(tmp_path, boards, kind):
    runtime = pytest.importorskip("onnxruntime")
    source = tmp_path / "net.pb" if kind != "shipped" else default_net_path(entry="default_tower")
    if kind in TOWERS:
        source.write_bytes(
            file_bytes(random_net(default_rng(11), **test_lc0_generated.KINDS[kind]))
        )
    elif kind in TRANSFORMERS:
        source.write_bytes(random_transformer(5, **KINDS[kind]))
    export_onnx(source, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"planes": board_planes(boards)}), strict=True))
    left = outputs.get("moves_left", np.zeros((POSITIONS, 1)))
    second = "policy_soft" in outputs
    for heads, ends in ((FIRST_HEADS, ("", "")), (("soft", "q"), ("_soft", "_q")))[: 1 + second]:
        found = outputs[f"policy{ends[0]}"], outputs[f"wdl{ends[1]}"], left
        assert_same(found, answers(load_network(source, heads), boards))


@pytest.mark.parametrize("kind", ["canonical, hundreds", "canonical, repeated positions"])
@pytest.mark.parametrize("through", ["net.pb", "net.dit"])
def test_an_exported_network_takes_the_planes_of_its_format(tmp_path, boards, kind, through):
    """It took the fifty-move counter in plies where the planes have hundredths of it."""
    runtime = pytest.importorskip("onnxruntime")
    (tmp_path / "net.pb").write_bytes(random_transformer(5, **KINDS[kind]))
    write_planes(tmp_path / "net.dit", read_planes(tmp_path / "net.pb"))
    net = load_network(tmp_path / through)
    leaves = answers(net, boards)
    masks, places = turned_batch(
        CANONICAL, leaves.masks[:POSITIONS], leaves.policy_index[:POSITIONS]
    )
    planes = planes_of(masks)
    assert planes[:, FIFTY_MOVE_PLANE].max() > 1.0
    planes[:, FIFTY_MOVE_PLANE] /= 100.0
    export_onnx(tmp_path / through, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = ["policy", "wdl", "moves_left"]
    assert_same(session.run(names, {"planes": planes}), leaves._replace(policy_index=places))


def test_what_cannot_be_exported_leaves_no_file(tmp_path):
    with pytest.raises(NetFileError, match="expected a tower, found a network sparse"):
        export_onnx(default_net_path(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
