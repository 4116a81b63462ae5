"""The edge to python-chess: positions, histories and moves in both directions, and FEN parsing."""

from __future__ import annotations

import chess
import numpy as np

from engine.board.layout import (
    BLACK,
    CASTLING,
    EN_PASSANT,
    FULLMOVE,
    HALFMOVE,
    KEY,
    KING,
    PAWN,
    REPETITIONS,
    PLY,
    SIDE,
    WHITE,
    empty_stack,
)
from engine.board.makemove import count_repetitions, push
from engine.board.zobrist import compute_key
from engine.errors import FenError, MoveError

_PROMOTIONS = {None: 0, chess.KNIGHT: 1, chess.BISHOP: 2, chess.ROOK: 3, chess.QUEEN: 4}
_PIECE_TYPES = {code: piece_type for piece_type, code in _PROMOTIONS.items()}


def parse_fen(text: str, chess960: bool = False) -> chess.Board:
    """A board from FEN (X-FEN and Shredder-FEN castling too).

    Raises FenError for text that is no FEN and for positions that cannot be played: a king missing, the side that is
    not to move in check, impossible castling rights or en passant square.
    """
    try:
        board = chess.Board(text, chess960=chess960)
    except ValueError as error:
        raise FenError(f"not a FEN: {text!r}: {error}") from error
    if board.status() != chess.STATUS_VALID:
        raise FenError(f"not a playable position: {text!r}: {board.status()!r}")
    return board


def row_from_board(board: chess.Board) -> np.ndarray:
    """A position row, uint64 [16], of the board's current position; the move stack is left aside."""
    row = empty_stack(1)[0]
    pieces = (board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    row[PAWN : KING + 1] = np.array(pieces, np.uint64)
    row[WHITE] = board.occupied_co[chess.WHITE]
    row[BLACK] = board.occupied_co[chess.BLACK]
    row[CASTLING] = board.clean_castling_rights()
    if board.has_legal_en_passant():
        row[EN_PASSANT] = 1 << board.ep_square  # type: ignore[operator]
    row[SIDE] = 0 if board.turn == chess.WHITE else 1
    row[HALFMOVE] = board.halfmove_clock
    row[FULLMOVE] = board.fullmove_number
    row[KEY] = compute_key(row)
    return row


def stack_from_board(board: chess.Board) -> np.ndarray:
    """The whole game of a board, uint64 [plies + 1, 16]: its start and a row after each move on its move stack."""
    start = board.root()
    stack = empty_stack(len(board.move_stack) + 1)
    stack[0] = row_from_board(start)
    for ply, move in enumerate(board.move_stack):
        if move:
            push(stack, ply, encode_move(start, move))
            start.push(move)
        else:
            start.push(move)
            stack[ply + 1] = row_from_board(start)
            stack[ply + 1, PLY] = ply + 1
            stack[ply + 1, REPETITIONS] = count_repetitions(stack, ply + 1)
    return stack


def board_from_row(row: np.ndarray, chess960: bool = False) -> chess.Board:
    """A board with the row's position and an empty move stack."""
    board = chess.Board(None, chess960=chess960)
    board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings = (
        int(word) for word in row[PAWN : KING + 1]
    )
    board.occupied_co[chess.WHITE] = int(row[WHITE])
    board.occupied_co[chess.BLACK] = int(row[BLACK])
    board.occupied = int(row[WHITE] | row[BLACK])
    board.castling_rights = int(row[CASTLING])
    board.ep_square = int(row[EN_PASSANT]).bit_length() - 1 if row[EN_PASSANT] else None
    board.turn = chess.BLACK if row[SIDE] else chess.WHITE
    board.halfmove_clock = int(row[HALFMOVE])
    board.fullmove_number = int(row[FULLMOVE])
    return board


def encode_move(board: chess.Board, move: chess.Move) -> int:
    """The uint16 code of a legal move of ``board``, castling in either notation as king takes rook.

    Raises MoveError for drops and null moves, which have no code.
    """
    if not move or move.drop:
        raise MoveError(f"no code for move {move.uci()!r}: expected a board move")
    target = move.to_square
    if board.is_castling(move):
        target = board._to_chess960(move).to_square
    return move.from_square | target << 6 | _PROMOTIONS[move.promotion] << 12


def decode_move(row: np.ndarray, move: int, chess960: bool = False) -> chess.Move:
    """The python-chess move of a code in the position ``row``: castling as e1g1, or e1h1 where ``chess960``."""
    source, target, promotion = move & 63, move >> 6 & 63, move >> 12
    own = int(row[WHITE + int(row[SIDE])])
    castles = own >> target & 1 and int(row[KING]) >> source & 1
    if castles and not chess960:
        target = (source & 56) + (6 if target > source else 2)
    return chess.Move(source, target, _PIECE_TYPES[promotion])
