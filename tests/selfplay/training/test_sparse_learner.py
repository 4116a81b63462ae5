"""The sparse family: its gradients are like the layers', and its batches hold what they shall."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import MAX_MOVES
from engine.errors import ConfigError
from engine.network.accumulator.flat_tables import parameter_names
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.nn import huber, softmax_cross_entropy
from selfplay.families.policy.sparse_family import SparseGradients, SparseMixture
from selfplay.families.policy.sparse_sampler import SparseSampler, new_sparse_batch
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.targets import wdl_from_score
from selfplay.training.losses import LossWeights
from selfplay.training.recipe import LearnerSettings
from tests.selfplay.conftest import boards_of
from tests.selfplay.training.learners import assert_losses, assert_near
from tests.unit.board.board_positions import legal_codes
from tests.unit.network.sparse_arithmetic import seen, sparse_network

CONFIG = SparseConfig(width=128, hidden=8)
AS_THEY_ARE = -1  # no variation


def sampled(positions, numbers, variations):
    batch = new_sparse_batch(len(numbers))
    SparseSampler(positions).fill(numbers, variations, batch)
    return batch


def gradients_by_layers(batch, weights):
    """Losses of the learning library and gradients by plain arithmetic, in float64."""
    parameters = SparseNetwork(CONFIG, default_rng(1)).astype(np.float64).named_parameters()
    listed = np.arange(batch.features.shape[1]) < batch.n_features[:, None]
    features = np.where(listed, batch.features, -1)
    legal = np.arange(MAX_MOVES) < batch.n_moves[:, None]
    rows = np.where(legal, batch.rows, -1)
    sorts = np.where(legal[:, :, None], batch.sorts, 0)
    assert len(set(batch.version.tolist())) == 8
    outputs, backward = sparse_network(parameters, features, rows, sorts, batch.version)
    targets = np.where(legal, batch.policy, 0)
    is_played = batch.n_moves > 0
    policy, dlogits = softmax_cross_entropy(outputs["policy"], targets, legal | ~is_played[:, None])
    dlogits = dlogits * is_played[:, None]
    value, dvalue = softmax_cross_entropy(outputs["value"][:, :3], batch.wdl)
    left = np.where(is_played, batch.moves_left, outputs["value"][:, 3])
    length, dleft = huber(outputs["value"][:, 3:], left[:, None])
    slopes = np.concatenate([weights.value * dvalue, weights.moves_left * dleft], axis=1)
    return [policy, value, length], backward({"policy": dlogits, "value": slopes})


def test_gradients_equal_those_of_the_layers(positions):
    rng = default_rng(3)
    numbers = rng.choice(positions.n_positions, 50)
    variations = np.where(rng.random(50) < 0.3, positions.target_first[numbers], AS_THEY_ARE)
    batch = sampled(positions, numbers, variations)
    weights = LossWeights(value=0.7, moves_left=0.3)
    batch.version[::2] = rng.integers(0, 8, 25)  # all versions of the value head
    batch.wdl[::5] = 0.0  # unknown, as the policy and the moves left after a variation
    settings = LearnerSettings(50, weight_decay=0.0, loss=weights)
    source = SparseGradients(SparseNetwork(CONFIG, default_rng(1)), settings)
    _, measured, gradients = source.gradients(batch, (0,))
    source.close()
    losses, expected = gradients_by_layers(batch, weights)
    assert_losses(measured, losses)
    policies = np.count_nonzero(batch.n_moves) / 50
    with_target = [measured[name] for name in ("with_policy", "with_value", "with_moves_left")]
    assert with_target == [policies, 40 / 50, policies]
    assert gradients.keys() == set(parameter_names(CONFIG).values())
    assert_near(gradients, expected)


def test_batches_hold_the_replayed_positions(positions):
    game = 2
    first = int(positions.game_first[game])
    boards = boards_of(positions, game)
    # onward, again, and back: replays are shared
    numbers = first + np.array([0, 3, 3, len(boards) - 1, 1])
    batch = sampled(positions, numbers, np.full(5, AS_THEY_ARE))
    for slot, number in enumerate(numbers):
        row = row_from_board(boards[number - first])
        moves = legal_codes(row)
        features, rows, sorts = seen(row, moves)
        assert np.array_equal(batch.features[slot, : batch.n_features[slot]], features)
        assert np.array_equal(batch.rows[slot, : batch.n_moves[slot]], rows)
        assert np.array_equal(batch.sorts[slot, : batch.n_moves[slot]], sorts)
        targets = slice(*positions.target_first[number : number + 2])
        shares = positions.target_probs[targets] / 65535
        policy = dict(zip(positions.target_moves[targets], shares, strict=True))
        assert batch.policy[slot, : len(moves)] == pytest.approx(
            [policy.get(move, 0) for move in moves]
        )
        assert np.array_equal(batch.wdl[slot], positions.wdl[number].astype(np.float32))


def test_positions_of_other_games_leave_nothing_of_theirs_behind(positions):
    """Each lies further on than the one before, so that a replay could have gone on."""
    numbers = positions.game_first[[1, 3, 2]] + np.array([2, 5, 9])
    together = sampled(positions, numbers, np.full(3, AS_THEY_ARE))
    for slot, number in enumerate(numbers):
        alone = sampled(positions, np.array([number]), np.array([AS_THEY_ARE]))
        count = alone.n_features[0]
        assert together.features[slot, :count].tolist() == alone.features[0, :count].tolist()
        assert together.n_moves[slot] == alone.n_moves[0]


def test_a_variation_is_valued_by_the_score_of_its_move(positions):
    game, ply = 1, 6
    number = int(positions.game_first[game]) + ply
    board = boards_of(positions, game)[ply]
    for target in range(*positions.target_first[number : number + 2]):
        batch = sampled(positions, np.array([number]), np.array([target]))
        after = board.copy()
        after.push(decode_move(row_from_board(board), int(positions.target_moves[target])))
        features = seen(row_from_board(after))[0]
        assert np.array_equal(batch.features[0, : batch.n_features[0]], features)
        score = -positions.target_scores[target : target + 1].astype(np.float32)
        assert np.allclose(batch.wdl, wdl_from_score(score))
        assert batch.n_moves[0] == 0
        assert batch.moves_left[0] < 0


def test_variations_take_their_share_of_positions_with_scores(positions):
    def value_only(part):
        mixture = SparseMixture([part], [1.0], 200, seed=3, variations=0.3)
        return sum(int(np.count_nonzero(mixture.batch(step).n_moves == 0)) for step in range(5))

    assert 250 < value_only(positions) < 350
    scores = positions.target_scores.copy()
    scores[::2] = UNKNOWN_SCORE
    assert 100 < value_only(replace(positions, target_scores=scores)) < 200
    with pytest.raises(ConfigError, match="variations"):
        LearnerSettings(8, weight_decay=0.0, variations=1.5)
