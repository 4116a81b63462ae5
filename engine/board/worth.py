"""What pieces are worth in pawns, as people count them."""

from __future__ import annotations

import chess

WORTH = {
    chess.PAWN: 1,
    chess.KNIGHT: 3,
    chess.BISHOP: 3,
    chess.ROOK: 5,
    chess.QUEEN: 9,
    chess.KING: 100,
}


def lead(board: chess.Board, side: chess.Color) -> int:
    """Return by how many pawns' worth of material a side is ahead."""
    ahead = 0
    for piece in board.piece_map().values():
        worth = WORTH[piece.piece_type]
        ahead += worth if piece.color == side else -worth
    return ahead
