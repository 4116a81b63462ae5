"""Recovers the position that input planes show."""

from __future__ import annotations

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.errors import FenError
from engine.network.planes import BLACK_TO_MOVE_PLANE, CASTLING_PLANE, FIFTY_MOVE_PLANE, PLANES_PER_POSITION


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
