"""The Fool's Mate: the first engine of this lineage lost to it in four moves. No evaluator may lose to it.

`test_safety` has evaluators that love the blunder.
"""

import pytest

from tests.boards import board_after

NODES = (100, 400, 1600)
BLUNDERS = (("f3 e5", "g4"), ("g4 e5", "f3"))


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize(("moves", "blunder"), BLUNDERS)
def test_white_never_lets_the_fools_mate_happen(search, seen, moves, blunder, nodes):
    board = board_after(moves)
    board, refused = seen(board, board.parse_san(blunder))
    assert search(board, nodes).best_move != refused


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("moves", ["f3 e5 g4", "g4 e5 f3"])
def test_black_gives_the_fools_mate(search, seen, moves, nodes):
    board = board_after(moves)
    board, mate = seen(board, board.parse_san("Qh4#"))
    assert search(board, nodes).best_move == mate
