"""The value trunk: what both views see against python-chess, its sizes, and how its rows fit integers."""

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.board.layout import SIDE
from engine.errors import ConfigError
from engine.network.policy.model import SparseNetwork
from engine.network.policy.parameters import SparseConfig, sparse_config_of
from engine.network.rows.flat_tables import new_tables
from engine.network.rows.quantization import FINEST_SCALE, sum_scale
from engine.network.value.features import KING_BUCKET, KING_BUCKETS, MAX_VIEW, write_view_of
from engine.network.value.parameters import (
    COARSEST_VALUE_SCALE,
    VALUE_ROWS,
    WEIGHT_LIMIT,
    ValueConfig,
    largest_accumulator,
)
from tests.unit.board.board_positions import some_boards

CONFIG = ValueConfig(width=128)


def views_of(board: chess.Board) -> tuple[list[int], list[int]]:
    """Rows of the mover's view and of the other's."""
    row, found = row_from_board(board), []
    for side in (int(row[SIDE]), 1 - int(row[SIDE])):
        features = np.zeros(MAX_VIEW, np.int16)
        count = write_view_of(row, side, features)
        found.append(features[:count].tolist())
    return found[0], found[1]


def expected_view(board: chess.Board, side: chess.Color) -> list[int]:
    """The rows of a side's view by python-chess, from their definition."""
    king = board.king(side)
    assert king is not None
    flip = (0 if side else 56) ^ (7 if chess.square_file(king) < 4 else 0)
    bucket = KING_BUCKET[king ^ flip]
    found = []
    for square, piece in board.piece_map().items():
        number = (0 if piece.color == side else 6) + piece.piece_type - 1
        found.append((bucket * 12 + number) * 64 + (square ^ flip))
    return sorted(found)


def test_both_views_agree_with_python_chess() -> None:
    for board in some_boards(5, 150):
        mover, other = views_of(board)
        assert sorted(mover) == expected_view(board, board.turn), board.fen()
        assert sorted(other) == expected_view(board, not board.turn), board.fen()
        assert max(mover + other) < VALUE_ROWS


def test_every_king_bucket_has_a_square() -> None:
    seen = {int(KING_BUCKET[square]) for square in range(64) if square & 7 >= 4}
    assert seen == set(range(KING_BUCKETS))


@pytest.mark.parametrize("text", ["sparse-128+v128", "sparse-256+v512", "sparse-768"])
def test_names_and_layers_tell_the_sizes(text: str) -> None:
    config = SparseConfig.parse(text)
    assert str(config) == text
    if config.width < 512:
        assert sparse_config_of(SparseNetwork(config, np.random.default_rng(1)).config()) == config


@pytest.mark.parametrize(
    "text",
    [
        *["sparse", "sparse-100", "sparse-0", "768", "sparse-99999"],
        *["sparse-768+", "sparse-768+256", "sparse-768+v100", "sparse-768+v256k8"],
    ],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"value trunk|a width|sparse"):
        SparseConfig.parse(text)


# ---- integers -----------------------------------------------------------------------------------------------------


def test_the_bound_is_reached_where_all_rows_add_up() -> None:
    """32 pieces on their worst squares."""
    _, tables = new_tables(CONFIG)
    tables.weight[:] = 0.25
    tables.bias[:] = -0.5
    assert largest_accumulator(tables, CONFIG) == pytest.approx(0.25 * 32 + 0.5)


@pytest.mark.parametrize(
    ("size", "scale"), [(0.01, FINEST_SCALE), (0.5, FINEST_SCALE), (1.5, 512), (WEIGHT_LIMIT, 256)]
)
def test_the_scale_is_the_finest_that_cannot_overflow(size: float, scale: int) -> None:
    _, tables = new_tables(CONFIG)
    tables.weight[:] = size
    largest = largest_accumulator(tables, CONFIG)
    assert sum_scale(largest, 33, COARSEST_VALUE_SCALE) == scale
    assert scale * largest < 32767
    assert scale == FINEST_SCALE or 2 * scale * largest > 32700
