"""Sixteen float32 as one value, for kernels, or 32 or 64 of them: a NumPy array in plain Python, one
vector when compiled.

Winograd transforms read six rows and write six. Numba's loop vectoriser must assume that the rows
overlap, and its code runs several times slower than memory allows; a vector type makes the intent
explicit. On machines with narrower registers one value fills several. Multiplications and additions
of lanes may fuse even in kernels without `contract`.
"""

import operator

import numpy as np
from llvmlite import ir
from numba.types import float32, int64, void

from engine.native.instructions import (
    call,
    everywhere,
    instruction,
    loads,
    lower_operators,
    splats,
    spreads,
    store_vector,
    vector_type,
)
from engine.native.target import target_has

LANES = 16
WIDE_REGISTERS = target_has("avx512f")  # one lane fits one register
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_ALIGNMENT = ir.Constant(ir.IntType(32), 4)  # in bytes, of what a part is loaded from

_lanes = vector_type("Lanes", _VECTOR, float32)
_floats_32 = vector_type("Floats32", ir.VectorType(ir.FloatType(), 32), float32)
_floats_64 = vector_type("Floats64", ir.VectorType(ir.FloatType(), 64), float32)


# ---- what kernels call: plain Python, and below it the code that it is compiled to ---------------


# Of contiguous float32 [n], from an offset on. They support + - * /.
load = loads(_lanes)
load_32 = loads(_floats_32)
load_64 = loads(_floats_64)
# 16, 32 or 64 floats.
store = store_vector


def load_part(array, offset, count, default):
    """Load `count` <= 16 floats from `offset` on; the lanes behind them have those of `default`."""
    lanes = default.copy()
    lanes[:count] = array[offset : offset + count]
    return lanes


@instruction(load_part, lambda array, offset, count, default: _lanes(array, int64, int64, _lanes))
def _load_part(builder, array, offset, count, default):
    return _load_masked(builder, array.address(offset, _VECTOR), _first(builder, count), default)


def _load_masked(builder, address, mask, default):
    name = f"llvm.masked.load.v{LANES}f32.p0"
    return call(builder, name, _VECTOR, address, _ALIGNMENT, mask, default)


def store_part(array, offset, lanes, count):
    """Write the first `count` <= 16 of the lanes into an array from `offset` on."""
    array[offset : offset + count] = lanes[:count]


@instruction(store_part, lambda array, offset, lanes, count: void(array, int64, _lanes, int64))
def _store_part(builder, array, offset, lanes, count):
    _store_first(builder, array.address(offset, _VECTOR), lanes, count)


def _store_first(builder, address, lanes, count):
    """Write the first `count` lanes to an address of lanes."""
    if WIDE_REGISTERS:
        name = f"llvm.masked.store.v{LANES}f32.p0"
        call(builder, name, ir.VoidType(), lanes, address, _ALIGNMENT, _first(builder, count))
        return
    # AMD's processors take some forty steps for a masked store of AVX2.
    number = ir.IntType(64)
    address = builder.bitcast(address, ir.FloatType().as_pointer())
    for size in (16, 8, 4, 2, 1):
        low, high = (
            builder.shuffle_vector(lanes, lanes, _numbers(range(first, first + size)))
            for first in (0, size % LANES)
        )
        stored = builder.and_(count, number(size))
        is_stored = builder.icmp_unsigned("!=", stored, number(0))
        with builder.if_then(is_stored):
            builder.store(low, builder.bitcast(address, low.type.as_pointer()), align=4)
        address = builder.gep(address, [stored])
        lanes = builder.select(is_stored, high, low)


def _numbers(numbers):
    """Return whole numbers as a constant vector."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


def _first(builder, count):
    """Return a mask of the first `count` lanes."""
    integers = ir.VectorType(ir.IntType(32), LANES)
    limit = everywhere(builder, integers, builder.trunc(count, ir.IntType(32)))
    return builder.icmp_signed("<", _numbers(range(LANES)), limit)


def turn_block(array, offset, rank, height, width, into, to, pitch):
    """Write a block of up to 16 rows, `rank` floats apart, and 16 columns as rows `pitch` floats
    apart into an array from `to` on.
    """
    for row in range(height):
        for column in range(width):
            into[to + column * pitch + row] = array[offset + row * rank + column]


@instruction(
    turn_block,
    lambda array, offset, rank, height, width, into, to, pitch: void(
        array, int64, int64, int64, int64, into, int64, int64
    ),
)
def _turn_block(builder, array, offset, rank, height, width, into, to, pitch):
    empty = ir.Constant(_VECTOR, [0.0] * LANES)
    columns, none = _first(builder, width), ir.Constant(_MASK, [0] * LANES)
    rows = []
    for is_there, place in _places(builder, offset, rank, height):
        mask = builder.select(is_there, columns, none)
        rows.append(_load_masked(builder, array.address(place, _VECTOR), mask, empty))
    for distance in (8, 4, 2, 1):  # blocks of so many rows and columns change places
        for row in range(LANES):
            if not row & distance:
                pair = rows[row], rows[row + distance]
                rows[row], rows[row + distance] = _exchanged(builder, *pair, distance)
    for row, (is_there, place) in zip(rows, _places(builder, to, pitch, width), strict=True):
        with builder.if_then(is_there):
            _store_first(builder, into.address(place, _VECTOR), row, height)


def _places(builder, first, step, count):
    """Yield for each of 16 rows whether it is one of the first `count`, and its place."""
    place = first
    for row in range(LANES):
        yield builder.icmp_signed("<", ir.Constant(ir.IntType(64), row), count), place
        place = builder.add(place, step)


def _exchanged(builder, first, second, distance):
    """Return two rows of which blocks of `distance` numbers have changed places."""
    low = [lane if not lane & distance else LANES + lane - distance for lane in range(LANES)]
    high = [number + distance for number in low]
    return [builder.shuffle_vector(first, second, _numbers(mix)) for mix in (low, high)]


def number_at(array, offset):
    """Return one float of a contiguous float32 [n]; unchecked when compiled."""
    return array[offset]


@instruction(number_at, lambda array, offset: float32(array, int64))
def _number_at(builder, array, offset):
    return builder.load(array.address(offset))


def set_number(array, offset, number):
    """Write one float of a contiguous float32 [n]; unchecked when compiled."""
    array[offset] = number


@instruction(set_number, lambda array, offset, number: void(array, int64, float32))
def _set_number(builder, array, offset, number):
    builder.store(number, array.address(offset))


splat = splats(_lanes)
splat_32 = splats(_floats_32)
splat_64 = splats(_floats_64)
spread = spreads(_lanes)
spread_32 = spreads(_floats_32)
spread_64 = spreads(_floats_64)


def relu(lanes):
    """max(x, 0) in every lane; NaN stays NaN."""
    return np.maximum(lanes, np.float32(0))


def _zeros(value):
    return ir.Constant(value.type, [0.0] * value.type.count)


@instruction(relu, lambda lanes: lanes(lanes))
def _relu(builder, lanes):
    zero = _zeros(lanes)
    return builder.select(builder.fcmp_ordered("<", lanes, zero), zero, lanes)


def complement(lanes):
    """1 - x in every lane."""
    return np.float32(1) - lanes


@instruction(complement, lambda lanes: lanes(lanes))
def _complement(builder, lanes):
    units = ir.Constant(lanes.type, [1.0] * lanes.type.count)
    return builder.fsub(units, lanes, flags=("contract",))


def lane_sum(lanes):
    """Return the sum of the sixteen lanes, halves added pairwise."""
    while len(lanes) > 1:
        lanes = lanes[: len(lanes) // 2] + lanes[len(lanes) // 2 :]
    return lanes[0]


@instruction(lane_sum, lambda lanes: float32(_lanes))
def _lane_sum(builder, total):
    width = LANES
    while width > 1:  # fold the upper half onto the lower: a fixed tree, so the bits never vary
        width //= 2
        halves = [_numbers(range(k, k + width)) for k in (0, width)]
        low, high = (builder.shuffle_vector(total, total, half) for half in halves)
        total = builder.fadd(low, high)
    return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))


def minimum(lanes, limit):
    """Return the smaller of two numbers in every lane."""
    return np.minimum(lanes, limit)


@instruction(minimum, lambda lanes, limit: _lanes(_lanes, _lanes))
def _minimum(builder, lanes, limit):
    return builder.select(builder.fcmp_ordered("<", lanes, limit), lanes, limit)


def maximum(lanes, second):
    """Return the larger of two numbers in every lane; NaN where one is."""
    return np.maximum(lanes, second)


@instruction(maximum, lambda lanes, second: _lanes(_lanes, _lanes))
def _maximum(builder, first, second):
    larger = builder.select(builder.fcmp_ordered(">", first, second), first, second)
    return builder.select(builder.fcmp_unordered("uno", first, first), first, larger)


def square_root(lanes):
    """Return the square root in every lane."""
    return np.sqrt(lanes)


@instruction(square_root, lambda lanes: _lanes(_lanes))
def _square_root(builder, lanes):
    return call(builder, f"llvm.sqrt.v{LANES}f32", _VECTOR, lanes)


def scale_by_power(lanes, shifted):
    """x * 2^n in every lane, where `shifted` is 1.5 * 2^23 + n and the result is a normal number.

    Floats of that size have a spacing of 1, so the last bits of `shifted` are n; they are added to
    the exponent of x.
    """
    return (lanes * np.exp2(shifted - np.float32(1.5 * 2**23))).astype(np.float32)


@instruction(scale_by_power, lambda lanes, shifted: _lanes(_lanes, _lanes))
def _scale_by_power(builder, *arguments):
    integers = ir.VectorType(ir.IntType(32), LANES)
    bits, power = (builder.bitcast(argument, integers) for argument in arguments)
    return builder.bitcast(
        builder.add(bits, builder.shl(power, ir.Constant(integers, [23] * LANES))), _VECTOR
    )


def where_positive(sign, lanes):
    """x where the lane's `sign` is > 0, else 0: what ReLU does to a gradient."""
    return np.where(sign > 0, lanes, np.float32(0))


@instruction(where_positive, lambda sign, lanes: lanes(lanes, lanes))
def _where_positive(builder, sign, lanes):
    zero = _zeros(sign)
    return builder.select(builder.fcmp_ordered(">", sign, zero), lanes, zero)


def choose(sign, lanes, alternative):
    """x where the lane's `sign` is > 0, else what `alternative` has there."""
    return np.where(sign > 0, lanes, alternative)


@instruction(choose, lambda sign, lanes, alternative: _lanes(_lanes, _lanes, _lanes))
def _choose(builder, sign, lanes, alternative):
    is_positive = builder.fcmp_ordered(">", sign, _zeros(sign))
    return builder.select(is_positive, lanes, alternative)


_OPERATORS = {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}
for _kind in (_lanes, _floats_32, _floats_64):
    lower_operators(_kind, _OPERATORS, flags=("contract",))
