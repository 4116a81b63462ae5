"""Zobrist keys: a position's 64-bit name, equal exactly when pieces, castling, en passant and side
to move are equal.

Zobrist 1970, "A new hashing method with application for game playing". The numbers come from a
fixed seed, so keys may be stored in files.
"""

import numpy as np

from engine.board.attacks import ONE
from engine.board.layout import CASTLING, EN_PASSANT, KING, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel

_numbers = np.random.Generator(np.random.PCG64(1858)).integers(
    0, 2**64, 12 * 64 + 64 + 8 + 1, dtype=np.uint64
)
PIECE_KEYS = _numbers[: 12 * 64].reshape(12, 64).copy()  # [6 * side + kind, square]
CASTLING_KEYS = _numbers[12 * 64 : 13 * 64].copy()  # [square of the rook that may castle]
EN_PASSANT_KEYS = _numbers[13 * 64 : 13 * 64 + 8].copy()  # [file]
SIDE_KEY = _numbers[-1]  # present when Black is to move


@kernel()
def compute_key(row):
    """Compute the key of a position from scratch; `makemove` updates it incrementally."""
    key = np.uint64(0)
    for side in range(2):
        for kind in range(KING + 1):
            pieces = row[kind] & row[WHITE + side]
            while pieces:
                key ^= PIECE_KEYS[6 * side + kind, ctz(pieces)]
                pieces &= pieces - ONE
    rooks = row[CASTLING]
    while rooks:
        key ^= CASTLING_KEYS[ctz(rooks)]
        rooks &= rooks - ONE
    if row[EN_PASSANT]:
        key ^= EN_PASSANT_KEYS[ctz(row[EN_PASSANT]) & 7]
    if row[SIDE]:
        key ^= SIDE_KEY
    return key
