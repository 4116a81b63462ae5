"""Game notation as on score sheets, and the positions that its moves lead to."""

import chess


def move_number(board: chess.Board) -> str:
    """Return the number before the next move: `12.`, or `12...` for Black's."""
    dots = "." if board.turn == chess.WHITE else "..."
    return f"{board.fullmove_number}{dots}"


def board_after(board: chess.Board, *moves: chess.Move) -> chess.Board:
    """Return a copy of the board on which these moves have been played."""
    board = board.copy()
    for move in moves:
        board.push(move)
    return board
