"""The value trunk's inputs: every piece twice, seen by each side; no search, so a position costs a microsecond or less.

Both sides have a view. Their rows come from one table: a side sees its own pieces as the first six, flips the board if
it is Black and mirrors it if its king stands on files a to d. A view has these rows:

    ((piece * 2 + defended) * 2 + attacked) * 64 + square        pieces by attack and defence
    3072..3087           castling, en passant and counter, in the order of `features.py`; neither has phases here
    3088 + bucket * 768 + piece * 64 + square      pieces again, by the bucket of the view's own king
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import ONE
from engine.board.layout import KING, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel
from engine.network.sparse.features import BALANCE_FEATURE, PIECE_NUMBERS, write_pieces, write_state

PIECE_GROUPS = (12, 4, 64)  # shape of the first rows: [piece, attacked and defended, square]
STATE_ROWS = 12 * PIECE_NUMBERS
KING_ROWS = STATE_ROWS + BALANCE_FEATURE  # first row of the king buckets
BUCKET_ROWS = 12 * 64
MAX_VIEW = 72  # rows of one view: 32 pieces twice, 4 castling rights, en passant, counter; rounded up

# Bucket of the own king by [rank 1 to 8, file e to h], for each supported number of buckets.
_LAYOUTS = {
    1: [[0] * 4] * 8,
    8: [[0, 1, 2, 3], [4, 4, 5, 5], *[[6] * 4] * 2, *[[7] * 4] * 4],
    16: [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 8, 9, 9],
        [10, 10, 11, 11],
        *[[12, 12, 13, 13]] * 2,
        *[[14, 14, 15, 15]] * 2,
    ],
}
KING_BUCKET_COUNTS = tuple(_LAYOUTS)


def king_buckets(count: int) -> np.ndarray:
    """int64 [64]: the bucket of the own king by its square after flipping and mirroring; files a to d are unused."""
    buckets = np.zeros((8, 8), np.int64)
    buckets[:, 4:] = _LAYOUTS[count]
    return buckets.reshape(64)


@kernel()
def write_views(row, attacks, buckets, features):
    """Write both views' rows to features int16 [2 * 72], the side to move's from 0, the other's from 72.

    attacks: both attack sets, as `write_attacks` makes them. buckets: of `king_buckets`. Returns the number of rows,
    which is the same for both views.
    """
    side = np.int64(row[SIDE])
    write_view_of(row, side, attacks, buckets, features[:MAX_VIEW])
    return write_view_of(row, 1 - side, attacks, buckets, features[MAX_VIEW:])


@kernel()
def write_view_of(row, side, attacks, buckets, features):
    """Write the rows of a side's view; returns their number."""
    king = ctz(row[KING] & row[WHITE + side])
    flip = 56 * side ^ (7 if king & 7 < 4 else 0)
    base = KING_ROWS + BUCKET_ROWS * buckets[king ^ flip]
    count = write_pieces(row, side, 0, flip, attacks, PIECE_NUMBERS, 0, features, 0)
    count = write_pieces(row, 1 - side, 6, flip, attacks, PIECE_NUMBERS, 0, features, count)
    for piece in range(12):
        pieces = row[piece % 6] & row[WHITE + (side ^ piece // 6)]
        while pieces:
            features[count] = base + piece * 64 + (ctz(pieces) ^ flip)
            count += 1
            pieces &= pieces - ONE
    return write_state(row, side, flip, STATE_ROWS, features, count)
