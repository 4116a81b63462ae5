"""Three bit operations for kernels: each compiles to one machine instruction and has a plain Python
version.
"""

import numpy as np
from numba.core.cgutils import false_bit
from numba.types import int64, uint64

from engine.native.instructions import instruction


def ctz(x):
    """Return the trailing zero bits of a uint64, which is a bitboard's lowest square; 64 for an
    empty bitboard.
    """
    x = int(x) or 1 << 64  # no square: the bit behind the last
    return (x & -x).bit_length() - 1


@instruction(ctz, lambda x: int64(uint64))
def _ctz(builder, x):
    return builder.cttz(x, false_bit)


def popcount(x):
    """Return the number of set bits of a uint64."""
    return int(x).bit_count()


@instruction(popcount, lambda x: int64(uint64))
def _popcount(builder, x):
    return builder.ctpop(x)


def byteswap(x):
    """Return a uint64 with its bytes reversed: a bitboard mirrored vertically (rank 1 <-> rank 8)."""
    return np.uint64(int.from_bytes(int(x).to_bytes(8, "little"), "big"))


@instruction(byteswap, lambda x: uint64(uint64))
def _byteswap(builder, x):
    return builder.bswap(x)
