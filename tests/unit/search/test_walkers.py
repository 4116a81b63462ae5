"""Several threads that visit one tree: it is whole whenever they stand still."""

import chess
import pytest

from engine.board.convert import encode_move
from engine.search.tree.arrays import LOSS, UNKNOWN_DISTANCE
from tests.unit.search.trees import (
    POSITIONS,
    Tables,
    assert_whole,
    searched,
    tree_fingerprint,
    wander,
)


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_the_node_limit_is_kept_to_the_visit(threads):
    search = searched(POSITIONS[1], 3000, threads=threads)
    assert search.visits == 3000
    assert search.root().visits.sum() == 2999
    assert_whole(search)


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("fen", POSITIONS[:9])
def test_trees_are_whole_whatever_ends_their_lines(fen, threads):
    assert_whole(searched(fen, 3000, threads=threads))


@pytest.mark.parametrize(
    ("threads", "visits"),
    [(2, 20_000), (16, 20_000), pytest.param(64, 200_000, marks=pytest.mark.slow)],
)
def test_any_order_of_searches_leaves_whole_trees(threads, visits):
    assert wander(threads, visits) >= visits


# The search knows nothing of these without tables.
PAWN_AND_KNIGHT = "8/8/8/3k4/8/3KP3/8/7n w - - 0 1"


@pytest.mark.parametrize(
    ("fen", "tables"), [(PAWN_AND_KNIGHT, Tables()), (POSITIONS[1], Tables(0))]
)
def test_tables_that_know_nothing_or_are_not_asked_for_too_many_pieces_leave_no_trace(fen, tables):
    with_tables = searched(fen, 3000, tables=tables)
    assert tables.asked > 100 if fen == PAWN_AND_KNIGHT else tables.asked == 0
    assert tree_fingerprint(with_tables) == tree_fingerprint(searched(fen, 3000))


@pytest.mark.parametrize("threads", [1, 4])
def test_what_tables_know_is_certain(threads):
    search = searched(PAWN_AND_KNIGHT, 3000, threads=threads, tables=Tables(2))
    pushed = (
        search.root()
        .moves.tolist()
        .index(encode_move(chess.Board(PAWN_AND_KNIGHT), chess.Move.from_uci("e3e4")))
    )
    assert search.root().proven[pushed] == LOSS
    assert search.root().mate_plies[pushed] == UNKNOWN_DISTANCE
    assert_whole(search)
