"""The arithmetic of playing: sums of int16 rows, their activation as bytes, and dot products with
rows of bytes.

Integers have one sum in any order and on any machine, take half or a quarter of the memory of
floats, and a processor multiplies more of them at once. `sparse.integers` and `value_parameters`
choose the scales at which floats become them.
"""

import numpy as np

from engine.errors import ConfigError
from engine.native.aligned_arrays import aligned_zeros
from engine.native.integer_lanes import (
    BYTES,
    SHORT_BLOCK,
    SHORTS,
    clip_shorts,
    dot_bytes,
    load_ints,
    load_short_block,
    load_shorts,
    rounded_product,
    splat_int,
    splat_short,
    store_low_bytes,
    store_shorts,
    sum_ints,
)
from engine.native.jit import kernel
from engine.native.lanes import LANES

INT16_MAX = int(np.iinfo(np.int16).max)
FINEST_SCALE = 1024  # of sums: any finer, and int16 could hold those of 16 and less only
# The factors that bring two clipped accumulators of 1 to a product whose upper half is UNIT, the
# byte of a unit of 1.
FIRST_UNIT = 2**12
SECOND_UNIT = 2**11
UNIT = FIRST_UNIT * SECOND_UNIT >> 16


def as_shorts(weights: np.ndarray, scale: float) -> np.ndarray:
    """round(scale * weights) as int16, beginning on a cache line."""
    out = aligned_zeros(weights.size, dtype=np.int16)
    out[:] = np.rint(weights * np.float32(scale))
    return out


def as_bytes(weights: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [R, units] as (int8 [R * units], float32 [R]: what 1 in a row's dot product with units
    is worth).

    The largest weight of each row is 127, so a weight moves by 1/254 of that at most.
    """
    rows = weights.reshape(-1, units)
    out = aligned_zeros(weights.size, dtype=np.int8)
    step = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny * 256) / np.float32(127)
    out.reshape(rows.shape)[:] = np.rint(rows / step[:, None])
    return out, step / np.float32(UNIT)


def sum_scale(largest: float, addends: int, coarsest: int) -> int:
    """Return the largest power of two up to FINEST_SCALE at which int16 holds sums up to `largest`.

    Each addend is rounded by half a unit at most. Raises ConfigError if there is none of at least
    `coarsest`: the weights are too large, infinite or NaN.
    """
    scale = FINEST_SCALE
    while not scale * largest + addends / 2 <= INT16_MAX:
        scale //= 2
        if scale < coarsest:
            raise ConfigError(
                f"rows that add up to {largest:g}, where {INT16_MAX // coarsest:,} is the most"
            )
    return scale


def by_input(layers: np.ndarray) -> np.ndarray:
    """Small layers [V, outputs, inputs] as flat float32 [V * inputs * outputs], outputs padded to a
    multiple of LANES.

    A register then holds the outputs of one input, and nothing has to be summed across it.
    """
    versions, outputs, inputs = layers.shape
    padded = -(-outputs // LANES) * LANES
    flat = aligned_zeros(versions * inputs * padded)
    flat.reshape(versions, inputs, padded)[:, :, :outputs] = layers.transpose(0, 2, 1)
    return flat


@kernel()
def add_short_rows(table, width, numbers, count, start, out):
    """out [width] = start + the sum of rows numbers[:count] of table [rows, width]; all int16."""
    for c in range(0, width, SHORT_BLOCK):
        total = load_short_block(start, c)
        for i in range(count):
            total = total + load_short_block(table, np.int64(numbers[i]) * width + c)
        store_shorts(out, c, total)


@kernel()
def change_block(base, at, table, column, coming, n_coming, going, n_going, out, to):
    """Write base[at : at + SHORT_BLOCK] + rows coming[:n_coming] - rows going[:n_going] to out[to :
    to + SHORT_BLOCK]; all int16.

    The rows' places in `table` are where they begin; their columns count from `column` on.
    """
    total = load_short_block(base, at)
    for i in range(n_coming):
        total = total + load_short_block(table, coming[i] + column)
    for i in range(n_going):
        total = total - load_short_block(table, going[i] + column)
    store_shorts(out, to, total)


@kernel()
def multiply_pairs(accumulator, start, scale, count, out, at):
    """out [at : at + count] = UNIT times the clipped products of two halves: accumulator [start :
    start + 2 count].

    Bytes of int16. scale: the power of two that a unit of 1 is in the accumulator, at most
    SECOND_UNIT.
    """
    most = splat_short(scale)
    first_factor = splat_short(FIRST_UNIT // np.int64(scale))
    second_factor = splat_short(SECOND_UNIT // np.int64(scale))
    for c in range(0, count, SHORTS):
        first = clip_shorts(load_shorts(accumulator, start + c), most) * first_factor
        second = clip_shorts(load_shorts(accumulator, start + count + c), most) * second_factor
        store_low_bytes(out, at + c, rounded_product(first, second))


@kernel()
def score_row_of_bytes(table, row, units):
    """Dot product, int32, of one row of a table int8 [rows, U] and units uint8 [U]; U is a multiple
    of 64.
    """
    total = splat_int(np.int32(0))
    at = row * len(units)
    for c in range(0, len(units), BYTES):
        total = dot_bytes(total, load_ints(units, c), load_ints(table, at + c))
    return sum_ints(total)
