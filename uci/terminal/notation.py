"""Game notation as on score sheets."""

from __future__ import annotations

import chess


def move_number(board: chess.Board) -> str:
    """The number before the next move: `12.`, or `12...` for Black's."""
    return f"{board.fullmove_number}{'.' if board.turn == chess.WHITE else '...'}"
