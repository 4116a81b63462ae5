"""Three bit operations for kernels: each compiles to one machine instruction and has a plain Python version."""

from __future__ import annotations

import numba
import numpy as np
from numba.extending import intrinsic, overload


@intrinsic
def _native_ctz(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(numba.types.boolean, False))

    return numba.types.int64(numba.types.uint64), codegen


@intrinsic
def _native_popcount(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return numba.types.int64(numba.types.uint64), codegen


@intrinsic
def _native_byteswap(typing_context, x):
    def codegen(context, builder, signature, arguments):
        return builder.bswap(arguments[0])

    return numba.types.uint64(numba.types.uint64), codegen


def ctz(x):
    """Number of trailing zero bits of a uint64, which is a bitboard's lowest square; 64 for an empty bitboard."""
    x = int(x)
    return (x & -x).bit_length() - 1 if x else 64


def popcount(x):
    """Number of set bits of a uint64."""
    return int(x).bit_count()


def byteswap(x):
    """A uint64 with its bytes reversed: a bitboard mirrored vertically (rank 1 <-> rank 8)."""
    return np.uint64(int.from_bytes(int(x).to_bytes(8, "little"), "big"))


@overload(ctz, inline="always")
def _ctz(x):
    return lambda x: _native_ctz(np.uint64(x))


@overload(popcount, inline="always")
def _popcount(x):
    return lambda x: _native_popcount(np.uint64(x))


@overload(byteswap, inline="always")
def _byteswap(x):
    return lambda x: _native_byteswap(np.uint64(x))
