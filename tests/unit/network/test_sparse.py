"""The sparse family: what it sees against python-chess, and playing and training against the
layers.
"""

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import MAX_MOVES
from engine.errors import ConfigError, ShapeError
from engine.evaluation import make_evaluator
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.sparse import SparseEvaluator
from engine.native.aligned_arrays import buffers
from engine.network.accumulator.flat_tables import filled_tables
from engine.network.policy_map import INDEX_TO_UCI, POLICY_SIZE
from engine.network.sparse.integers import largest_accumulator
from engine.network.sparse.moves import write_view
from engine.network.sparse.policy_features import (
    BALANCE_FEATURE,
    CASTLING_FEATURE,
    COUNTER_FEATURE,
    EN_PASSANT_FEATURE,
    MAX_ACTIVE,
    PASSED_FEATURE,
    PHASES,
    PIECE_FEATURES,
    SORTS,
    STATE_FEATURES,
    Sight,
    balance_level,
)
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.sparse.sparse_play import SparseNet
from engine.network.weights import default_net_path
from engine.nn import dit
from engine.nn.layers import softmax
from tests.unit.board.board_positions import legal_codes, some_boards
from tests.unit.network.sparse_arithmetic import seen, sparse_network
from tests.unit.network.test_value_inference import by_layers, flip_of

CONFIG = SparseConfig(width=128, hidden=8)


def small_model():
    """A network whose every parameter matters."""
    rng = np.random.default_rng(1)
    model = SparseNetwork(CONFIG, rng)
    for tensor in model.named_parameters().values():
        tensor += 0.05 * rng.standard_normal(tensor.shape).astype(np.float32)
    return model


def lists_of(leaves, count):
    """Inputs of the layers for the first leaves."""
    features = np.full((count, MAX_ACTIVE), -1)
    rows = np.full((count, MAX_MOVES), -1)
    sorts = np.zeros((count, MAX_MOVES, len(SORTS)), int)
    for leaf in range(count):
        n_moves = int(leaves.n_moves[leaf])
        active, *of_moves = seen(leaves.rows[leaf], leaves.moves[leaf, :n_moves])
        features[leaf, : len(active)] = active
        rows[leaf, :n_moves], sorts[leaf, :n_moves] = of_moves
    return features, rows, sorts, versions_of(features)


def versions_of(features):
    """The version of the value head for each list of features [B, L], by its definition: one for
    every four pieces.
    """
    pieces = np.count_nonzero((features >= 0) & (features < PIECE_FEATURES), axis=1)
    return np.minimum((pieces - 1) // 4, 7)


# ---- features ------------------------------------------------------------------------------------


def expected_features(board, settled_cp):
    """The features by python-chess, from their definition; of a balance within a quarter of a pawn."""
    assert abs(settled_cp) < 25
    mover = board.turn
    flip = flip_of(board, mover)
    features = set()
    phase = int(len(board.piece_map()) > 20)
    state = 6144 + 66 * phase
    for square, piece in board.piece_map().items():
        number = (0 if piece.color == mover else 6) + piece.piece_type - 1
        attacked = board.is_attacked_by(not piece.color, square)
        defended = board.is_attacked_by(piece.color, square)
        features.add((((number * 2 + phase) * 2 + defended) * 2 + attacked) * 64 + (square ^ flip))
    for rook in chess.SquareSet(board.clean_castling_rights()):
        owner = board.color_at(rook)
        home = board.king(owner)
        towards_h = ((rook ^ flip) & 7) > ((home ^ flip) & 7)
        features.add(state + CASTLING_FEATURE + 2 * (owner != mover) + towards_h)
    if board.has_legal_en_passant():
        features.add(state + EN_PASSANT_FEATURE + chess.square_file(board.ep_square ^ flip))
    if board.halfmove_clock >= 20:
        features.add(state + COUNTER_FEATURE + min(board.halfmove_clock // 20 - 1, 3))
    features.add(state + BALANCE_FEATURE + (25 if settled_cp >= 0 else 24))
    for owner in (mover, not mover):
        for pawn in board.pieces(chess.PAWN, owner):
            kings = passed_pawn(board, owner, pawn)
            if kings is not None:
                guard, near = kings
                number = ((phase * 2 + (owner != mover)) * 3 + guard) * 2 + near
                features.add(6276 + number * 64 + (pawn ^ flip))
    return features


def passed_pawn(board, owner, pawn):
    """What the enemy king guards, and whether the own king is near; None if the pawn is not passed."""
    file = chess.square_file(pawn)
    rank = chess.square_rank(pawn)
    for enemy in board.pieces(chess.PAWN, not owner):
        ahead = chess.square_rank(enemy) > rank if owner else chess.square_rank(enemy) < rank
        if ahead and abs(chess.square_file(enemy) - file) <= 1:
            return None
    front = pawn + (8 if owner else -8)
    last = chess.square(file, 7 if owner else 0)
    own, their = board.king(owner), board.king(not owner)
    near = chess.square_distance(own, front) <= 2
    if chess.square_distance(their, front) <= 1:
        return 2, near
    return int(chess.square_distance(their, last) <= abs(chess.square_rank(last) - rank)), near


def expected_rows(board, moves):
    """Policy moves of the legal moves as the mirrored mover sees them, whether or not they are
    safe.
    """
    flip = flip_of(board, board.turn)
    numbers = []
    for move in moves:
        source = int(move) & 63
        target = int(move) >> 6 & 63
        promotion = int(move) >> 12
        text = chess.square_name(source ^ flip) + chess.square_name(target ^ flip)
        numbers.append(INDEX_TO_UCI.index(text + ("", "", "b", "r", "q")[promotion]))
    return numbers


def test_features_agree_with_python_chess():
    sight = buffers(Sight)
    sorts = []
    for number, board in enumerate(some_boards(3, 400)):
        row = row_from_board(board)
        moves = legal_codes(row)
        n_moves = len(moves)
        settled = number % 49 - 24
        active = write_view(row, moves, n_moves, balance_level(settled), sight)
        features = sorted(sight.features[:active].tolist())
        assert features == sorted(expected_features(board, settled)), board.fen()
        rows = (sight.rows[:n_moves] % POLICY_SIZE).tolist()
        assert rows == expected_rows(board, moves), board.fen()
        sorts.append(sight.sorts[:n_moves].copy())
    # Every value of what sorts are made of was met.
    numbers = np.concatenate(sorts) - np.cumsum((0, *SORTS[:-1]))
    parts = ((6, 6, 3, 3), (6, 5, 3, 6, 2, 6), (6, 6, 3, 3, 3, 2, 3), (6, 6, 3, 3, 3, 3))
    for column, shape in enumerate(parts):
        assert np.prod(shape) == SORTS[column]
        parts_met = np.unravel_index(numbers[:, column], shape)
        assert tuple(len(set(part)) for part in parts_met) == shape


@pytest.mark.parametrize(
    ("settled_cp", "level"),
    [(0, 25), (24, 25), (25, 26), (399, 40), (400, 41), (1199, 48), (1200, 49), (29_999, 49)],
)
def test_balance_has_a_level_for_every_size(settled_cp, level):
    assert balance_level(settled_cp) == level
    assert balance_level(-settled_cp - (settled_cp == 0)) == 49 - level
    assert BALANCE_FEATURE + level < STATE_FEATURES


@pytest.mark.parametrize(
    ("fen", "unsafe"),
    [
        ("4k3/8/2p5/3p4/8/1B6/8/4K3 w - - 0 1", {"b3d5", "b3c4"}),  # where a pawn takes a bishop
        (
            "4k3/8/4p3/3r4/8/1B6/8/4K3 w - - 0 1",
            set(),
        ),  # a rook is worth more than the bishop it costs
        ("4k3/8/8/8/3r4/8/1Q6/4K3 w - - 0 1", {"b2b4", "b2d2"}),  # the rook itself may be taken
        ("4k3/3p4/8/4P3/8/8/8/4K3 w - - 0 1", {"e5e6"}),  # nothing protects the pawn there
        (
            "4k3/3p4/8/4P3/8/8/8/4RK2 w - - 0 1",
            {"e5e6"},
        ),  # nor seems to: what looks through it is not counted
    ],
)
def test_moves_that_seem_to_lose_a_piece_use_the_second_rows(fen, unsafe):
    row = row_from_board(chess.Board(fen))
    moves = legal_codes(row)
    _, rows, _ = seen(row, moves)
    assert {decode_move(row, int(code)).uci() for code in moves[rows >= POLICY_SIZE]} == unsafe


# ---- playing -------------------------------------------------------------------------------------


def some_leaves(seed, boards):
    """Leaves of random positions in which there is a move, and their number."""
    leaves = leaves_of([board for board in some_boards(seed, boards) if list(board.legal_moves)])
    return leaves, int(np.count_nonzero(leaves.n_moves))


def layers_outputs(model, leaves, count):
    """(logits, probabilities of win, draw and loss, moves left) by plain arithmetic, in float32."""
    outputs, _ = sparse_network(model.named_parameters(), *lists_of(leaves, count))
    value = outputs["value"]
    return outputs["policy"], softmax(value[:, :3]), np.maximum(100 * value[:, 3], 0)


def test_leaf_evaluation_equals_the_layers_but_for_rounding():
    leaves, count = some_leaves(7, 40)
    model = small_model()
    evaluator = SparseEvaluator(SparseNet(model.named_parameters(), CONFIG))
    evaluator.evaluate(leaves, count)
    logits, wdl, moves_left = layers_outputs(model, leaves, count)
    for leaf in range(count):
        n_moves = int(leaves.n_moves[leaf])
        assert np.allclose(leaves.logits[leaf, :n_moves], logits[leaf, :n_moves], atol=0.04)
    assert np.allclose(leaves.wdl[:count], wdl, atol=4e-3)
    assert np.allclose(leaves.moves_left[:count], moves_left, atol=2.0)
    assert logits.std() > 0.05
    assert wdl.std() > 0.02


@pytest.mark.parametrize("name", ["value.output.bias", "value_trunk.dense1.weight"])
def test_a_network_with_a_missing_or_smaller_tensor_is_refused(name):
    config = SparseConfig.parse("sparse-128+v128")
    tensors = dict(SparseNetwork(config, np.random.default_rng(1)).named_parameters())
    with pytest.raises(ConfigError, match=f"no tensor '{name}'"):
        SparseNet({tensor: array for tensor, array in tensors.items() if tensor != name}, config)
    with pytest.raises(ShapeError, match=name):
        SparseNet({**tensors, name: tensors[name][:-1]}, config)


def test_integers_of_the_shipped_network_order_moves_as_its_floats_do():
    leaves, count = some_leaves(13, 200)
    loaded, _ = dit.load(default_net_path())
    evaluator = make_evaluator("sparse")
    evaluator.evaluate(leaves, count)
    calm = softmax(by_layers(loaded, list(leaves.rows[:count]))[:, :3])
    logits, wdl, _ = layers_outputs(loaded, leaves, count)
    for leaf in range(count):
        n_moves = int(leaves.n_moves[leaf])
        ours, theirs = leaves.logits[leaf, :n_moves], logits[leaf, :n_moves]
        assert np.allclose(ours, theirs, atol=0.15)
        assert theirs.max() - theirs[ours.argmax()] < 0.05
    # The value trunk judges calm positions, the first trunk the others.
    errors = np.abs(leaves.wdl[:count] - np.array([calm, wdl])).max(axis=2).min(axis=0)
    assert errors.max() < 0.05
    assert errors.mean() < 0.004


def test_weights_too_large_for_any_scale_are_refused():
    tensors = small_model().named_parameters()
    tensors["trunk.accumulator.weight"] *= 1e4
    with pytest.raises(ConfigError, match=r"rows that add up to .*, where 2,047 is the most"):
        SparseNet(tensors, CONFIG)


def test_the_bound_of_accumulators_is_reached():
    """Every bit of the state and every piece at its worst, on the 32 worst squares."""
    tensors = small_model().named_parameters()
    for tensor in tensors.values():
        tensor[...] = 0.0
    weight = tensors["trunk.accumulator.weight"]
    pieces = weight[:PIECE_FEATURES].reshape(12, PHASES, 4, 64, -1)
    pieces[:, 1, :, :40] = 0.25  # 40 squares, of which 32 can be occupied
    pieces[:, 0, :, 40:] = 0.25  # too few to reach as much, and never with those of the other phase
    state = weight[PIECE_FEATURES:PASSED_FEATURE].reshape(PHASES, STATE_FEATURES, -1)
    state[:, CASTLING_FEATURE:EN_PASSANT_FEATURE] = 0.5
    state[:, EN_PASSANT_FEATURE:COUNTER_FEATURE, 3] = -1.0
    state[:, COUNTER_FEATURE:, 3] = 1.5
    tensors["trunk.accumulator.bias"][3] = -2
    assert (
        largest_accumulator(filled_tables(CONFIG, tensors), CONFIG)
        == 32 * 0.25 + 4 * 0.5 + 1 + 1.5 + 1.5 + 2
    )
