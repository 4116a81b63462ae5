"""Recovers the position that input planes show, and the moves that led there as far as their history goes."""

from __future__ import annotations

import chess
import numpy as np

from engine.board.convert import board_from_row, row_from_board
from engine.board.layout import BLACK, CASTLING, FULLMOVE, HALFMOVE, KING, MAX_MOVES, PAWN, ROW_WORDS, SIDE, WHITE
from engine.board.makemove import make, push
from engine.board.movegen import generate
from engine.errors import FenError
from engine.native.jit import kernel
from engine.network.planes import (
    BLACK_TO_MOVE_PLANE,
    CASTLING_PLANE,
    FIFTY_MOVE_PLANE,
    HISTORY,
    PLANES_PER_POSITION,
)

STANDARD_RIGHTS = {chess.H1: chess.E1, chess.A1: chess.E1, chess.H8: chess.E8, chess.A8: chess.E8}  # rook -> king


def row_of_planes(masks: np.ndarray) -> np.ndarray:
    """The position row uint64[16] that planes uint64[112] show, as `engine.network.planes.encode` writes them.

    Castling rights belong to the outermost rooks. The move number is 1, as planes lack it. Repetitions are not counted.
    Raises FenError for an unplayable position.
    """
    moments = masks[: 2 * PLANES_PER_POSITION]
    boards = moments.byteswap() if masks[BLACK_TO_MOVE_PLANE] else moments
    ours, theirs = boards[:6], boards[6:12]
    board = chess.Board(None, chess960=True)
    board.turn = not masks[BLACK_TO_MOVE_PLANE]
    board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings = (
        int(word) for word in ours | theirs
    )
    board.occupied_co[board.turn] = int(np.bitwise_or.reduce(ours))
    board.occupied_co[not board.turn] = int(np.bitwise_or.reduce(theirs))
    board.occupied = board.occupied_co[chess.WHITE] | board.occupied_co[chess.BLACK]
    if sum(int(word).bit_count() for word in boards[:12]) != board.occupied.bit_count():
        raise FenError("two pieces on one square", "placement")
    for plane in range(4):
        if masks[CASTLING_PLANE + plane]:
            board.castling_rights |= _outermost_rook(board, board.turn ^ (plane >= 2), queenside=plane % 2 == 0)
    board.halfmove_clock = int(masks[FIFTY_MOVE_PLANE])
    their_pawns, their_pawns_before = int(theirs[0]), int(boards[PLANES_PER_POSITION + 6])
    board.ep_square = _passed_square(board.turn, their_pawns, their_pawns_before)
    return row_from_board(board)


def _outermost_rook(board: chess.Board, color: chess.Color, queenside: bool) -> chess.Bitboard:
    """The bit of the rook with a castling right. Raises FenError if there is none."""
    king = board.king(color)
    rank = chess.BB_RANK_1 if color == chess.WHITE else chess.BB_RANK_8
    rooks = chess.SquareSet(board.rooks & board.occupied_co[color] & rank)
    candidates = [rook for rook in rooks if king is not None and (rook < king) == queenside]
    if not candidates:
        raise FenError("a castling right without its rook", "castling")
    return chess.BB_SQUARES[min(candidates) if queenside else max(candidates)]


def _passed_square(turn: chess.Color, pawns: int, before: int) -> chess.Square | None:
    """The square that a pawn passed over in the last move, made by the side not to move."""
    gone, come = before & ~pawns, pawns & ~before
    home, back = (chess.BB_RANK_7, 8) if turn == chess.WHITE else (chess.BB_RANK_2, -8)
    if not gone & home or gone.bit_count() != 1 or come.bit_count() != 1:
        return None
    return chess.lsb(come) + back if chess.lsb(gone) == chess.lsb(come) + 2 * back else None


def history_of_planes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions uint64[n + 1, 16] up to the one that planes uint64[112] show, and the moves uint16[n] between them.

    n is at most 7. It is 0 where a game began, so that the history shows only the position itself. Castling rights lost
    on the way are assumed to have existed before. Raises FenError as `row_of_planes` does.
    """
    row = row_of_planes(masks)
    boards = _boards(masks)
    for n in range(HISTORY - 1, 1, -1):  # a single move back may be an undone double push: no history, see `encode`
        stack, moves = np.zeros((n + 1, ROW_WORDS), np.uint64), np.zeros(n, np.uint16)
        start = _earlier_row(boards[: n + 1], row)
        if start is None:
            continue
        stack[0] = start
        if walk(stack, boards[n::-1].copy(), np.zeros(MAX_MOVES, np.uint16), moves) and _agree(stack[n], row):
            return stack, moves
    return row[None].copy(), np.zeros(0, np.uint16)


def _boards(masks: np.ndarray) -> np.ndarray:
    """uint64[8, 12]: White's pieces by kind, then Black's, from now to seven plies ago."""
    boards = masks[: HISTORY * PLANES_PER_POSITION].reshape(HISTORY, PLANES_PER_POSITION)[:, :12]
    return np.roll(boards.byteswap(), 6, axis=1) if masks[BLACK_TO_MOVE_PLANE] else boards


def _earlier_row(boards: np.ndarray, now: np.ndarray) -> np.ndarray | None:
    """The position of boards[n], n plies before `now` (boards[0]); None if unplayable."""
    n, board = len(boards) - 1, boards[-1]
    row = np.zeros(ROW_WORDS, np.uint64)
    row[PAWN : KING + 1] = board[:6] | board[6:]
    row[WHITE], row[BLACK] = np.bitwise_or.reduce(board[:6]), np.bitwise_or.reduce(board[6:])
    row[SIDE] = int(now[SIDE]) ^ (n & 1)
    row[HALFMOVE], row[FULLMOVE] = max(0, int(now[HALFMOVE]) - n), 1
    row[CASTLING] = int(now[CASTLING]) | _lost_rights(boards)
    try:
        return row_from_board(board_from_row(row, chess960=True))
    except FenError:
        return None


def _lost_rights(boards: np.ndarray) -> int:
    """Rooks placed to castle (standard chess) at boards[-1] but gone, or with the king gone, on a later board."""
    lost = 0
    for rook, king in STANDARD_RIGHTS.items():
        side = 0 if rook < 8 else 6
        ready = (boards[:, side + 3] >> np.uint64(rook)) & (boards[:, side + 5] >> np.uint64(king)) & np.uint64(1)
        if ready[-1] and not ready.all():
            lost |= 1 << rook
    return lost


def _agree(walked: np.ndarray, row: np.ndarray) -> bool:
    """Whether two rows show the same position and clock."""
    same = [*range(BLACK + 1), CASTLING, SIDE, HALFMOVE]
    return bool(np.array_equal(walked[same], row[same]))


@kernel()
def walk(stack, boards, legal, moves):
    """Find the moves uint16[n] that lead from stack[0] through boards uint64[n + 1, 12]; False if there are none."""
    for ply in range(len(moves)):
        count = generate(stack[ply], legal)
        found = False
        for i in range(count):
            make(stack[ply], legal[i], stack[ply + 1])
            if shows(stack[ply + 1], boards[ply + 1]):
                moves[ply] = legal[i]
                found = True
                break
        if not found:
            return False
        push(stack, ply, moves[ply])
    return True


@kernel()
def shows(row, board):
    """Whether the pieces of a row are those of board uint64[12]."""
    for kind in range(KING + 1):
        if row[kind] & row[WHITE] != board[kind] or row[kind] & row[BLACK] != board[6 + kind]:
            return False
    return True
