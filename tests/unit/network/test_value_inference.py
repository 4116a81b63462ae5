"""The integer value trunk plays what the float layers learned."""

from __future__ import annotations

from collections.abc import Iterator

import chess
import numpy as np
import pytest

from engine.board.attacks import ATTACK_WORDS, write_attacks
from engine.board.convert import row_from_board
from engine.errors import ConfigError
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.evaluation.sparse import SparseEvaluator
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.sparse.features import men_bucket
from engine.network.sparse.inference import SparseNet
from engine.network.sparse.model import build_sparse
from engine.network.sparse.parameters import SparseConfig
from engine.network.sparse.value_features import MAX_VIEW, king_buckets, write_views
from engine.network.sparse.value_inference import integer_tables, new_value_model, value_trunk_outputs
from engine.network.sparse.value_parameters import FINEST_SCALE
from engine.nn.layers import ListNetwork
from engine.tactics.see import see

POSITIONS = 60


def positions() -> Iterator[chess.Board]:
    """Positions of random games, from the opening to the last pieces."""
    rng = np.random.default_rng(5)
    board = chess.Board()
    while True:
        moves = list(board.legal_moves)
        if not moves or board.is_insufficient_material():
            board = chess.Board()
            continue
        board.push(moves[rng.integers(len(moves))])
        if rng.random() < 0.2 and any(board.legal_moves):
            yield board


def network(config: SparseConfig) -> ListNetwork:
    """Random weights, of which many units lie within the clipped range and none of the small layers is constant."""
    rng = np.random.default_rng(3)
    net = build_sparse(config, rng)
    for name, array in net.named_parameters().items():
        if name.startswith("value_trunk") and name.endswith("bias"):
            array += rng.normal(0, 0.1, array.shape).astype(np.float32)
    return net


def by_layers(net: ListNetwork, config: SparseConfig, rows: list[np.ndarray]) -> np.ndarray:
    assert config.value is not None
    buckets, attacks = king_buckets(config.value.king_buckets), np.zeros((2, ATTACK_WORDS), np.uint64)
    features = np.full((len(rows), 2, MAX_VIEW), -1, np.int64)
    for row, out in zip(rows, features, strict=True):
        found = np.zeros(2 * MAX_VIEW, np.int16)
        write_attacks(row, 0, attacks[0])
        write_attacks(row, 1, attacks[1])
        count = write_views(row, attacks, buckets, found)
        out[:, :count] = found.reshape(2, MAX_VIEW)[:, :count]
    versions = np.array([men_bucket(row) for row in rows])
    assert net.value_trunk is not None
    assert len(set(versions.tolist())) > 3
    return net.value_trunk.forward((features, versions))[0]


def by_integers(net: ListNetwork, config: SparseConfig, rows: list[np.ndarray]) -> np.ndarray:
    assert config.value is not None
    model = new_value_model(integer_tables(dict(net.named_parameters()), config.value))
    attacks = np.zeros((2, ATTACK_WORDS), np.uint64)
    found = []
    for row in rows:
        for side in range(2):
            write_attacks(row, side, attacks[side])
        value_trunk_outputs(model, row, attacks)
        found.append(model.outputs[:4].copy())
    return np.array(found)


@pytest.mark.parametrize("text", ["sparse-128+v128", "sparse-128+v256k8"])
def test_weights_that_integers_hold_exactly_give_the_outputs_of_the_layers(text):
    config = SparseConfig.parse(text)
    net = network(config)
    for name, array in net.named_parameters().items():
        if name.startswith("value_trunk.rows"):
            array[...] = np.rint(array * 64) / 64
    rows = [row_from_board(board) for board, _ in zip(positions(), range(POSITIONS), strict=False)]
    floats = by_layers(net, config, rows)
    assert floats.std(axis=0).min() > 0.01
    np.testing.assert_allclose(by_integers(net, config, rows), floats, atol=2e-5)


def test_other_weights_are_off_by_no_more_than_their_rounding_explains():
    config = SparseConfig.parse("sparse-128+v256")
    net = network(config)
    rows = [row_from_board(board) for board, _ in zip(positions(), range(POSITIONS), strict=False)]
    errors = by_integers(net, config, rows) - by_layers(net, config, rows)
    # Some sixty rows are each rounded by up to half a unit: 1 / FINEST_SCALE * sqrt(60 / 12) of an accumulator.
    assert 0 < np.abs(errors).mean() < 4 / FINEST_SCALE
    assert np.abs(errors).max() < 20 / FINEST_SCALE


def is_calm(board: chess.Board) -> bool:
    """Not in check, and without a capture or promotion to a queen that wins material by static exchange."""
    row = row_from_board(board)
    for move in board.legal_moves:
        code = move.from_square | move.to_square << 6 | ((move.promotion or 1) - 1) << 12
        forcing = board.is_capture(move) or move.promotion == chess.QUEEN
        if forcing and move.promotion in (None, chess.QUEEN) and see(row, code) > 0:
            return False
    return not board.is_check()


def evaluated(config: SparseConfig, tensors: dict[str, np.ndarray]) -> LeafBatch:
    leaves = new_leaf_batch(POSITIONS)
    for leaf, board in zip(range(POSITIONS), positions(), strict=False):
        fill_leaf(leaves, leaf, row_from_board(board)[None])
    evaluator = SparseEvaluator(SparseNet(tensors, config))
    evaluator.evaluate(leaves, POSITIONS)
    evaluator.close()
    return leaves


def test_an_evaluator_takes_the_policy_from_one_trunk_and_in_calm_positions_the_mean_of_both_values():
    config = SparseConfig.parse("sparse-128+v128")
    net = network(config)
    tensors = dict(net.named_parameters())
    both, one = evaluated(config, tensors), evaluated(SparseConfig.parse("sparse-128"), tensors)
    assert both.logits.tobytes() == one.logits.tobytes()
    rows = [row_from_board(board) for board, _ in zip(positions(), range(POSITIONS), strict=False)]
    outputs = by_layers(net, config, rows)
    chances = np.exp(outputs[:, :3]) / np.exp(outputs[:, :3]).sum(axis=1, keepdims=True)
    calm = np.array([is_calm(board) for board, _ in zip(positions(), range(POSITIONS), strict=False)])
    assert POSITIONS / 4 < calm.sum() < 3 / 4 * POSITIONS
    mean = (one.wdl[:POSITIONS] + chances) / 2
    np.testing.assert_allclose(both.wdl[:POSITIONS][calm], mean[calm], atol=0.005)
    assert np.abs(both.wdl[:POSITIONS] - one.wdl[:POSITIONS])[calm].max() > 0.05
    np.testing.assert_array_equal(both.wdl[:POSITIONS][~calm], one.wdl[:POSITIONS][~calm])
    plies = MOVES_LEFT_SCALE * np.maximum(outputs[:, 3], 0)
    mean_plies = (one.moves_left[:POSITIONS] + plies) / 2
    np.testing.assert_allclose(both.moves_left[:POSITIONS][calm], mean_plies[calm], atol=1.0)
    np.testing.assert_array_equal(both.moves_left[:POSITIONS][~calm], one.moves_left[:POSITIONS][~calm])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", ["rows", "dense1", "output"])
def test_a_trunk_whose_numbers_could_leave_their_range_is_refused(name, value):
    config = SparseConfig.parse("sparse-128+v128")
    net = network(config)
    tensors = dict(net.named_parameters())
    tensors[f"value_trunk.{name}.weight"].flat[7] = value
    with pytest.raises(ConfigError):
        SparseNet(tensors, config)
