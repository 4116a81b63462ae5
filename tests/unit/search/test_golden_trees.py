"""Trees of whole searches, which a change that is not meant to alter the search leaves as they are."""

import chess
import pytest

from engine.board.convert import encode_move, stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.params import SearchParams
from engine.search.run import Runner, Walkers
from engine.search.session import Search
from engine.search.tree import new_tree

pytestmark = pytest.mark.plain


# The root's five most visited moves after 400 visits with the evaluator `material`. A change that is not meant to alter
# the search leaves them as they are.
GOLDEN = {
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1": {
        "g1f3": 94,
        "e2e4": 89,
        "b1c3": 67,
        "d2d4": 29,
        "d2d3": 22,
    },
    "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7": {
        "c3a4": 251,
        "c1e3": 26,
        "c1d2": 22,
        "c1g5": 9,
        "c3d5": 8,
    },
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": {"b4f4": 262, "b4c4": 90, "a5a4": 6, "a5a6": 5, "e2e3": 5},
}


def favourites(fen: str) -> dict[str, int]:
    board = chess.Board(fen)
    search = Search(SearchParams(needs_planes=False), new_tree(2000))
    search.set_position(stack_from_board(board))
    runner = Runner(search, Walkers(search, MaterialEvaluator(), 1))
    while search.visits < 400 and not search.is_proven:
        runner.advance(400)
    runner.finish()
    visits = {int(move): int(count) for move, count in zip(search.root().moves, search.root().visits, strict=True)}
    moves = {board.uci(move): visits[encode_move(board, move)] for move in board.legal_moves}
    return dict(sorted(moves.items(), key=lambda item: (-item[1], item[0]))[:5])


@pytest.mark.parametrize("fen", GOLDEN)
def test_golden_trees(fen):
    assert favourites(fen) == GOLDEN[fen]
