"""The board's edges and corners: conversion, endings, repetitions, text, and boards that no kernel may see."""

import chess
import numpy as np
import pytest

from engine.board import attacks, ending
from engine.board.convert import board_from_row, decode_move, encode_move, row_from_board, stack_from_board
from engine.board.layout import BLACK, KEY, MAX_MOVES, PAWN, REPETITIONS, WHITE
from engine.board.movegen import generate
from engine.board.zobrist import compute_key
from engine.errors import FenError, MoveError
from tests.boards import board_after
from tests.unit.board.board_positions import ODD_FENS


def number_of_moves(row: np.ndarray) -> int:
    return generate(row, np.empty(MAX_MOVES, np.uint16))


# ---- rows and stacks ---------------------------------------------------------------------------------------------


def test_stack_counts_repetitions_over_the_whole_game():
    board = board_after(["g1f3", "g8f6", "f3g1", "f6g8"] * 2 + ["e2e4"])
    stack = stack_from_board(board)
    assert list(stack[:, REPETITIONS]) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 0]
    assert board_from_row(stack[-1]).fen(en_passant="fen") == board.fen(en_passant="fen")


def test_a_lost_castling_right_makes_another_position():
    board = board_after(["h1g1", "a8b8", "g1h1", "b8a8"] * 2, "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    assert list(stack_from_board(board)[:, REPETITIONS]) == [0, 0, 0, 0, 0, 0, 1, 1, 1]


def test_null_moves_are_taken_along():
    board = board_after("e4")
    board.push(chess.Move.null())
    board.push_san("d4")
    stack = stack_from_board(board)
    assert stack[-1].tolist() == row_from_board(board).tolist()
    assert compute_key(stack[2]) == stack[2, KEY]


@pytest.mark.parametrize(
    "fen",
    [
        "8/8/8/8/8/8/8/8 w - - 0 1",
        "4k3/8/8/8/8/8/8/8 w - - 0 1",
        "4k3/8/8/8/8/8/4R3/4K3 w - - 0 1",
        "P3k3/8/8/8/8/8/8/4K3 w - - 0 1",
        "QQQQQQQQ/QQQQQQQ1/8/8/8/8/k7/2K5 w - - 0 1",  # 14 queens have more moves than a list holds
    ],
)
def test_boards_that_no_kernel_may_see_are_refused(fen):
    with pytest.raises(FenError) as caught:
        stack_from_board(chess.Board(fen))
    assert caught.value.field in ("placement", "side")


# ---- moves and their text ----------------------------------------------------------------------------------------


def test_castling_is_king_takes_rook_in_either_notation():
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    for short, long in (("e1g1", "e1h1"), ("e1c1", "e1a1")):
        codes = {encode_move(board, chess.Move.from_uci(text)) for text in (short, long)}
        assert codes == {chess.E1 | chess.parse_square(long[2:]) << 6}
        assert decode_move(row_from_board(board), codes.pop()).uci() == short


@pytest.mark.parametrize("text", ["0000", "N@e4", "a5c5"])
def test_moves_without_a_code_are_refused(text):
    with pytest.raises(MoveError, match=text):
        encode_move(chess.Board("8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1"), chess.Move.from_uci(text))


# ---- endings -----------------------------------------------------------------------------------------------------


def ending_of(board: chess.Board) -> int:
    row = stack_from_board(board)[-1]
    return ending.game_end(row, number_of_moves(row))


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        (chess.STARTING_FEN, ending.ONGOING),
        ("7k/5KQ1/8/8/8/8/8/8 b - - 150 100", ending.CHECKMATE),  # mate comes before every count
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 150 100", ending.STALEMATE),
        ("8/8/4k3/8/8/3KN3/8/8 w - - 150 100", ending.INSUFFICIENT_MATERIAL),
        ("7k/8/6K1/8/8/8/8/R7 b - - 149 100", ending.FIFTY_MOVES),
        ("7k/8/6K1/8/8/8/8/R7 b - - 150 100", ending.SEVENTY_FIVE_MOVES),
        ("7k/8/6K1/8/8/8/8/R7 b - - 99 100", ending.ONGOING),
        ("7k/8/6K1/8/8/8/8/R7 b - - 100 100", ending.FIFTY_MOVES),
    ],
)
def test_endings_of_single_positions(fen, expected):
    assert ending_of(chess.Board(fen)) == expected


def test_repetitions_end_the_game_at_five_and_let_a_player_claim_at_three():
    board, endings = chess.Board(), []
    for text in ["g1f3", "g8f6", "f3g1", "f6g8"] * 4:
        board.push_uci(text)
        endings.append(ending_of(board))
    assert endings[:7] == [ending.ONGOING] * 7
    assert endings[7:15] == [ending.THREEFOLD_REPETITION] * 8
    assert endings[15] == ending.FIVEFOLD_REPETITION


@pytest.mark.parametrize(
    ("placement", "insufficient"),
    [
        ("8/8/4k3/8/8/3K4/8/8", True),
        ("8/8/4k3/8/8/3KN3/8/8", True),
        ("8/8/4k3/5n2/8/3KN3/8/8", False),
        ("8/5b2/4k3/8/8/3KB3/8/8", False),  # bishops of two colours
        ("8/5b2/4k3/8/8/3K1B2/8/8", True),  # of one
        ("8/5b2/4k3/8/5B2/3K1B2/8/8", False),
        ("8/8/4k3/8/8/3KNN2/8/8", False),
        ("8/8/4k3/4q3/8/3KN3/8/8", False),
        ("8/8/4k3/4p3/8/3K4/8/8", False),
        ("8/8/4k3/4b3/8/3KN3/8/8", False),
    ],
)
def test_insufficient_material_of_bare_endings(placement, insufficient):
    board = chess.Board(placement + " w - - 0 1")
    assert board.is_insufficient_material() == insufficient
    assert ending.insufficient_material(row_from_board(board)) == insufficient


# ---- attacks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fen", ODD_FENS)
def test_attacks_of_every_square(fen):
    board = chess.Board(fen)
    row = row_from_board(board)
    occupied = row[WHITE] | row[BLACK]
    for square in chess.SQUARES:
        piece = board.piece_type_at(square)
        assert attacks.piece_at(row, square) == (piece - 1 if piece else -1)
        for side, color in enumerate((chess.WHITE, chess.BLACK)):
            assert attacks.attackers(row, square, occupied, side) == board.attackers_mask(color, square)
            assert attacks.is_attacked(row, square, occupied, side) == board.is_attacked_by(color, square)


@pytest.mark.parametrize("fen", ODD_FENS)
def test_attack_sets_of_a_side_are_those_of_its_pieces(fen):
    board = chess.Board(fen, chess960=True)
    row = row_from_board(board)
    for side, color in ((0, chess.WHITE), (1, chess.BLACK)):
        sets = np.zeros(attacks.ATTACK_WORDS, np.uint64)
        attacks.write_attacks(row, side, sets)
        reach = [(piece.piece_type, int(board.attacks(square))) for square, piece in board.piece_map().items()
                 if piece.color == color]  # fmt: skip
        words = {
            attacks.BY_PAWN: [chess.PAWN], attacks.BY_MINOR: [chess.KNIGHT, chess.BISHOP],
            attacks.BY_ROOK: [chess.ROOK], attacks.BY_QUEEN: [chess.QUEEN], attacks.BY_KING: [chess.KING],
            attacks.BY_ANY: list(chess.PIECE_TYPES),
        }  # fmt: skip
        for word, kinds in words.items():
            assert int(sets[word]) == union(targets for kind, targets in reach if kind in kinds), (word, fen)
        # A queen on the same line as a rook is two attackers; two pawns count as two as well.
        by_pawn = [int(board.attacks(square)) for square in board.pieces(chess.PAWN, color)]
        others = [targets for kind, targets in reach if kind != chess.PAWN]
        twice = [square for square in range(64) if sum(targets >> square & 1 for targets in by_pawn + others) > 1]
        assert int(sets[attacks.BY_TWO]) == sum(1 << square for square in twice), fen
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
            assert (int(squares) >> square & 1) == (king in twin.attacks(square)), (fen, kind, square)


@pytest.mark.parametrize("kind", [chess.KNIGHT, chess.BISHOP, chess.ROOK, chess.QUEEN])
def test_a_piece_reaches_what_python_chess_says(kind):
    board = chess.Board(ODD_FENS[0], chess960=True)
    for square in range(64):
        twin = board.copy(stack=False)
        twin.set_piece_at(square, chess.Piece(kind, chess.WHITE))
        reach = attacks.piece_attacks(kind - 1, square, np.uint64(twin.occupied))
        assert int(reach) == int(twin.attacks(square))


def union(sets) -> int:
    whole = 0
    for targets in sets:
        whole |= targets
    return whole
