"""The tree as an object: what is kept, what is forgotten, and what it may not grow beyond."""

import chess
import pytest

from engine.evaluation.material import MaterialEvaluator
from tests.unit.search.trees import engine, search_nodes


def test_what_the_evaluator_said_of_the_root_is_known_when_its_subtree_is_kept():
    board = chess.Board()
    with engine() as player:
        player.set_position(board)
        board.push(search_nodes(player, 300).best_move)
        player.set_position(board)
        search_nodes(player, 1)
        assert player._search.visits > 1
        assert player._search.own_value == pytest.approx((0.0, 0.4), abs=1e-6)


@pytest.mark.parametrize(("clock", "later"), [(0, 98), (98, 0)])
def test_the_same_position_with_another_halfmove_clock_gets_another_tree(clock, later):
    mate_in_two = "k7/8/2K5/8/8/8/8/7R w - - {} 90"
    with engine(evaluator=MaterialEvaluator()) as player:
        player.set_position(chess.Board(mate_in_two.format(clock)))
        before = search_nodes(player, 3000).infos[0]
        player.set_position(chess.Board(mate_in_two.format(later)))
        after = search_nodes(player, 3000).infos[0]
    assert (before.score_mate, after.score_mate) == ((2, None) if clock == 0 else (None, 2))
