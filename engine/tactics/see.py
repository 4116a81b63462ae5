"""Static exchange evaluation: what a capture sequence on one square wins if both sides take with
the cheapest piece.

https://www.chessprogramming.org/SEE_-_The_Swap_Algorithm
"""

import numpy as np

from engine.board.attacks import (
    KING_ATTACKS,
    KNIGHT_ATTACKS,
    PAWN_ATTACKS,
    ZERO,
    attackers,
    bishop_attacks,
    bit,
    piece_at,
    rook_attacks,
)
from engine.board.layout import BISHOP, BLACK, KING, KNIGHT, PAWN, QUEEN, ROOK, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel

PIECE_VALUES = np.array([100, 320, 330, 500, 950, 20000], np.int64)  # centipawns, P N B R Q K


@kernel()
def see(row, move):
    """Centipawns that the mover wins on a legal move's target square if both sides may stop
    capturing at will.

    Pins are ignored; a king captures only undefended pieces. Castling wins nothing.
    """
    gain, on_square, occupied = _first_capture(row, move)
    if on_square == 0:
        return 0
    side = np.int64(row[SIDE])
    target = np.int64(move) >> 6 & 63
    return gain - _best_recapture(row, target, 1 - side, occupied, on_square)


@kernel()
def wins_at_least(row, move, least):
    """Whether `see` is at least `least`, at least 0; needs no exchange where one or no recapture
    decides.
    """
    gain, on_square, occupied = _first_capture(row, move)
    if gain < least or gain - on_square >= least:
        return gain >= least
    side = np.int64(row[SIDE])
    target = np.int64(move) >> 6 & 63
    return gain - _best_recapture(row, target, 1 - side, occupied, on_square) >= least


@kernel()
def _first_capture(row, move):
    """(centipawns won by a move at once, value of the piece that it puts on its target, squares
    occupied then).

    Castling gives zeros.
    """
    side = np.int64(row[SIDE])
    move = np.int64(move)
    source = move & 63
    target = move >> 6 & 63
    promotion = move >> 12
    if bit(target) & row[WHITE + side]:
        return 0, 0, ZERO  # castling: king takes own rook
    occupied = row[WHITE] | row[BLACK]
    gain = captured_value(row, source, target)
    if gain and not occupied & bit(target):  # en passant
        occupied &= ~bit(target ^ 8)
    on_square = PIECE_VALUES[piece_at(row, source)]
    if promotion:
        on_square = PIECE_VALUES[promotion]
        gain += on_square - PIECE_VALUES[PAWN]
    return gain, np.int64(on_square), occupied & ~bit(source) | bit(target)


@kernel()
def captured_value(row, source, target):
    """Centipawns of the piece that a move between two squares takes; 0 for none."""
    if row[BLACK - np.int64(row[SIDE])] & bit(target):
        return PIECE_VALUES[piece_at(row, target)]
    if row[PAWN] & bit(source) and (source ^ target) & 7:
        return PIECE_VALUES[PAWN]  # en passant
    return 0


@kernel()
def _best_recapture(row, target, side, occupied, on_square):
    """Centipawns that `side` wins by taking a piece worth `on_square` on `target`, at least 0 (may
    decline).
    """
    kind, square = _least_attacker(row, target, occupied, side)
    if kind < 0:
        return np.int64(0)
    occupied &= ~bit(square)
    if kind == KING and attackers(row, target, occupied, 1 - side):
        return np.int64(0)
    return max(
        np.int64(0),
        on_square - _best_recapture(row, target, 1 - side, occupied, PIECE_VALUES[kind]),
    )


@kernel()
def _least_attacker(row, target, occupied, side):
    """(kind, square) of the cheapest piece of `side` that attacks `target`; (-1, -1) if none does."""
    occupied &= ~bit(target)
    own = row[WHITE + side] & occupied
    attacking = PAWN_ATTACKS[1 - side, target] & row[PAWN] & own
    if attacking:
        return PAWN, ctz(attacking)
    attacking = KNIGHT_ATTACKS[target] & row[KNIGHT] & own
    if attacking:
        return KNIGHT, ctz(attacking)
    diagonal = bishop_attacks(target, occupied) & own
    straight = rook_attacks(target, occupied) & own
    for kind, reach in ((BISHOP, diagonal), (ROOK, straight), (QUEEN, diagonal | straight)):
        if reach & row[kind]:
            return kind, ctz(reach & row[kind])
    attacking = KING_ATTACKS[target] & row[KING] & own
    if attacking:
        return KING, ctz(attacking)
    return -1, -1
