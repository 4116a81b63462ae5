"""The board's edges and corners: conversion, endings, repetitions, text, and boards that no kernel
may see.
"""

from functools import reduce
from itertools import combinations
from operator import or_

import chess
import numpy as np
import pytest

from engine.board import attacks
from engine.board.convert import (
    GameRows,
    board_from_row,
    encode_move,
    row_from_board,
    stack_from_board,
)
from engine.board.layout import KEY, PAWN, REPETITIONS, WHITE
from engine.board.zobrist import compute_key
from engine.errors import FenError, MoveError
from tests.boards import board_after
from tests.unit.board.board_comparison import GameComparison, KeyTable
from tests.unit.board.board_positions import ODD_FENS

pytestmark = pytest.mark.plain

# ---- rows and stacks -----------------------------------------------------------------------------


def test_stack_counts_repetitions_over_the_whole_game():
    board = board_after(["g1f3", "g8f6", "f3g1", "f6g8"] * 2 + ["e2e4"])
    stack = stack_from_board(board)
    assert list(stack[:, REPETITIONS]) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 0]
    assert board_from_row(stack[-1]).fen(en_passant="fen") == board.fen(en_passant="fen")


def test_null_moves_are_taken_along():
    board = board_after("e4")
    board.push(chess.Move.null())
    board.push_san("d4")
    stack = stack_from_board(board)
    assert stack[-1].tolist() == row_from_board(board).tolist()
    assert compute_key(stack[2]) == stack[2, KEY]


# `tests/protocol/bad_positions.txt` has what else is refused in the same way.
def test_a_board_that_no_kernel_may_see_is_refused():
    with pytest.raises(FenError, match="side"):
        stack_from_board(chess.Board("4k3/8/8/8/8/8/4R3/4K3 w - - 0 1"))


def test_a_game_that_grows_or_changes_has_the_rows_of_its_board():
    rows = GameRows()
    board = chess.Board()
    for move in "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6 e1g1 g8f6".split():
        board.push_uci(move)
        assert np.array_equal(rows.of(board), stack_from_board(board))
    board.pop()
    board.push_uci("d7d6")
    boards = [board, chess.Board(), chess.Board.from_chess960_pos(7), chess.Board(chess960=True)]
    for another_board in boards:
        assert np.array_equal(rows.of(another_board), stack_from_board(another_board))
    rows.of(board)[:] = 0
    assert np.array_equal(rows.of(board), stack_from_board(board)), (
        "what was given away is changed by others"
    )
    board.push(chess.Move.null())
    assert np.array_equal(rows.of(board), stack_from_board(board))


# ---- moves and their text ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0000", "N@e4", "a5c5"])
def test_moves_without_a_code_are_refused(text):
    with pytest.raises(MoveError, match=text):
        encode_move(
            chess.Board("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1"), chess.Move.from_uci(text)
        )


# ---- endings -------------------------------------------------------------------------------------

MATES_AND_COUNTS = [
    chess.STARTING_FEN,
    "7k/5KQ1/8/8/8/8/8/8 b - - 150 100",  # mate comes before every count
    "7k/5Q2/6K1/8/8/8/8/8 b - - 150 100",
    "8/8/4k3/8/8/3KN3/8/8 w - - 150 100",
    *(f"7k/8/6K1/8/8/8/8/R7 b - - {count} 100" for count in (99, 100, 149, 150)),
]
# Also bishops of two colours, and of one.
FEW_PIECES = """
8/8/4k3/8/8/3K4/8/8 8/8/4k3/8/8/3KN3/8/8 8/8/4k3/5n2/8/3KN3/8/8 8/8/4k3/8/8/3KNN2/8/8
8/5b2/4k3/8/8/3KB3/8/8 8/5b2/4k3/8/8/3K1B2/8/8 8/5b2/4k3/8/5B2/3K1B2/8/8
8/8/4k3/4q3/8/3KN3/8/8 8/8/4k3/4p3/8/3K4/8/8 8/8/4k3/4b3/8/3KN3/8/8
"""


@pytest.mark.parametrize(
    "fen", [*MATES_AND_COUNTS, *(f"{placement} w - - 0 1" for placement in FEW_PIECES.split())]
)
def test_endings_are_those_of_python_chess(fen):
    GameComparison(chess.Board(fen), 0, KeyTable()).check()


@pytest.mark.parametrize(
    ("fen", "moves"),
    [
        (chess.STARTING_FEN, "g1f3 g8f6 f3g1 f6g8 " * 4),
        # castling rights lost on the way
        ("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", "h1g1 a8b8 g1h1 b8a8 " * 2),
    ],
)
def test_repetitions_are_those_of_python_chess(fen, moves):
    game = GameComparison(chess.Board(fen), 16, KeyTable())
    for move in moves.split():
        game.check()
        game.play(chess.Move.from_uci(move))
    game.check()


# ---- attacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fen", ODD_FENS)
def test_attack_sets_of_a_side_are_those_of_its_pieces(fen):
    board = chess.Board(fen, chess960=True)
    row = row_from_board(board)
    for side, color in ((0, chess.WHITE), (1, chess.BLACK)):
        sets = np.zeros(8, np.uint64)
        attacks.write_attacks(row, side, sets)
        reach = [(piece.piece_type, int(board.attacks(square))) for square, piece in board.piece_map().items()
                 if piece.color == color]  # fmt: skip
        words = {
            attacks.BY_PAWN: [chess.PAWN], attacks.BY_MINOR: [chess.KNIGHT, chess.BISHOP],
            attacks.BY_ROOK: [chess.ROOK], attacks.BY_QUEEN: [chess.QUEEN], attacks.BY_KING: [chess.KING],
            attacks.BY_ANY: list(chess.PIECE_TYPES),
        }  # fmt: skip
        for word, kinds in words.items():
            assert int(sets[word]) == union(targets for kind, targets in reach if kind in kinds)
        # A queen on the same line as a rook is two attackers; two pawns count as two as well.
        by_pawn = [int(board.attacks(square)) for square in board.pieces(chess.PAWN, color)]
        by_pieces = [targets for kind, targets in reach if kind != chess.PAWN]
        pairs = combinations(by_pawn + by_pieces, 2)
        assert int(sets[attacks.BY_TWO]) == union(first & second for first, second in pairs)
        assert int(attacks.pawn_attack_set(row[PAWN] & row[WHITE + side], side)) == union(by_pawn)


@pytest.mark.parametrize("fen", ODD_FENS)
def test_checking_squares_are_those_from_which_a_piece_attacks_the_king(fen):
    board = chess.Board(fen, chess960=True)
    row = row_from_board(board)
    king = board.king(not board.turn)
    kinds = chess.PAWN, chess.KNIGHT, chess.BISHOP, chess.ROOK
    for kind, squares in zip(kinds, attacks.check_squares(row), strict=True):
        for square in set(range(64)) - {king}:
            twin = board.copy(stack=False)
            twin.set_piece_at(square, chess.Piece(kind, board.turn))
            assert (int(squares) >> square & 1) == (king in twin.attacks(square)), square


def union(sets):
    return reduce(or_, sets, 0)
