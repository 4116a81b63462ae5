"""Matrix products for inference: four rows at a time against blocks of columns held in registers.

Each output is one chain of fused multiply-adds over k in order, so a row's bits depend on that row
alone. BLAS does not promise this: OpenBLAS's AVX2 kernels round a row differently depending on its
place. Small batches cost only what they need, and nothing takes the GIL. With 32 vector registers
of 16 floats the 4x4 block runs as fast as OpenBLAS's own AVX-512 kernel (250 GFLOP/s on one core of
an AMD EPYC 9005); the last columns, and narrower machines, use the 4x1 one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, WIDE_REGISTERS, load, splat, spread, store
from engine.native.prefetch import prefetch
from engine.network.rows.float_rows import store_4

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
    """The places of a matrix's rows, in groups of four, in a flat array."""

    at: int | np.int64  # first float
    step: int | np.int64  # floats from row to row within a group
    group: int | np.int64  # floats from group to group


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
    from_rows, to = Rows(start, inner, 4 * inner), Rows(start, columns, 4 * columns)
    multiply(a, from_rows, inner, weight, start, columns, out, to, (rows + 3) >> 2, start)


@kernel(contract=True)
def _columns_of_4(a, a_rows, inner, b, b_at, ahead, out, out_rows, column, groups):
    for group in range(groups):
        p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = splat(0.0)
        r0 = r1 = r2 = r3 = s0 = s1 = s2 = s3 = splat(0.0)
        at = a_rows.at + group * a_rows.group
        row = b_at
        for k in range(at, at + inner):
            if group == 0:
                for i in range(0, 4 * LANES, LANES):
                    prefetch(b, row + ahead + i)
            b0 = load(b, row)
            b1 = load(b, row + 16)
            b2 = load(b, row + 32)
            b3 = load(b, row + 48)
            x = spread(a, k)
            p0 = p0 + x * b0
            p1 = p1 + x * b1
            p2 = p2 + x * b2
            p3 = p3 + x * b3
            x = spread(a, k + a_rows.step)
            q0 = q0 + x * b0
            q1 = q1 + x * b1
            q2 = q2 + x * b2
            q3 = q3 + x * b3
            x = spread(a, k + 2 * a_rows.step)
            r0 = r0 + x * b0
            r1 = r1 + x * b1
            r2 = r2 + x * b2
            r3 = r3 + x * b3
            x = spread(a, k + 3 * a_rows.step)
            s0 = s0 + x * b0
            s1 = s1 + x * b1
            s2 = s2 + x * b2
            s3 = s3 + x * b3
            row += 4 * LANES
        to = out_rows.at + group * out_rows.group + column
        store_4(out, to, p0, p1, p2, p3)
        store_4(out, to + out_rows.step, q0, q1, q2, q3)
        store_4(out, to + 2 * out_rows.step, r0, r1, r2, r3)
        store_4(out, to + 3 * out_rows.step, s0, s1, s2, s3)


@kernel(contract=True)
def _columns_of_1(a, a_rows, inner, b, b_at, ahead, out, out_rows, column, groups):
    for group in range(groups):
        p = q = r = s = splat(0.0)
        at = a_rows.at + group * a_rows.group
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
        to = out_rows.at + group * out_rows.group + column
        store(out, to, p)
        store(out, to + out_rows.step, q)
        store(out, to + 2 * out_rows.step, r)
        store(out, to + 3 * out_rows.step, s)
