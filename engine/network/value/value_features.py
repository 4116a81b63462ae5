"""The value trunk's inputs: every piece on its square, by the square of a king, seen by each side.

Both sides have a view. Their rows come from one table: a side sees its own pieces as the first six,
flips the board if it is Black and mirrors it if its king stands on files a to d. A piece of a view
has the row

    bucket * 768 + piece * 64 + square          bucket: of the square of the view's own king

so a move changes few rows, unless the own king enters another bucket or crosses the middle.
"""

import numpy as np

from engine.board.attacks import ONE, king_square
from engine.board.layout import WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel

BUCKET_ROWS = 12 * 64
MAX_VIEW = 32  # rows of one view: as many as there are pieces

KING_BUCKETS = 16
# Bucket of the own king by its square after flipping and mirroring, int64 [64]; files a to d are
# unused.
KING_BUCKET = np.zeros(64, np.int64)
KING_BUCKET.reshape(8, 8)[:, 4:] = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
    [8, 8, 9, 9],
    [10, 10, 11, 11],
    *[[12, 12, 13, 13]] * 2,
    *[[14, 14, 15, 15]] * 2,
]


@kernel()
def flip_of(row, side):
    """Return what a side's view XORs squares with: it flips ranks for Black, and files if its king
    stands on a to d.
    """
    flip = 56 * side
    if king_square(row, side) & 7 < 4:
        flip ^= 7
    return flip


@kernel()
def first_row(row, side, flip):
    """Return the first row of the bucket of a side's king."""
    return BUCKET_ROWS * KING_BUCKET[king_square(row, side) ^ flip]


@kernel()
def write_view_of(row, side, features):
    """Write the rows of a side's view to features int16 [32]; returns their number, which both
    views share.
    """
    flip = flip_of(row, side)
    base = first_row(row, side, flip)
    count = np.int64(0)
    for piece in range(12):
        pieces = row[piece % 6] & row[WHITE + (side ^ piece // 6)]
        while pieces:
            features[count] = base + piece * 64 + (ctz(pieces) ^ flip)
            count += 1
            pieces &= pieces - ONE
    return count
