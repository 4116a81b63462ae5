"""Scores of a match's game are White's, whoever began."""

import chess
import pytest

from selfplay.matches.match_game import MatchGame, Thought

BLACK_TO_MOVE = "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq - 0 1"


def game(start_fen, moves, scores):
    thoughts = [Thought(1, score, None, None) for score in scores]
    return MatchGame(
        start_fen, [chess.Move.from_uci(move) for move in moves.split()], thoughts=thoughts
    )


# Each score is its mover's; one is not reported.
@pytest.mark.parametrize(
    ("start_fen", "moves", "white_scores"),
    [
        (chess.STARTING_FEN, "e2e4 e7e5 g1f3", [10, -20, 30]),
        (
            chess.STARTING_FEN,
            "c2c4 e2e4 e7e5 g1f3",
            [-10, 20, -30],
        ),  # behind one move of an opening
        (BLACK_TO_MOVE, "e7e5 g1f3 b8c6", [-10, 20, -30]),
        (BLACK_TO_MOVE, "c7c5 e7e5 g1f3 b8c6", [10, -20, 30]),
    ],
)
def test_scores_are_whites(start_fen, moves, white_scores):
    assert game(start_fen, moves, [10, 20, 30]).white_scores() == white_scores


def test_a_move_without_a_score_keeps_its_place():
    assert game(BLACK_TO_MOVE, "e7e5 g1f3 b8c6", [10, None, 30]).white_scores() == [-10, None, -30]
