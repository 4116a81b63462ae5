"""When a game is over by the rules, and why, as python-chess counts it."""

import numpy as np

from engine.board.attacks import ZERO, in_check
from engine.board.layout import (
    BISHOP,
    BLACK,
    DARK_SQUARES,
    HALFMOVE,
    KING,
    KNIGHT,
    PAWN,
    QUEEN,
    REPETITIONS,
    ROOK,
    WHITE,
)
from engine.native.bits import popcount
from engine.native.jit import kernel

# From FIFTY_MOVES on: draws that a player must claim; engines always do.
ONGOING = 0
CHECKMATE = 1
STALEMATE = 2
INSUFFICIENT_MATERIAL = 3
SEVENTY_FIVE_MOVES = 4
FIVEFOLD_REPETITION = 5
FIFTY_MOVES = 6
THREEFOLD_REPETITION = 7

# Plies without capture or pawn move after which FIFTY_MOVES may be claimed.
FIFTY_MOVE_PLIES = 100
# Plies without capture or pawn move after which the game is over.
SEVENTY_FIVE_MOVE_PLIES = 150


@kernel()
def game_end(row, number_of_moves):
    """Why the game is over at `row`, which has `number_of_moves` legal moves; ONGOING if it is not
    over.

    Repetitions come from the row's count: the position and two earlier occurrences make three.
    Checkmate and automatic draws take precedence over the two draws that a player must claim;
    claims consider the current position only.
    """
    if number_of_moves == 0 and in_check(row):
        return CHECKMATE
    if insufficient_material(row):
        return INSUFFICIENT_MATERIAL
    if number_of_moves == 0:
        return STALEMATE
    if row[HALFMOVE] >= SEVENTY_FIVE_MOVE_PLIES:
        return SEVENTY_FIVE_MOVES
    if row[REPETITIONS] >= 4:
        return FIVEFOLD_REPETITION
    if row[HALFMOVE] >= FIFTY_MOVE_PLIES:
        return FIFTY_MOVES
    if row[REPETITIONS] >= 2:
        return THREEFOLD_REPETITION
    return ONGOING


@kernel()
def insufficient_material(row):
    """Whether no sequence of legal moves leads to mate for either side, by the rules of
    python-chess.
    """
    return _cannot_win(row, np.int64(0)) and _cannot_win(row, np.int64(1))


@kernel()
def _cannot_win(row, side):
    own = row[WHITE + side]
    theirs = row[BLACK - side]
    if own & (row[PAWN] | row[ROOK] | row[QUEEN]):
        return False
    if own & row[KNIGHT]:
        # A lone knight can mate only if an enemy piece can be made to block its own king.
        return popcount(own) <= 2 and not theirs & ~row[KING] & ~row[QUEEN]
    if own & row[BISHOP]:
        one_colour = not row[BISHOP] & DARK_SQUARES or not row[BISHOP] & ~DARK_SQUARES
        return one_colour and row[PAWN] == ZERO and row[KNIGHT] == ZERO
    return True
