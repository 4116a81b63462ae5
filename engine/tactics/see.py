"""Static exchange evaluation: what a capture sequence on one square wins if both sides take with the cheapest piece.

https://www.chessprogramming.org/SEE_-_The_Swap_Algorithm
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import attackers, bit, piece_at
from engine.board.layout import BLACK, KING, PAWN, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel

PIECE_VALUES = np.array([100, 320, 330, 500, 950, 20000], np.int64)  # centipawns, P N B R Q K


@kernel()
def see(row, move):
    """Centipawns that the mover wins on a legal move's target square if both sides may stop capturing at will.

    Pins are ignored; a king captures only undefended pieces. Castling wins nothing.
    """
    side = np.int64(row[SIDE])
    move = np.int64(move)
    source = move & 63
    target = move >> 6 & 63
    promotion = move >> 12
    if bit(target) & row[WHITE + side]:
        return 0  # castling: king takes own rook
    occupied = row[WHITE] | row[BLACK]
    kind = piece_at(row, source)
    captured = piece_at(row, target)
    gain = np.int64(0)
    if captured >= 0:
        gain = PIECE_VALUES[captured]
    elif kind == PAWN and (source ^ target) & 7:
        gain = PIECE_VALUES[PAWN]
        occupied &= ~bit(target - 8 if side == 0 else target + 8)
    on_square = PIECE_VALUES[kind]
    if promotion:
        on_square = PIECE_VALUES[promotion]
        gain += on_square - PIECE_VALUES[PAWN]
    return gain - _best_recapture(row, target, 1 - side, occupied & ~bit(source) | bit(target), on_square)


@kernel()
def _best_recapture(row, target, side, occupied, on_square):
    """Centipawns that `side` wins by taking a piece worth `on_square` on `target`, at least 0 (may decline)."""
    kind, square = _least_attacker(row, target, occupied, side)
    if kind < 0:
        return np.int64(0)
    occupied &= ~bit(square)
    if kind == KING and attackers(row, target, occupied, 1 - side):
        return np.int64(0)
    return max(np.int64(0), on_square - _best_recapture(row, target, 1 - side, occupied, PIECE_VALUES[kind]))


@kernel()
def _least_attacker(row, target, occupied, side):
    """(kind, square) of the cheapest piece of `side` that attacks `target`; (-1, -1) if none does."""
    found = attackers(row, target, occupied & ~bit(target), side)
    for kind in range(KING + 1):
        pieces = found & row[kind]
        if pieces:
            return kind, ctz(pieces)
    return -1, -1
