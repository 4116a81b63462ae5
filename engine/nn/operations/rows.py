"""Kernels for softmax and layer norm over the rows of flat float32 arrays, of a width that is a multiple of 16.

`add_at_chosen` adds rows to a table by index, for embeddings.
"""

from __future__ import annotations

import math

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, minimum, splat, store, where_positive
from engine.native.smooth_lanes import LIMIT, exp_lanes

BLOCK = 64  # rows whose sums are single precision; sums of blocks are double precision


@kernel(contract=True)
def softmax_in_place(x, width, least):
    """Turn each row into its softmax in place; a row of -infinity becomes 0; `least` float32 [16] is scratch."""
    zero = splat(0.0)
    for row in range(0, len(x), width):
        lowest = zero - load(x, row)
        for at in range(row + LANES, row + width, LANES):
            lowest = minimum(lowest, zero - load(x, at))
        store(least, 0, lowest)
        bound = np.float32(np.inf)
        for lane in range(LANES):
            bound = min(bound, least[lane])
        top, total = splat(bound if bound < np.float32(np.inf) else np.float32(0)), zero
        for at in range(row, row + width, LANES):
            power = load(x, at) + top
            e = exp_lanes(power)
            share = where_positive(power + splat(LIMIT), e)
            store(x, at, share)
            total = total + share + e * zero  # the last term keeps NaN
        whole = lane_sum(total)
        factor = splat(np.float32(1) / whole if whole != 0 else np.float32(0))
        for at in range(row, row + width, LANES):
            store(x, at, load(x, at) * factor)


@kernel(contract=True)
def softmax_gradient(slope, shares, width):
    """Turn the gradient of each row of shares P into that of its scores, in place: P (dP - sum of dP P)."""
    for row in range(0, len(shares), width):
        total = splat(0.0)
        for at in range(row, row + width, LANES):
            total = total + load(slope, at) * load(shares, at)
        mean = splat(lane_sum(total))
        for at in range(row, row + width, LANES):
            store(slope, at, (load(slope, at) - mean) * load(shares, at))


@kernel(contract=True)
def normalise_rows(x, gamma, beta, epsilon, y, mean, factor):
    """Layer norm of each row; notes its mean and 1 / sqrt(variance + epsilon)."""
    width = len(gamma)
    for row in range(len(mean)):
        start, total, squares = row * width, splat(0.0), splat(0.0)
        for at in range(start, start + width, LANES):
            total = total + load(x, at)
        mean[row] = lane_sum(total) / np.float32(width)
        middle = splat(mean[row])
        for at in range(start, start + width, LANES):
            off = load(x, at) - middle
            squares = squares + off * off
        factor[row] = np.float32(1) / np.float32(math.sqrt(lane_sum(squares) / np.float32(width) + epsilon))
        scale = splat(factor[row])
        for c in range(0, width, LANES):
            store(y, start + c, (load(x, start + c) - middle) * scale * load(gamma, c) + load(beta, c))


@kernel(contract=True)
def normalise_gradient(dy, x, gamma, mean, factor, dx, part, sums):
    """Compute dx, and dgamma and dbeta as `sums` float64 [2 C]; `part` float32 [2 C] is scratch. All begin as zeros."""
    width = len(gamma)
    for row in range(len(mean)):
        start, middle, scale = row * width, splat(mean[row]), splat(factor[row])
        total, along = splat(0.0), splat(0.0)
        for c in range(0, width, LANES):
            d, h = load(dy, start + c), (load(x, start + c) - middle) * scale
            g = d * load(gamma, c)
            total, along = total + g, along + g * h
            store(part, c, load(part, c) + d * h)
            store(part, width + c, load(part, width + c) + d)
        shared = splat(lane_sum(total) / np.float32(width))
        common = splat(lane_sum(along) / np.float32(width))
        for c in range(0, width, LANES):
            h = (load(x, start + c) - middle) * scale
            store(dx, start + c, (load(dy, start + c) * load(gamma, c) - shared - h * common) * scale)
        if row % BLOCK == BLOCK - 1 or row == len(mean) - 1:
            for i in range(2 * width):
                sums[i] += part[i]
                part[i] = 0


@kernel()
def add_at_chosen(rows, chosen, table):
    """table[chosen[b]] += rows[b], in the order of b, but where chosen < 0; f32[B, D], i64[B, L], f32[N, D]."""
    for image in range(chosen.shape[0]):
        for place in range(chosen.shape[1]):
            row = chosen[image, place]
            if row >= 0:
                for column in range(table.shape[1]):
                    table[row, column] += rows[image, column]
