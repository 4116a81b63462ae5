"""Integer vectors for kernels: 32 or 128 int16 (shorts) or 16 int32 (ints) as one value, and dot
products of both.

As in `lanes`, a value is a NumPy array in plain Python and one vector when compiled, which machines
with narrower registers split. Integers wrap around, and the result is the same with every
instruction set: `dot_bytes` is one instruction where the processor has AVX-512 VNNI, three with
AVX2, and elsewhere computes the same sums from products.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.types import int16, int32, int64, void

from engine.native.instructions import (
    call,
    instruction,
    loads,
    lower_operators,
    splats,
    store_vector,
    vector_type,
)
from engine.native.target import target_has

SHORTS = 32
SHORT_BLOCK = 4 * SHORTS
INTS = 16
BYTES = 64  # bytes in one vector

_I16, _I32 = ir.IntType(16), ir.IntType(32)
_BYTE_VECTOR = ir.VectorType(ir.IntType(8), SHORTS)
_SHORT_VECTOR = ir.VectorType(_I16, SHORTS)
_INT_VECTOR = ir.VectorType(_I32, INTS)

_shorts = vector_type("Shorts", _SHORT_VECTOR, int16)
_short_block = vector_type("ShortBlock", ir.VectorType(_I16, SHORT_BLOCK), int16)
_ints = vector_type("Ints", _INT_VECTOR, int32)


# ---- what kernels call: plain Python, and below it the code that it is compiled to ---------------


# Of contiguous int16 [n], from an offset on: 32 or 128 numbers. They support + - *.
load_shorts = loads(_shorts)
load_short_block = loads(_short_block)
store_shorts = store_vector
# 16 numbers of contiguous int32 [n], or 64 bytes of int8: operands of `dot_bytes`.
load_ints = loads(_ints)
store_ints = store_vector


def store_low_bytes(array, offset, shorts):
    """Write the low byte of each of 32 shorts into a contiguous uint8 [n] array; unchecked when
    compiled.
    """
    array[offset : offset + SHORTS] = shorts.astype(np.uint8)


@instruction(store_low_bytes, lambda array, offset, shorts: void(array, int64, _shorts))
def _store_low_bytes(builder, array, offset, shorts):
    low = builder.trunc(shorts, _BYTE_VECTOR)
    builder.store(low, array.address(offset, _BYTE_VECTOR), align=1)


splat_int = splats(_ints)
splat_short = splats(_shorts)


def clip_shorts(shorts, most):
    """min(max(x, 0), most) in every lane."""
    return np.minimum(np.maximum(shorts, np.int16(0)), most)


@instruction(clip_shorts, lambda shorts, most: _shorts(_shorts, _shorts))
def _clip_shorts(builder, x, most):
    least = ir.Constant(_SHORT_VECTOR, [0] * SHORTS)
    x = builder.select(builder.icmp_signed(">", x, least), x, least)
    return builder.select(builder.icmp_signed("<", x, most), x, most)


def clipped_product(first, second):
    """Return a * b >> 7 of two vectors of shorts, after both are clipped to 0..127."""
    return np.clip(first, 0, 127) * np.clip(second, 0, 127) >> 7


@instruction(clipped_product, lambda first, second: _shorts(_shorts, _shorts))
def _clipped_product(builder, *factors):
    most = ir.Constant(_SHORT_VECTOR, [127] * SHORTS)
    clipped = (_clip_shorts(builder, x, most) for x in factors)
    return builder.lshr(builder.mul(*clipped), ir.Constant(_SHORT_VECTOR, [7] * SHORTS))


def rounded_product(first, second):
    """Return a * b / 2 ** 16 of two vectors of shorts, rounded to the nearest."""
    return (first.astype(np.int32) * second + 2**15 >> 16).astype(np.int16)


@instruction(rounded_product, lambda first, second: _shorts(_shorts, _shorts))
def _rounded_product(builder, *factors):
    wide = ir.VectorType(_I32, SHORTS)
    product = builder.mul(*(builder.sext(x, wide) for x in factors))
    high = builder.trunc(builder.ashr(product, ir.Constant(wide, [16] * SHORTS)), _SHORT_VECTOR)
    # The low half's own first bit says where to round: with that, LLVM needs no product of 32 bits.
    return builder.add(
        high, builder.lshr(builder.mul(*factors), ir.Constant(_SHORT_VECTOR, [15] * SHORTS))
    )


def sum_ints(ints):
    """Return the sum of the sixteen lanes."""
    return ints.sum(dtype=np.int32)


@instruction(sum_ints, lambda ints: int32(_ints))
def _sum_ints(builder, ints):
    return call(builder, "llvm.vector.reduce.add.v16i32", _I32, ints)


def dot_bytes(total, unsigned_bytes, signed_bytes):
    """Add the four products of lane i's bytes, unsigned times signed, to total[i] in every lane i.

    Unsigned bytes are at most 128: the sum of two products then fits 16 bits, as AVX2's instruction
    needs.
    """
    products = unsigned_bytes.view(np.uint8).astype(np.int32) * signed_bytes.view(np.int8)
    return total + products.reshape(INTS, 4).sum(axis=1, dtype=np.int32)


def _dot_by_instruction(builder, *operands):
    return call(builder, "llvm.x86.avx512.vpdpbusd.512", _INT_VECTOR, *operands)


def _dot_by_pairs(builder, total, *bytes_):
    half, shorts = ir.VectorType(_I32, INTS // 2), ir.VectorType(_I16, INTS)
    unit_vector = ir.Constant(shorts, [1] * INTS)
    sums = []
    for first in (0, INTS // 2):
        part = ir.Constant(half, list(range(first, first + INTS // 2)))
        operands = [
            builder.bitcast(builder.shuffle_vector(x, x, part), _BYTE_VECTOR) for x in bytes_
        ]
        pairs = call(builder, "llvm.x86.avx2.pmadd.ub.sw", shorts, *operands)
        sums.append(call(builder, "llvm.x86.avx2.pmadd.wd", half, pairs, unit_vector))
    return builder.add(
        total, builder.shuffle_vector(*sums, ir.Constant(_INT_VECTOR, list(range(INTS))))
    )


def _dot_by_products(builder, total, *bytes_):
    eight, sixteen = ir.Constant(_SHORT_VECTOR, [8] * SHORTS), ir.Constant(_INT_VECTOR, [16] * INTS)
    unsigned, signed = (builder.bitcast(x, _SHORT_VECTOR) for x in bytes_)
    even = builder.and_(unsigned, ir.Constant(_SHORT_VECTOR, [255] * SHORTS))
    odd = builder.lshr(unsigned, eight)
    # Two products of bytes as `dot_bytes` takes them fit an int16; only the sums of four need more
    # bits.
    pairs = builder.mul(even, builder.ashr(builder.shl(signed, eight), eight))
    pairs = builder.bitcast(
        builder.add(pairs, builder.mul(odd, builder.ashr(signed, eight))), _INT_VECTOR
    )
    total = builder.add(total, builder.ashr(builder.shl(pairs, sixteen), sixteen))
    return builder.add(total, builder.ashr(pairs, sixteen))


def _dots_of_bytes(has: Callable[[str], bool]) -> Callable[..., Any]:
    if has("avx512vnni"):
        return _dot_by_instruction
    if has("avx2"):
        return _dot_by_pairs
    return _dot_by_products


instruction(dot_bytes, lambda total, unsigned_bytes, signed_bytes: _ints(_ints, _ints, _ints))(
    _dots_of_bytes(target_has)
)

for _kind in (_shorts, _short_block, _ints):
    lower_operators(_kind, {operator.add: "add", operator.sub: "sub", operator.mul: "mul"})
