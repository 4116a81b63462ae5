"""Draws by repetition: what the game's history decides is asked on every walk, also through nodes
that a kept tree already has.
"""

from dataclasses import replace

import chess
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import stack_from_board
from engine.options import EngineOptions
from engine.search.report import outline
from engine.search.tree.arrays import NO_NODE
from tests.boards import board_after
from tests.unit.search.trees import alone, assert_whole, search_nodes, searched

OPTIONS = EngineOptions(evaluator="material", threads=1, hash_mib=8)


def test_one_repetition_of_the_root_is_no_draw():
    """The knight's check and the way back counted as a draw: +0.05 for a move that is worth +2.4."""
    with alone("5r1k/6n1/B1b4N/8/8/8/P4P2/1K5R w - - 0 1", "material") as engine:
        children = search_nodes(engine, 8000).children
    (check,) = (child for child in children if child.move.uci() == "h6f7")
    assert check.score_cp > 100


KINGS = "7k/8/8/8/8/p7/P7/KR6 w - - 0 1"
ROUND = "b1c1 h8h7 c1b1 h7h8 b1c1 h8h7"  # The rook's step back makes a position the second time.
BACK = 55 | 63 << 6  # h7h8


@pytest.mark.parametrize("threads", [1, 4])
def test_a_kept_tree_takes_on_what_the_game_repeats_before_its_next_visit(threads):
    board = board_after(ROUND, KINGS)
    with Engine(replace(OPTIONS, threads=threads)) as engine:
        for _ in range(2):
            engine.set_position(board)
            search_nodes(engine, 3000)
            if board.ply() == 6:
                board.push_uci("c1b1")
        search = engine._search
        kept = search.kept_visits
        root = search.root()
        (index,) = np.flatnonzero(root.moves == BACK)
    assert kept > 10
    assert (root.q[index], root.draws[index]) == (0.0, 1.0)
    assert_whole(search, adds_up=False)


def test_a_second_occurrence_counts_no_more_once_the_root_has_moved_past_it():
    """Its edges kept zeros that no visit of the new search had found."""
    search = searched("7k/8/8/8/8/8/8/KR6 w - - 0 1", 6000)
    board = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    seen = 0
    for _ in range(6):
        tree = search.tree
        edges = search.edges()
        alone = tree.passes[edges][tree.child[edges] == NO_NODE]
        seen += len(alone)
        assert not alone.any()
        index = int(search.root().visits.argmax())
        code = int(search.root().moves[index])
        move = chess.Move(code & 63, code >> 6 & 63)
        board.push(move)
        if not search.set_position(stack_from_board(board)):
            break
        search.finish_making_room()
        assert_whole(search, adds_up=False)
    assert seen > 0


def test_the_branches_of_a_tree_end_at_draws_by_repetition():
    search = searched("7k/8/8/8/8/8/8/KR6 w - - 0 1", 4000)

    def walk(branches, board):
        for branch in branches:
            board.push(branch.move)
            if board.is_repetition(3):
                assert branch.replies == ()
            walk(branch.replies, board)
            board.pop()

    branches = outline(search, 1, 300)
    assert branches
    walk(branches, chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1"))
