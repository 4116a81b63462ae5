"""The rows of a game that grows are those of the whole game."""

import chess
import numpy as np

from engine.board.convert import GameRows, stack_from_board


def test_a_game_that_grows_or_changes_has_the_rows_of_its_board() -> None:
    rows, board = GameRows(), chess.Board()
    for move in "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6 e1g1 g8f6".split():
        board.push_uci(move)
        assert np.array_equal(rows.of(board), stack_from_board(board))
    board.pop()
    board.push_uci("d7d6")
    others = [board, chess.Board(), chess.Board.from_chess960_pos(7), chess.Board(chess960=True)]
    for other in others:
        assert np.array_equal(rows.of(other), stack_from_board(other))
    rows.of(board)[:] = 0
    assert np.array_equal(rows.of(board), stack_from_board(board)), "what was given away is changed by others"
    board.push(chess.Move.null())
    assert np.array_equal(rows.of(board), stack_from_board(board))
