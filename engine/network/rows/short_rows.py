"""The arithmetic of playing: sums of int16 rows, their activation, and dot products with int16 rows.

Integers have one sum in any order and on any machine, take half the memory to read of floats, and a processor
multiplies twice as many at once. `policy.integers` and `value.parameters` choose the scales at which floats become
them.
"""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.native.integer_lanes import (
    SHORTS,
    clip_shorts,
    dot_shorts,
    high_product,
    load_shorts,
    splat_int,
    splat_short,
    store_shorts,
    sum_ints,
)
from engine.native.jit import kernel
from engine.native.lanes import LANES
from engine.native.memory import aligned_zeros

INT16_MAX = int(np.iinfo(np.int16).max)
FINEST_SCALE = 1024  # of sums: any finer, and int16 could hold those of 16 and less only


def as_shorts(weights: np.ndarray, scale: float) -> np.ndarray:
    """round(scale * weights) as int16, beginning on a cache line."""
    out = aligned_zeros(weights.size, dtype=np.int16)
    out[:] = np.rint(weights * np.float32(scale))
    return out


def sum_scale(largest: float, addends: int, coarsest: int) -> int:
    """Return the largest power of two up to FINEST_SCALE at which int16 holds sums up to `largest`.

    Each addend is rounded by half a unit at most. Raises ConfigError if there is none of at least `coarsest`: the
    weights are too large, infinite or NaN.
    """
    scale = FINEST_SCALE
    while not scale * largest + addends / 2 <= INT16_MAX:
        scale //= 2
        if scale < coarsest:
            raise ConfigError(f"rows that add up to {largest:g}, where {INT16_MAX // coarsest:,} is the most")
    return scale


def by_input(layers: np.ndarray) -> np.ndarray:
    """Small layers [V, outputs, inputs] as flat float32 [V * inputs * outputs], outputs padded to a multiple of LANES.

    A register then holds the outputs of one input, and nothing has to be summed across it.
    """
    versions, outputs, inputs = layers.shape
    padded = -(-outputs // LANES) * LANES
    flat = aligned_zeros(versions * inputs * padded)
    flat.reshape(versions, inputs, padded)[:, :, :outputs] = layers.transpose(0, 2, 1)
    return flat


BLOCK = 4 * SHORTS  # columns of an accumulator in registers at once
HALF_UNIT = 2**14  # what a clipped accumulator unit of 1 is scaled to before two of them are multiplied
UNIT = HALF_UNIT**2 >> 16  # what a product of two accumulator units of 1 is, an input of the heads


@kernel()
def add_short_rows(table, width, numbers, first, count, start, out):
    """out [width] = start + the sum of rows numbers[first : first + count] of table [rows, width]; all int16."""
    for c in range(0, width, BLOCK):
        s0, s1 = load_shorts(start, c), load_shorts(start, c + 32)
        s2, s3 = load_shorts(start, c + 64), load_shorts(start, c + 96)
        for i in range(first, first + count):
            at = np.int64(numbers[i]) * width + c
            s0, s1 = s0 + load_shorts(table, at), s1 + load_shorts(table, at + 32)
            s2, s3 = s2 + load_shorts(table, at + 64), s3 + load_shorts(table, at + 96)
        store_shorts(out, c, s0)
        store_shorts(out, c + 32, s1)
        store_shorts(out, c + 64, s2)
        store_shorts(out, c + 96, s3)


@kernel()
def change_block(base, at, table, column, coming, n_coming, going, n_going, out, to):
    """Write base[at : at + 128] + rows coming[:n_coming] - rows going[:n_going] to out[to : to + 128]; all int16.

    The rows' places in `table` are where they begin; their columns count from `column` on.
    """
    s0, s1 = load_shorts(base, at), load_shorts(base, at + 32)
    s2, s3 = load_shorts(base, at + 64), load_shorts(base, at + 96)
    for i in range(n_coming):
        x = coming[i] + column
        s0, s1 = s0 + load_shorts(table, x), s1 + load_shorts(table, x + 32)
        s2, s3 = s2 + load_shorts(table, x + 64), s3 + load_shorts(table, x + 96)
    for i in range(n_going):
        x = going[i] + column
        s0, s1 = s0 - load_shorts(table, x), s1 - load_shorts(table, x + 32)
        s2, s3 = s2 - load_shorts(table, x + 64), s3 - load_shorts(table, x + 96)
    store_shorts(out, to, s0)
    store_shorts(out, to + 32, s1)
    store_shorts(out, to + 64, s2)
    store_shorts(out, to + 96, s3)


@kernel()
def multiply_pairs(accumulator, scale, units, out):
    """out [U] = UNIT times the clipped first half of accumulator [2 U] times its clipped second half; all int16.

    scale: the power of two that a unit of 1 is in the accumulator, at most HALF_UNIT.
    """
    most, factor = splat_short(scale), splat_short(HALF_UNIT // np.int64(scale))
    for c in range(0, units, SHORTS):
        first = clip_shorts(load_shorts(accumulator, c), most) * factor
        second = clip_shorts(load_shorts(accumulator, units + c), most) * factor
        store_shorts(out, c, high_product(first, second))


@kernel()
def score_short_row(table, at, x, units):
    """Dot product, int32, of the row table[at : at + units] and x[:units]; units is a multiple of 64."""
    even, odd = splat_int(np.int32(0)), splat_int(np.int32(0))
    for c in range(0, units, 2 * SHORTS):
        even = dot_shorts(even, load_shorts(table, at + c), load_shorts(x, c))
        odd = dot_shorts(odd, load_shorts(table, at + c + SHORTS), load_shorts(x, c + SHORTS))
    return sum_ints(even + odd)
