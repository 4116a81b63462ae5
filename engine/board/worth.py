"""What pieces are worth in pawns, as people count them."""

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
    """By how many pawns' worth of material a side is ahead."""
    pawns = 0
    for piece in board.piece_map().values():
        worth = WORTH[piece.piece_type]
        pawns += worth if piece.color == side else -worth
    return pawns


def worth_on(board: chess.Board, square: chess.Square) -> int:
    """Return what stands on a square, in pawns; an empty one counts as a pawn."""
    return WORTH[board.piece_type_at(square) or chess.PAWN]


def captured(board: chess.Board, move: chess.Move) -> chess.PieceType | None:
    """Return the kind of piece that a move takes."""
    if board.is_en_passant(move):
        return chess.PAWN
    if board.is_capture(move):
        return board.piece_type_at(move.to_square)
    return None


def worth_taken(board: chess.Board, move: chess.Move) -> int:
    """Return what a move takes, in pawns."""
    return WORTH.get(captured(board, move) or 0, 0)
