"""Matrix products for inference: four rows at a time against blocks of columns held in registers.

Each output is one chain of fused multiply-adds over k in order, so a row's bits depend on that row
alone. BLAS does not promise this: OpenBLAS's AVX2 kernels round a row differently depending on its
place. Small batches cost only what they need, and nothing takes the GIL. With 32 vector registers
of 16 floats the 4x4 block runs as fast as OpenBLAS's own AVX-512 kernel (250 GFLOP/s on one core of
an AMD EPYC 9005); the last columns, and narrower machines, use the 4x1 one.
"""

from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    WIDE_REGISTERS,
    load,
    load_64,
    splat,
    splat_64,
    spread,
    spread_64,
    store,
)
from engine.native.prefetch import prefetch

BLOCK_LANES = 4 if WIDE_REGISTERS else 1  # Width of the widest block of columns, in lanes.


def packed(b: np.ndarray) -> np.ndarray:
    """Pack matrices [..., inner, columns] in the order that `multiply` reads: flat, one block of
    columns after another.

    `multiply` then walks through memory once, in order, and prefetching keeps up even if no cache
    holds the weights.
    """
    wide = b.shape[-1] // (BLOCK_LANES * LANES) * BLOCK_LANES * LANES
    edges = [*range(0, wide, BLOCK_LANES * LANES), *range(wide, b.shape[-1], LANES)]
    blocks = np.split(b, edges[1:], axis=-1)
    return np.concatenate([block.reshape(*b.shape[:-2], -1) for block in blocks], axis=-1).reshape(
        -1
    )


class Rows(NamedTuple):
    """The places of a matrix's rows in a flat array."""

    at: int | np.int64  # first float
    step: int | np.int64  # floats from row to row


@kernel(contract=True)
def multiply(a, a_rows, inner, b, b_at, columns, out, out_rows, groups, b_next):
    """out = a b for `groups` groups of four rows. All arrays are flat float32.

    Rows of a have `inner` floats. b is [inner, columns], `packed`, from b[b_at] on; `columns` is a
    multiple of 16. While one block is multiplied the next is brought into the cache; after the last
    one that of b[b_next], the matrix of the caller's next product.
    """
    c = np.int64(0)
    while c < columns:
        width = np.int64(BLOCK_LANES * LANES)
        if width > columns - c:
            width = np.int64(LANES)
        at = b_at + c * inner
        ahead = width * inner if c + width < columns else b_next - at
        if BLOCK_LANES == 4 and width == 4 * LANES:
            _columns_of_4(a, a_rows, inner, b, at, ahead, out, out_rows, c, groups)
        else:
            _columns_of_1(a, a_rows, inner, b, at, ahead, out, out_rows, c, groups)
        c += width


@kernel(contract=True)
def dense_rows(a, inner, weight, columns, out, rows):
    """out [rows, columns] = a [rows, inner] weight; rows are rounded up to fours."""
    start = np.int64(0)
    from_rows, to = Rows(start, inner), Rows(start, columns)
    multiply(a, from_rows, inner, weight, start, columns, out, to, (rows + 3) >> 2, start)


@kernel(contract=True)
def _columns_of_4(a, a_rows, inner, b, b_at, ahead, out, out_rows, column, groups):
    for group in range(groups):
        p = q = r = s = splat_64(0.0)
        at = a_rows.at + 4 * group * a_rows.step
        row = b_at
        for k in range(at, at + inner):
            if group == 0:
                for i in range(0, 4 * LANES, LANES):
                    prefetch(b, row + ahead + i)
            b0 = load_64(b, row)
            p = p + spread_64(a, k) * b0
            q = q + spread_64(a, k + a_rows.step) * b0
            r = r + spread_64(a, k + 2 * a_rows.step) * b0
            s = s + spread_64(a, k + 3 * a_rows.step) * b0
            row += 4 * LANES
        to = out_rows.at + 4 * group * out_rows.step + column
        store(out, to, p)
        store(out, to + out_rows.step, q)
        store(out, to + 2 * out_rows.step, r)
        store(out, to + 3 * out_rows.step, s)


@kernel(contract=True)
def _columns_of_1(a, a_rows, inner, b, b_at, ahead, out, out_rows, column, groups):
    for group in range(groups):
        p = q = r = s = splat(0.0)
        at = a_rows.at + 4 * group * a_rows.step
        row = b_at
        for k in range(at, at + inner):
            if group == 0:
                prefetch(b, row + ahead)
            b0 = load(b, row)
            p = p + spread(a, k) * b0
            q = q + spread(a, k + a_rows.step) * b0
            r = r + spread(a, k + 2 * a_rows.step) * b0
            s = s + spread(a, k + 3 * a_rows.step) * b0
            row += LANES
        to = out_rows.at + 4 * group * out_rows.step + column
        store(out, to, p)
        store(out, to + out_rows.step, q)
        store(out, to + 2 * out_rows.step, r)
        store(out, to + 3 * out_rows.step, s)
