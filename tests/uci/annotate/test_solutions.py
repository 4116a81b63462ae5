"""Solutions of puzzles go on while one move is better than all others by far."""

import chess
import pytest

from engine.evaluation.material import MaterialEvaluator
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.boards import moves_in
from tests.uci.annotate.scripted_reviews import RETI, read
from uci.annotate.review import review_game
from uci.annotate.solutions import LONGEST_SOLUTION, Candidate, solution

START = chess.Board()


def look(script):
    """Find in each position, by the moves that led there, the lines and chances of a script."""

    def find(board):
        played = " ".join(move.uci() for move in board.move_stack)
        return [Candidate(moves_in(text), chances) for text, chances in script[played]]

    return find


MOVES = "e2e4 e7e5 g1f3 b8c6 f1b5"
GOES_ON = {
    "e2e4 e7e5": [("g1f3 b8c6", 0.8), ("b1c3", 0.65)],
    "e2e4 e7e5 g1f3 b8c6": [("f1b5", 0.9), ("f1c4", 0.7)],
}


def test_a_solution_goes_on_while_one_move_is_much_better():
    """Of one's own mistakes, each had one move."""
    assert solution(START, moves_in("e2e4 e7e5"), look(GOES_ON)) == tuple(moves_in(MOVES))


@pytest.mark.parametrize(("best", "second"), [(0.8, 0.66), (0.29, 0.0)])
def test_a_solution_ends_where_another_move_is_good_or_nothing_is_kept(best, second):
    script = GOES_ON | {"e2e4 e7e5 g1f3 b8c6": [("f1b5", best), ("f1c4", second)]}
    assert solution(START, moves_in("e2e4 e7e5"), look(script)) == tuple(moves_in("e2e4 e7e5 g1f3"))


def test_a_solution_ends_with_the_game():
    board = chess.Board("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1")
    assert solution(board, moves_in("a1a8"), look({})) == tuple(moves_in("a1a8"))
    stalemate = chess.Board("7k/8/5K2/8/8/8/8/5Q1r w - - 0 1")
    assert len(solution(stalemate, moves_in("f1h1"), look({}))) == 1


def test_a_solution_has_an_end():
    endless = chess.Board("7k/8/8/8/8/8/8/KR6 w - - 0 1")
    out, back = moves_in("a1a2 h8g8"), moves_in("a2a1 g8h8")

    def shuffle(board):
        return [Candidate(out if board.piece_at(chess.A1) else back, 0.9)]

    assert len(solution(endless, out, shuffle)) == LONGEST_SOLUTION


def test_a_combination_that_was_missed_is_a_puzzle_of_all_its_moves():
    text = RETI.replace("{natural}", "").replace("Qd8+", "a3").partition("Kxd8")[0]
    with Engine(
        EngineOptions(threads=1, hash_mib=16, analyse_mode=True), MaterialEvaluator()
    ) as engine:
        review = review_game(engine, read(text + "1-0"), Limits(nodes=400))
    missed = review.moves[-1]
    assert missed.solution[:3] == tuple(moves_in("d3d8 e8d8 d2g5"))
    assert len(missed.solution) == 5
