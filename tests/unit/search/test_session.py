"""The tree as an object: what is kept, what is forgotten, and what it may not grow beyond."""

import chess
import pytest

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.limits import Limits
from engine.search.tree.arrays import EDGES, NO_NODE
from engine.search.tree.params import SearchParams
from tests.unit.search.flat import FlatEvaluator, best_uci, engine, searched
from tests.unit.search.shared_trees import assert_whole


def test_what_the_evaluator_said_of_the_root_is_known_when_its_subtree_is_kept():
    board = chess.Board()
    with engine() as player:
        player.set_position(board)
        board.push(player.search(Limits(nodes=300)).best_move)
        player.set_position(board)
        player.search(Limits(nodes=1))
        assert player._search.visits > 1
        assert player._search.own_value == pytest.approx((0.0, 0.4), abs=1e-6)


def test_a_second_occurrence_in_the_path_is_a_draw_for_this_visit_and_no_node():
    board = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    search = searched(
        board.fen(), 15_000, SearchParams(needs_planes=False), evaluator=FlatEvaluator()
    )
    edges = search.tree.edges[: search.tree.counters[EDGES]]
    assert ((edges["passes"] > 0) & (edges["child"] == NO_NODE)).any()
    for _ in range(2):
        board.push(chess.Move.from_uci(best_uci(search, board)))
        assert search.set_position(stack_from_board(board))
        search.finish_making_room()
        assert_whole(search, adds_up=False)


@pytest.mark.parametrize(("clock", "later"), [(0, 98), (98, 0)])
def test_the_same_position_with_another_halfmove_clock_gets_another_tree(clock, later):
    mate_in_two = "k7/8/2K5/8/8/8/8/7R w - - {} 90"
    with engine(evaluator=MaterialEvaluator()) as player:
        player.set_position(chess.Board(mate_in_two.format(clock)))
        before = player.search(Limits(nodes=3000)).infos[0]
        player.set_position(chess.Board(mate_in_two.format(later)))
        after = player.search(Limits(nodes=3000)).infos[0]
    assert (before.score_mate, after.score_mate) == ((2, None) if clock == 0 else (None, 2))
