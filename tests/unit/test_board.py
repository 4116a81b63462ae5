"""The board against python-chess: move sets, checks, keys, draws and exchanges over random play and odd positions."""

from __future__ import annotations

import random

import chess
import numpy as np
import pytest

from engine.board.attacks import in_check
from engine.board.convert import board_from_row, decode_move, encode_move, parse_fen, row_from_board, stack_from_board
from engine.board.draws import insufficient_material
from engine.board.layout import KEY, MAX_MOVES, PLY, REPETITIONS, empty_stack
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.board.see import see
from engine.board.zobrist import compute_key
from engine.errors import FenError

ODD_POSITIONS = [
    "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1",  # 218 legal moves
    "8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1",  # en passant pinned along the rank
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
    "r3k2r/8/8/8/8/8/6p1/R3K2R b KQkq - 0 1",  # promotion captures a castling rook
    "4k3/8/8/2pP4/8/8/8/4K2b w - c6 0 1",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    "8/P1k5/K7/8/8/8/8/8 w - - 0 1",
]


def random_boards(seed: int, games: int, chess960: bool = False):
    """Boards met in random play, from the start, Chess960 starts and the odd positions."""
    rng = random.Random(seed)
    for game in range(games):
        if chess960:
            board = chess.Board.from_chess960_pos(rng.randrange(960))
        elif game % 2:
            board = chess.Board(rng.choice(ODD_POSITIONS))
        else:
            board = chess.Board()
        while not board.is_game_over(claim_draw=False) and len(board.move_stack) < 120:
            yield board
            board.push(rng.choice(list(board.legal_moves)))
        yield board


def generated(row: np.ndarray, chess960: bool) -> list[chess.Move]:
    moves = np.empty(MAX_MOVES, np.uint16)
    return [decode_move(row, int(move), chess960) for move in moves[: generate(row, moves)]]


def transposition_key(board: chess.Board):
    return board._transposition_key()


@pytest.mark.parametrize("chess960", [False, True])
def test_moves_checks_and_insufficient_material_equal_python_chess(chess960):
    for board in random_boards(seed=1 + chess960, games=60, chess960=chess960):
        row = row_from_board(board)
        ours = generated(row, chess960)
        assert len(ours) == len(set(ours)), board.fen()
        assert set(ours) == set(board.legal_moves), board.fen()
        assert in_check(row) == board.is_check(), board.fen()
        assert insufficient_material(row) == board.is_insufficient_material(), board.fen()


@pytest.mark.parametrize("chess960", [False, True])
def test_made_rows_equal_converted_rows_and_keys_equal_transpositions(chess960):
    key_of: dict = {}
    for board in random_boards(seed=3 + chess960, games=40, chess960=chess960):
        row = row_from_board(board)
        assert key_of.setdefault(transposition_key(board), int(row[KEY])) == int(row[KEY])
        after = np.empty_like(row)
        for move in board.legal_moves:
            make(row, encode_move(board, move), after)
            board.push(move)
            expected = row_from_board(board)
            expected[PLY] = 1
            assert np.array_equal(after, expected), (board.fen(), move)
            assert compute_key(after) == after[KEY]
            board.pop()
    assert len(set(key_of.values())) == len(key_of), "two positions share a key"


def test_stack_counts_repetitions_and_rows_round_trip():
    board = chess.Board()
    for text in ["g1f3", "g8f6", "f3g1", "f6g8"] * 2 + ["e2e4"]:
        board.push_uci(text)
    stack = stack_from_board(board)
    assert list(stack[:, REPETITIONS]) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 0]
    assert board_from_row(stack[-1]).fen(en_passant="legal") == board.fen(en_passant="legal")


def test_insufficient_material_of_bare_endings():
    for fen in ["8/8/4k3/8/8/3K4/8/8", "8/8/4k3/8/8/3KN3/8/8", "8/8/4k3/5n2/8/3KN3/8/8", "8/5b2/4k3/8/8/3KB3/8/8",
                "8/5b2/4k3/8/8/3K1B2/8/8", "8/8/4k3/8/8/3KNN2/8/8", "8/8/4k3/4q3/8/3KN3/8/8"]:
        board = chess.Board(fen + " w - - 0 1")
        assert insufficient_material(row_from_board(board)) == board.is_insufficient_material(), fen


# ---- static exchange evaluation ------------------------------------------------------------------------------------

VALUES = {chess.PAWN: 100, chess.KNIGHT: 320, chess.BISHOP: 330, chess.ROOK: 500, chess.QUEEN: 950, chess.KING: 20000}


def plain_see(board: chess.Board, move: chess.Move) -> int:
    """The stated rules in plain Python: pins ignored, least attacker takes, a king only takes what is undefended."""
    if board.is_castling(move):
        return 0
    board = board.copy(stack=False)
    target, mover = move.to_square, board.turn
    captured = board.piece_type_at(target)
    gain = VALUES[captured] if captured else 0
    if board.is_en_passant(move):
        gain = VALUES[chess.PAWN]
        board.remove_piece_at(target + (-8 if mover else 8))
    piece = move.promotion or board.piece_type_at(move.from_square)
    if move.promotion:
        gain += VALUES[move.promotion] - VALUES[chess.PAWN]
    board.remove_piece_at(move.from_square)
    board.set_piece_at(target, chess.Piece(piece, mover))

    def recapture(side: bool, on_square: int) -> int:
        attackers = sorted(board.attackers(side, target), key=lambda s: (board.piece_type_at(s), s))
        if not attackers:
            return 0
        source = attackers[0]
        kind = board.piece_type_at(source)
        board.remove_piece_at(source)
        board.set_piece_at(target, chess.Piece(kind, side))
        if kind == chess.KING and board.attackers(not side, target):
            return 0
        return max(0, on_square - recapture(not side, VALUES[kind]))

    return gain - recapture(not mover, VALUES[piece])


def test_see_equals_a_plain_recursive_exchange():
    compared = 0
    for board in random_boards(seed=9, games=30):
        row = row_from_board(board)
        for move in board.legal_moves:
            if board.is_capture(move) or move.promotion:
                assert see(row, np.uint16(encode_move(board, move))) == plain_see(board, move), (board.fen(), move)
                compared += 1
    assert compared > 1000


# ---- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fen",
    ["", "junk", "8/8/8/8/8/8/8/8 w - - 0 1", "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR x KQkq - 0 1",
     "4k3/8/8/8/8/8/4R3/4K3 w - - 0 1", "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBN w KQkq - 0 1",
     "P3k3/8/8/8/8/8/8/4K3 w - - 0 1"],
)
def test_bad_fen_is_refused_with_its_text(fen):
    with pytest.raises(FenError, match="FEN|playable"):
        parse_fen(fen)


def test_218_moves_fit():
    row = row_from_board(chess.Board(ODD_POSITIONS[0]))
    assert generate(row, np.empty(MAX_MOVES, np.uint16)) == 218
    assert empty_stack(3).shape == (3, 16)
