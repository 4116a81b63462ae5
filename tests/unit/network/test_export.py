"""Exported networks answer as before: the `.npz` by the page's reader in plain NumPy, the `.onnx` by its runtime."""

from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from engine.errors import ConfigError, NetFileError
from engine.evaluation.custom import board_planes, planes_of
from engine.evaluation.leaves import leaves_of
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.tower import NetworkEvaluator
from engine.files.dit_file import load_tensors
from engine.network.export import export_net
from engine.network.input_formats import turned_batch
from engine.network.lc0.planes_file import read_planes, write_planes
from engine.network.planes import FIFTY_MOVE_PLANE
from engine.network.tower.inference import Fused
from engine.network.tower.model import TowerConfig, build_tower
from engine.network.weights import FIRST_HEADS, default_net_path, load_network, load_planes
from engine.nn import dit
from tests.boards import random_game
from tests.documents.pages import blocks
from tests.unit.network.lc0_towers import file_bytes, random_net
from tests.unit.network.lc0_transformers import KINDS, random_transformer

POSITIONS = 10
TOWERS: dict[str, dict[str, Any]] = {
    "classical policy, scalar value": {"policy": "classical", "value": "scalar", "moves_left": False},
    "mish, encoders in an attention policy": {"activation": "mish", "policy": "attention", "encoders": 2},
    "no gates": {"gates": False},
}
TRANSFORMERS = (
    "map, relu", "dense, all heads", "narrow queries, odd sizes", "encoders in the policy head",
    "scalar value, no moves left", "selu and tanh", "sigmoid and none",
)  # fmt: skip


@pytest.fixture(scope="module")
def boards() -> list[chess.Board]:
    rng = np.random.default_rng(3)
    return [random_game(rng, 7 * number) for number in range(POSITIONS)]


def answers(net: Fused, boards: list[chess.Board]) -> LeafBatch:
    leaves = leaves_of(boards, net.config.input_format)
    NetworkEvaluator(net, 1).evaluate(leaves, len(boards))
    return leaves


def assert_same(outputs: Any, leaves: LeafBatch) -> None:
    policy, wdl, plies = outputs
    for leaf, count in enumerate(leaves.n_moves[:POSITIONS]):
        chosen = policy[leaf, leaves.policy_index[leaf, :count]]
        np.testing.assert_allclose(chosen, leaves.logits[leaf, :count], atol=1e-4)
    np.testing.assert_allclose(wdl, leaves.wdl[:POSITIONS], atol=1e-5)
    np.testing.assert_allclose(plies[:, 0], leaves.moves_left[:POSITIONS], atol=1e-3)


def test_the_reader_of_the_page_computes_what_the_tower_computes(tmp_path: Path, boards: list[chess.Board]) -> None:
    export_net(default_net_path(entry="default_tower"), tmp_path / "tower.npz")
    page: dict[str, Any] = {"__name__": "page"}
    exec(next(block.text for block in blocks("docs/own-network.md") if "class Tower" in block.text), page)
    tower = page["Tower"](tmp_path / "tower.npz")
    assert_same(tower(board_planes(boards)), answers(load_network(), boards))


@pytest.mark.parametrize("kind", ["shipped", *TOWERS, *TRANSFORMERS])
def test_onnx_runtime_computes_what_plays(tmp_path: Path, boards: list[chess.Board], kind: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    source = tmp_path / "net.pb" if kind != "shipped" else default_net_path(entry="default_tower")
    if kind in TOWERS:
        source.write_bytes(file_bytes(random_net(np.random.default_rng(11), **TOWERS[kind])))
    elif kind in TRANSFORMERS:
        source.write_bytes(random_transformer(5, **KINDS[kind]))
    export_net(source, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, {"planes": board_planes(boards)}), strict=True))
    left, second = outputs.get("moves_left", np.zeros((POSITIONS, 1))), "policy_soft" in outputs
    for heads, ends in ((FIRST_HEADS, ("", "")), (("soft", "q"), ("_soft", "_q")))[: 1 + second]:
        found = outputs[f"policy{ends[0]}"], outputs[f"wdl{ends[1]}"], left
        assert_same(found, answers(load_network(source, heads), boards))


@pytest.mark.parametrize("kind", ["canonical, hundreds", "canonical, repeated positions"])
@pytest.mark.parametrize("through", ["net.pb", "net.dit"])
def test_an_exported_network_takes_the_planes_of_its_format(
    tmp_path: Path, boards: list[chess.Board], kind: str, through: str
) -> None:
    """It took the fifty-move counter in plies where the planes have hundredths of it."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    (tmp_path / "net.pb").write_bytes(random_transformer(5, **KINDS[kind]))
    write_planes(tmp_path / "net.dit", read_planes(tmp_path / "net.pb"))
    net = load_network(tmp_path / through)
    leaves = answers(net, boards)
    masks, places = turned_batch(leaves.masks[:POSITIONS], leaves.policy_index[:POSITIONS])
    planes = planes_of(masks)
    assert planes[:, FIFTY_MOVE_PLANE].max() > 1.0
    planes[:, FIFTY_MOVE_PLANE] /= 100.0
    export_net(tmp_path / through, tmp_path / "net.onnx")
    session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
    names = ["policy", "wdl", "moves_left"]
    assert_same(session.run(names, {"planes": planes}), leaves._replace(policy_index=places))
    export_net(tmp_path / through, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as arrays:
        weight = arrays["trunk.embedding.dense.weight"][:, FIFTY_MOVE_PLANE]
    loaded = load_planes(tmp_path / through)[0]["trunk.embedding.dense.weight"][:, FIFTY_MOVE_PLANE]
    np.testing.assert_allclose(weight, 100.0 * loaded, rtol=1e-6)


def test_every_array_of_a_sparse_network_is_in_its_npz(tmp_path: Path) -> None:
    export_net(default_net_path(), tmp_path / "sparse.npz")
    _, tensors = load_tensors(default_net_path())
    with np.load(tmp_path / "sparse.npz") as written:
        assert set(written) == {"model", *tensors}
        assert all(np.array_equal(written[name], array) for name, array in tensors.items())


def test_what_cannot_be_exported_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    gelu = tmp_path / "gelu.dit"
    dit.save(gelu, build_tower(TowerConfig(filters=16, blocks=1, activation="gelu"), np.random.default_rng(1)))
    for source in (gelu, default_net_path()):
        with pytest.raises((ConfigError, NetFileError)):
            export_net(source, tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match=r"\.npz or \.onnx"):
        export_net(gelu, tmp_path / "net.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["gelu.dit"]
