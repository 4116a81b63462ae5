"""The integer value trunk plays what the float layers learned."""

import chess
import numpy as np
import pytest
from numpy.random import default_rng
from numpy.testing import assert_allclose, assert_array_equal

from engine.board.convert import row_from_board
from engine.board.layout import SIDE
from engine.errors import ConfigError
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.sparse import SparseEvaluator
from engine.network.accumulator.flat_tables import new_tables
from engine.network.accumulator.piece_count import piece_bucket
from engine.network.accumulator.short_rows import (
    FINEST_SCALE,
    FIRST_UNIT,
    SECOND_UNIT,
    UNIT,
    sum_scale,
)
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.sparse.sparse_play import SparseNet
from engine.network.value.value_features import KING_BUCKET, MAX_VIEW, write_view_of
from engine.network.value.value_parameters import (
    COARSEST_VALUE_SCALE,
    DENSE1_LIMIT,
    VALUE_ROWS,
    VALUE_TRUNK,
    WEIGHT_LIMIT,
    ValueConfig,
    largest_accumulator,
)
from engine.network.value.value_play import integer_tables, new_value_model, value_trunk_outputs
from engine.nn.layers import softmax
from engine.tactics.see import see
from tests.unit.board.board_positions import some_boards
from tests.unit.network.sparse_arithmetic import value_network

POSITIONS = 60


def positions(count):
    """Positions of random games, from the opening to the last pieces."""
    rng = default_rng(5)
    board = chess.Board()
    boards = []
    while len(boards) < count:
        moves = list(board.legal_moves)
        if not moves or board.is_insufficient_material():
            board = chess.Board()
            continue
        board.push(moves[rng.integers(len(moves))])
        if rng.random() < 0.2 and any(board.legal_moves):
            boards.append(board.copy())
    return boards


def network(name="sparse-128+v128"):
    """Random weights, of which many units lie within the clipped range and none of the small layers
    is constant.
    """
    rng = default_rng(3)
    net = SparseNetwork(SparseConfig.parse(name), rng)
    for name, array in net.named_parameters().items():
        if name.startswith("value_trunk") and name.endswith("bias"):
            array += rng.normal(0, 0.1, array.shape).astype(np.float32)
    return net


def trunk_of(net):
    return net.children()[VALUE_TRUNK].named_parameters()


def views_of(row):
    """Rows of the mover's view and of the other's."""
    views = np.zeros((2, MAX_VIEW), np.int16)
    side = int(row[SIDE])
    return [view[: write_view_of(row, side ^ k, view)] for k, view in enumerate(views)]


def by_layers(net, rows):
    features = np.full((len(rows), 2, MAX_VIEW), -1, np.int64)
    for row, out in zip(rows, features, strict=True):
        for listed, view in zip(out, views_of(row), strict=True):
            listed[: len(view)] = view
    versions = np.array([piece_bucket(row) for row in rows])
    assert len(set(versions.tolist())) > 3
    return value_network(trunk_of(net), features, versions)[0]


def tables_of(net):
    return integer_tables(trunk_of(net), net.network_config.value)


def by_integers(net, rows):
    model = new_value_model(tables_of(net))
    outputs = []
    for row in rows:
        value_trunk_outputs(model, row)
        outputs.append(model.outputs[:4].copy())
    return np.array(outputs)


@pytest.mark.parametrize("text", ["sparse-128+v128", "sparse-128+v256"])
def test_outputs_are_those_of_the_layers_but_for_rounding(text):
    net = network(text)
    rows = [row_from_board(board) for board in positions(POSITIONS)]
    floats = by_layers(net, rows)
    assert floats.std(axis=0).min() > 0.01
    errors = np.abs(by_integers(net, rows) - floats)
    # A unit is rounded to 1/128 and a weight of dense1 rounded to 1/64, each of W inputs.
    assert 0 < errors.mean() < 0.02
    assert errors.max() < 0.1


def by_numpy(tables, row):
    """The sums of dense1 int64[16], from scratch."""
    width = len(tables.bias)
    weight = tables.weight.reshape(-1, width)
    scale = int(tables.scale[0])
    units = []
    for view in views_of(row):
        halves = (
            (tables.bias + weight[view].sum(axis=0, dtype=np.int64)).clip(0, scale).reshape(2, -1)
        )
        units.append(
            halves[0] * (FIRST_UNIT // scale) * halves[1] * (SECOND_UNIT // scale) + 2**15 >> 16
        )
    dense1 = tables.dense1.reshape(8, width // 4, 16, 4)[piece_bucket(row)]
    return np.einsum("qi,qoi->o", np.concatenate(units).reshape(-1, 4), dense1.astype(np.int64))


@pytest.mark.parametrize("text", ["v128", "v256"])
def test_accumulators_that_follow_a_search_equal_those_from_scratch(text):
    """In the order of games, and jumping between them."""
    tables = tables_of(network(f"sparse-128+{text}"))
    follower = new_value_model(tables)
    seen = set()
    rows = [row_from_board(board) for board in positions(300)]
    rng = default_rng(4)
    for row in [*rows, *(rows[i] for i in rng.permutation(len(rows)))]:
        value_trunk_outputs(follower, row)
        scratch = new_value_model(tables)
        value_trunk_outputs(scratch, row)
        assert follower.units.tobytes() == scratch.units.tobytes()
        assert follower.outputs.tobytes() == scratch.outputs.tobytes()
        assert_array_equal(follower.sums, by_numpy(tables, row))
        seen.add(follower.units.tobytes())
    assert len(seen) > 200
    assert follower.boards.any(axis=1).sum() > len(follower.boards) / 4


def test_a_trunk_of_the_largest_weights_stays_exact():
    """All units are 1 and all weights of dense1 as large as they may be: sums and products reach
    their bounds.
    """
    net = network("sparse-128+v2048")
    for name, value in (("rows", WEIGHT_LIMIT), ("dense1", DENSE1_LIMIT)):
        trunk_of(net)[f"{name}.weight"][...] = value
    tables = tables_of(net)
    model = new_value_model(tables)
    for board in positions(30):
        row = row_from_board(board)
        value_trunk_outputs(model, row)
        assert_array_equal(model.sums, by_numpy(tables, row))
        assert model.units.min() == UNIT
        assert model.sums.min() == UNIT * 127 * 2048


def is_calm(board):
    """Not in check, and without a capture or promotion to a queen that wins material by static
    exchange.
    """
    row = row_from_board(board)
    for move in board.legal_moves:
        code = move.from_square | move.to_square << 6 | ((move.promotion or 1) - 1) << 12
        forcing = board.is_capture(move) or move.promotion == chess.QUEEN
        if forcing and move.promotion in (None, chess.QUEEN) and see(row, code) > 0:
            return False
    return not board.is_check()


def evaluated(name, tensors):
    leaves = leaves_of(positions(POSITIONS))
    evaluator = SparseEvaluator(SparseNet(tensors, SparseConfig.parse(name)))
    evaluator.evaluate(leaves, POSITIONS)
    evaluator.close()
    return leaves


def test_the_second_trunk_judges_calm_positions_alone():
    net = network()
    tensors = net.named_parameters()
    two_trunks, one_trunk = (evaluated(name, tensors) for name in ("sparse-128+v128", "sparse-128"))
    assert two_trunks.logits.tobytes() == one_trunk.logits.tobytes()
    rows = [row_from_board(board) for board in positions(POSITIONS)]
    outputs = by_layers(net, rows)
    chances = softmax(outputs[:, :3])
    calm = np.array([is_calm(board) for board in positions(POSITIONS)])
    assert POSITIONS / 4 < calm.sum() < 3 / 4 * POSITIONS
    assert_allclose(two_trunks.wdl[:POSITIONS][calm], chances[calm], atol=0.02)
    assert np.abs(two_trunks.wdl[:POSITIONS] - one_trunk.wdl[:POSITIONS])[calm].max() > 0.05
    plies = MOVES_LEFT_SCALE * np.maximum(outputs[:, 3], 0)
    assert_allclose(two_trunks.moves_left[:POSITIONS][calm], plies[calm], atol=2.0)
    for name in ("wdl", "moves_left"):
        judged, by_first = (
            getattr(leaves, name)[:POSITIONS][~calm] for leaves in (two_trunks, one_trunk)
        )
        assert_array_equal(judged, by_first)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", ["rows", "dense1", "output"])
def test_a_trunk_whose_numbers_could_leave_their_range_is_refused(name, value):
    net = network()
    tensors = net.named_parameters()
    tensors[f"value_trunk.{name}.weight"].flat[7] = value
    with pytest.raises(ConfigError):
        SparseNet(tensors, net.network_config)


# ---- what both views see, and how rows fit integers ----------------------------------------------


CONFIG = ValueConfig(width=128)


def flip_of(board, side):
    """What turns squares so that a side moves up, with its king on the right half."""
    return (0 if side else 56) ^ (7 if chess.square_file(board.king(side)) < 4 else 0)


def expected_view(board, side):
    """The rows of a side's view by python-chess, from their definition."""
    flip = flip_of(board, side)
    bucket = KING_BUCKET[board.king(side) ^ flip]
    rows = []
    for square, piece in board.piece_map().items():
        number = (0 if piece.color == side else 6) + piece.piece_type - 1
        rows.append((bucket * 12 + number) * 64 + (square ^ flip))
    return sorted(rows)


def test_both_views_agree_with_python_chess():
    for board in some_boards(5, 150):
        mover, opponent = (view.tolist() for view in views_of(row_from_board(board)))
        assert sorted(mover) == expected_view(board, board.turn), board.fen()
        assert sorted(opponent) == expected_view(board, not board.turn), board.fen()
        assert max(mover + opponent) < VALUE_ROWS


# ---- integers ------------------------------------------------------------------------------------


def test_the_bound_is_reached_where_all_rows_add_up():
    """32 pieces on their worst squares."""
    _, tables = new_tables(CONFIG)
    tables.weight[:] = 0.25
    tables.bias[:] = -0.5
    assert largest_accumulator(tables, CONFIG) == pytest.approx(0.25 * 32 + 0.5)


@pytest.mark.parametrize(
    ("size", "scale"), [(0.01, FINEST_SCALE), (0.5, FINEST_SCALE), (1.5, 512), (WEIGHT_LIMIT, 256)]
)
def test_the_scale_is_the_finest_that_cannot_overflow(size, scale):
    _, tables = new_tables(CONFIG)
    tables.weight[:] = size
    largest = largest_accumulator(tables, CONFIG)
    assert sum_scale(largest, 33, COARSEST_VALUE_SCALE) == scale
    assert scale * largest < 32767
    assert scale == FINEST_SCALE or 2 * scale * largest > 32700
