"""Converts positions, histories and moves to and from python-chess.

Text goes through `chess.Board` too: its `parse_uci`, `parse_san`, `san` and `fen` read and write
what people see.
"""

from collections.abc import Iterable, Iterator

import chess
import numpy as np

from engine.board.fen import check_playable, why_not_passed
from engine.board.layout import (
    BLACK,
    CASTLING,
    CASTLING_FLAG,
    DOUBLE_PUSH,
    EN_PASSANT,
    FULLMOVE,
    HALFMOVE,
    KEY,
    KING,
    PAWN,
    REPETITIONS,
    ROW_WORDS,
    SIDE,
    WHITE,
    empty_stack,
)
from engine.board.makemove import count_repetitions, push
from engine.board.movegen import castling_squares
from engine.board.zobrist import compute_key
from engine.errors import MoveError

_PROMOTIONS = {None: 0, chess.KNIGHT: 1, chess.BISHOP: 2, chess.ROOK: 3, chess.QUEEN: 4}
_PIECE_TYPES = {code: piece_type for piece_type, code in _PROMOTIONS.items()}


def row_from_board(board: chess.Board) -> np.ndarray:
    """Return the row, uint64 [16], of the board's current position; the move stack is ignored.

    Raises FenError for boards that cannot be played, as `parse_fen` does.
    """
    check_playable(board)
    row = empty_stack(1)[0]
    pieces = (board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    row[PAWN : KING + 1] = np.array(pieces, np.uint64)
    row[WHITE] = board.occupied_co[chess.WHITE]
    row[BLACK] = board.occupied_co[chess.BLACK]
    row[CASTLING] = board.clean_castling_rights()
    if board.ep_square is not None and not why_not_passed(board, board.ep_square):
        row[DOUBLE_PUSH] = 1 << board.ep_square
        if board.has_legal_en_passant():
            row[EN_PASSANT] = row[DOUBLE_PUSH]
    row[SIDE] = chess.COLORS.index(board.turn)
    row[HALFMOVE] = board.halfmove_clock
    row[FULLMOVE] = board.fullmove_number
    row[KEY] = compute_key(row)
    return row


def stack_from_board(board: chess.Board) -> np.ndarray:
    """Return a board's game, uint64 [plies + 1, 16]: the start position, then a row for each move
    on its stack.
    """
    return GameRows().of(board)


class GameRows:
    """The rows of a game that grows: asked again about a longer one, it plays the new moves alone."""

    def __init__(self) -> None:
        self._start: chess.Board | None = None  # None where nothing is known.
        self._board = chess.Board()  # After the moves.
        self._moves: list[chess.Move] = []
        self._rows = empty_stack(1)

    def of(self, board: chess.Board) -> np.ndarray:
        """Return what `stack_from_board` returns for a board."""
        start = board.root()
        moves = board.move_stack
        if (
            start != self._start
            or start.chess960 != self._board.chess960
            or moves[: len(self._moves)] != self._moves
        ):
            self._board = start.copy()
            self._moves = []
            self._rows = row_from_board(start)[None]
        # Whatever ends this in the middle, the next call begins anew.
        plies_known = len(self._moves)
        self._start = None
        stack = np.empty((len(moves) + 1, ROW_WORDS), np.uint64)
        stack[: plies_known + 1] = self._rows
        for ply in range(plies_known, len(moves)):
            self._push(stack, ply, moves[ply])
        self._start = start
        self._moves = list(moves)
        self._rows = stack
        return stack.copy()

    def _push(self, stack: np.ndarray, ply: int, move: chess.Move) -> None:
        if move:
            # Uint16 as in arrays: one specialisation.
            push(stack, ply, np.uint16(encode_move(self._board, move)))
            self._board.push(move)
        else:
            self._board.push(move)
            stack[ply + 1] = row_from_board(self._board)
            stack[ply + 1, REPETITIONS] = count_repetitions(stack, ply + 1)


def board_from_row(row: np.ndarray, chess960: bool = False) -> chess.Board:
    """Return a board that has the row's position and an empty move stack."""
    board = chess.Board(None, chess960=chess960)
    pieces = map(int, row[PAWN : KING + 1])
    board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings = pieces
    board.occupied_co[chess.WHITE] = int(row[WHITE])
    board.occupied_co[chess.BLACK] = int(row[BLACK])
    board.occupied = int(row[WHITE] | row[BLACK])
    board.castling_rights = int(row[CASTLING])
    if row[DOUBLE_PUSH]:
        board.ep_square = chess.lsb(int(row[DOUBLE_PUSH]))
    board.turn = not row[SIDE]  # White is true
    board.halfmove_clock = int(row[HALFMOVE])
    board.fullmove_number = int(row[FULLMOVE])
    return board


def encode_move(board: chess.Board, move: chess.Move) -> int:
    """Return the uint16 code of a legal move of `board`; castling in either notation becomes king
    takes rook.

    Raises MoveError for moves without a code: drops, null moves and castling without the right to
    it.
    """
    if not move or move.drop:
        raise MoveError(f"{move.uci()!r} is a pass or a drop, expected a move on the board")
    target = move.to_square
    if board.is_castling(move):
        rooks = chess.SquareSet(board.clean_castling_rights() & board.occupied_co[board.turn])
        if not rooks:
            raise MoveError(
                f"no code for move {move.uci()!r}: castling without the right, in {board.fen()}"
            )
        target = max(rooks) if target > move.from_square else min(rooks)
    return move.from_square | target << 6 | _PROMOTIONS[move.promotion] << 12


def codes_of(board: chess.Board, moves: Iterable[chess.Move]) -> Iterator[int]:
    """Yield the codes of moves, which are made on the board one after the other. Raises MoveError
    as `encode_move`.
    """
    for move in moves:
        yield encode_move(board, move)
        board.push(move)


def decode_move(row: np.ndarray, move: int, chess960: bool = False) -> chess.Move:
    """Return the python-chess move of a code in the position `row`; castling is e1g1, or e1h1 if
    `chess960`.
    """
    decoded = move_of_code(int(move))
    own = int(row[WHITE + int(row[SIDE])])
    castles = own >> decoded.to_square & 1 and int(row[KING]) >> decoded.from_square & 1
    if castles and not chess960:
        king_to, _ = castling_squares.py_func(decoded.from_square, decoded.to_square)
        decoded.to_square = king_to
    return decoded


def moves_of_lines(codes: np.ndarray, chess960: bool = False) -> list[chess.Move]:
    """Return python-chess moves of codes, uint16 [n], with CASTLING_FLAG: castling is e1g1, or e1h1
    if `chess960`.
    """
    source, target = codes & 63, codes >> 6 & 63
    if not chess960:
        castled = (source & 56) + np.where(target > source, 6, 2)
        target = np.where(codes & CASTLING_FLAG, castled, target)
    promotions = map(_PIECE_TYPES.__getitem__, (codes >> 12 & 7).tolist())
    return list(map(chess.Move, source.tolist(), target.tolist(), promotions))


def move_of_code(move: int) -> chess.Move:
    """Return the python-chess move of a code, castling as king takes rook, which every board can
    push.
    """
    return chess.Move(move & 63, move >> 6 & 63, _PIECE_TYPES[move >> 12])
