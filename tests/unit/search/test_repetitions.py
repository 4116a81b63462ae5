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
from tests.unit.search.trees import assert_whole, search_alone, search_nodes, searched

OPTIONS = EngineOptions(evaluator="material", threads=1, hash_mib=8)
STARTS = (
    "4k3/8/8/8/3PP3/4K3/8/8 w - - 0 1",
    "6k1/5ppp/8/8/8/8/r4PPP/1R4K1 w - - 0 1",
    "7k/7p/8/8/8/8/8/KQ5q w - - 0 1",  # with a pawn: without, each game would be solved
    "r5k1/8/8/8/8/8/8/R3B1K1 b - - 0 1",
)


def earlier(board, move):
    """How often the position after a move has come up: not at all, once, or twice at least."""
    board.push(move)
    times = board.is_repetition(2) + board.is_repetition(3)
    board.pop()
    return times


def shuffle(board, rng):
    """Make a move that likes to repeat a position a second time, but not a third time."""
    times = {move: earlier(board, move) for move in board.legal_moves}
    again = [move for move in times if times[move] == 1]
    fresh = [move for move in times if times[move] < 2]
    chosen = again if again and rng.random() < 0.95 else fresh or list(times)
    board.push(chosen[rng.integers(len(chosen))])


def test_a_root_move_that_repeats_a_third_time_is_a_draw_in_a_kept_tree():
    """Only new leaves asked the rules, so a node that the tree already had kept its old value."""
    rng = np.random.default_rng(5)
    draws = 0
    with Engine(OPTIONS) as engine:
        for number in range(32):
            board = chess.Board(STARTS[number % len(STARTS)])
            engine.new_game()
            while any(board.legal_moves) and board.ply() < 20:
                engine.set_position(board)
                for child in search_nodes(engine, 100).children:
                    if earlier(board, child.move) == 2 and child.mate is None and child.visits:
                        assert (child.q, child.draw, child.pv) == (0.0, 1.0, (child.move,))
                        draws += 1
                shuffle(board, rng)
    assert draws > 15


def test_one_repetition_of_the_root_is_no_draw():
    """The knight's check and the way back counted as a draw: +0.05 for a move that is worth +2.4."""
    result = search_alone("5r1k/6n1/B1b4N/8/8/8/P4P2/1K5R w - - 0 1", 8000, "material")
    (check,) = (child for child in result.children if child.move.uci() == "h6f7")
    assert check.score_cp > 100


ROOK = "7k/8/8/8/8/8/8/KR6 w - - 0 1"
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
    search = searched(ROOK, 6000)
    board = chess.Board(ROOK)
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
    search = searched(ROOK, 4000)

    def walk(branches, board):
        for branch in branches:
            board.push(branch.move)
            if board.is_repetition(3):
                assert branch.replies == ()
            walk(branch.replies, board)
            board.pop()

    branches = outline(search, 1, 300)
    assert branches
    walk(branches, chess.Board(ROOK))
