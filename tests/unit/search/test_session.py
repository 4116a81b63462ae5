"""The tree as an object: what is kept, what is forgotten, and what it may not grow beyond."""

import chess
import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import new_leaf_batch
from engine.search.limits import Limits
from engine.search.params import SearchParams
from engine.search.root import principal_variation
from engine.search.session import Search
from engine.search.tree import NODES, new_tree
from tests.unit.search.flat import FlatEvaluator, best_uci, engine
from tests.unit.search.rounds import apply_leaves, gather_leaves
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


def test_a_second_occurrence_in_the_path_is_a_draw_and_taken_back_when_the_root_passes_it():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(20000))
    board = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    leaves = new_leaf_batch(16)

    def run(visits: int) -> None:
        while tree_search.visits < visits:
            count = gather_leaves(tree_search, leaves, 16)
            FlatEvaluator().evaluate(leaves, count)
            apply_leaves(tree_search, leaves)

    tree_search.set_position(stack_from_board(board))
    run(15000)
    repeated = np.flatnonzero(tree_search.tree.state[: tree_search.tree.counters[NODES]] == 3)
    assert len(repeated) > 0
    for _ in range(2):
        board.push(chess.Move.from_uci(best_uci(tree_search, board)))
        assert tree_search.set_position(stack_from_board(board))
        tree_search.finish_making_room()
        nodes = int(tree_search.tree.counters[NODES])
        assert not (tree_search.tree.state[:nodes] == 3).any()
        assert_whole(tree_search, adds_up=False)


def test_the_played_moves_subtree_is_kept_with_its_statistics():
    with engine() as player:
        board = chess.Board()
        player.set_position(board)
        result = player.search(Limits(nodes=2000))
        board.push(result.children[0].move)
        root = player._search.root()
        reply = principal_variation(player._search.tree, root, root.order()[0])[1]
        visits = result.children[0].visits
        stack = stack_from_board(board)
        assert player._search.set_position(stack)
        player._search.finish_making_room()
        assert player._search.visits == visits
        assert reply[1] in player._search.root().moves
        assert_whole(player._search)


@pytest.mark.parametrize(("clock", "later"), [(0, 98), (98, 0)])
def test_the_same_position_with_another_halfmove_clock_gets_another_tree(clock, later):
    mate_in_two = "k7/8/2K5/8/8/8/8/7R w - - {} 90"
    with engine(evaluator=MaterialEvaluator()) as player:
        player.set_position(chess.Board(mate_in_two.format(clock)))
        before = player.search(Limits(nodes=3000)).infos[0]
        player.set_position(chess.Board(mate_in_two.format(later)))
        after = player.search(Limits(nodes=3000)).infos[0]
    assert (before.score_mate, after.score_mate) == ((2, None) if clock == 0 else (None, 2))


def test_root_noise_keeps_the_priors_a_distribution():
    tree_search = Search(SearchParams(needs_planes=False), new_tree(2000))
    tree_search.set_position(stack_from_board(chess.Board()))
    leaves = new_leaf_batch(8)
    count = gather_leaves(tree_search, leaves, 1)
    FlatEvaluator().evaluate(leaves, count)
    apply_leaves(tree_search, leaves)
    before = tree_search.root().priors
    tree_search.add_root_noise(np.random.default_rng(1), 0.25, 0.3)
    after = tree_search.root().priors
    assert after.sum() == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(before, after)
