"""Draws that need no agreement: insufficient material, repetition and the fifty-move rule."""

from __future__ import annotations

from engine.board.attacks import ZERO
from engine.board.layout import BISHOP, BLACK, DARK_SQUARES, KING, KNIGHT, PAWN, QUEEN, ROOK, WHITE
from engine.jit import kernel, popcount


@kernel()
def insufficient_material(row):
    """Whether neither side can mate by any sequence of legal moves, counted as python-chess counts it."""
    return _cannot_win(row, 0) and _cannot_win(row, 1)


@kernel()
def _cannot_win(row, side):
    own = row[WHITE + side]
    theirs = row[BLACK - side]
    if own & (row[PAWN] | row[ROOK] | row[QUEEN]):
        return False
    if own & row[KNIGHT]:
        # A lone knight wins only against a piece that can be made to block its own king.
        return popcount(own) <= 2 and not theirs & ~row[KING] & ~row[QUEEN]
    if own & row[BISHOP]:
        one_colour = not row[BISHOP] & DARK_SQUARES or not row[BISHOP] & ~DARK_SQUARES
        return one_colour and row[PAWN] == ZERO and row[KNIGHT] == ZERO
    return True
