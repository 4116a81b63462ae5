"""The number of pieces, by which small layers have several versions."""

from engine.board.layout import BLACK, WHITE
from engine.native.bits import popcount
from engine.native.jit import kernel

PIECE_BUCKETS = 8  # versions of small layers, chosen by the number of pieces


@kernel()
def number_of_pieces(row):
    """Pieces and pawns of both sides."""
    return popcount(row[WHITE] | row[BLACK])


@kernel()
def piece_bucket(row):
    """Which small layers serve a position."""
    return bucket_of(number_of_pieces(row))


@kernel()
def bucket_of(pieces):
    """0 for two to four pieces, and one more for every four more."""
    return min((pieces - 1) // 4, PIECE_BUCKETS - 1)
