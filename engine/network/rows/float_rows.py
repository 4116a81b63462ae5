"""The arithmetic of training, and of small layers in play: accumulate rows, activate, score rows.
Flat float32 arrays.

A block of columns stays in registers while the rows stream by; every sum has one fixed order.
"""

from __future__ import annotations

import numpy as np

from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, relu, splat, spread, store

BLOCK = 8 * LANES  # columns of the accumulator in registers at once
HALF_BLOCK = 4 * LANES


@kernel(contract=True)
def add_rows(table, width, numbers, count, start, out):
    """out [width] = start + the sum of rows numbers[:count] of table [rows, width]; width is a
    multiple of 128.
    """
    for c in range(0, width, BLOCK):
        s0 = load(start, c)
        s1 = load(start, c + 16)
        s2 = load(start, c + 32)
        s3 = load(start, c + 48)
        s4 = load(start, c + 64)
        s5 = load(start, c + 80)
        s6 = load(start, c + 96)
        s7 = load(start, c + 112)
        for i in range(count):
            at = numbers[i] * width + c
            s0, s1 = s0 + load(table, at), s1 + load(table, at + 16)
            s2, s3 = s2 + load(table, at + 32), s3 + load(table, at + 48)
            s4, s5 = s4 + load(table, at + 64), s5 + load(table, at + 80)
            s6, s7 = s6 + load(table, at + 96), s7 + load(table, at + 112)
        store_4(out, c, s0, s1, s2, s3)
        store_4(out, c + 64, s4, s5, s6, s7)


@kernel(contract=True)
def add_weighted_rows(table, width, numbers, factors, count, out):
    """out [width] += the sum of factors[i] times row numbers[i]; width is a multiple of 64."""
    for c in range(0, width, HALF_BLOCK):
        s0 = load(out, c)
        s1 = load(out, c + 16)
        s2 = load(out, c + 32)
        s3 = load(out, c + 48)
        for i in range(count):
            at = numbers[i] * width + c
            x = spread(factors, i)
            s0, s1 = s0 + x * load(table, at), s1 + x * load(table, at + 16)
            s2, s3 = s2 + x * load(table, at + 32), s3 + x * load(table, at + 48)
        store_4(out, c, s0, s1, s2, s3)


@kernel()
def store_4(out, at, first, second, third, fourth):
    """Write 64 numbers, given as four vectors, to out[at : at + 64]."""
    store(out, at, first)
    store(out, at + LANES, second)
    store(out, at + 2 * LANES, third)
    store(out, at + 3 * LANES, fourth)


@kernel()
def add_4(table, at, first, second, third, fourth):
    """Add 64 numbers, given as four vectors, to table[at : at + 64]."""
    store(table, at, load(table, at) + first)
    store(table, at + LANES, load(table, at + LANES) + second)
    store(table, at + 2 * LANES, load(table, at + 2 * LANES) + third)
    store(table, at + 3 * LANES, load(table, at + 3 * LANES) + fourth)


@kernel()
def clip(x):
    """min(max(x, 0), 1) in every lane."""
    one = splat(1.0)
    return one - relu(one - relu(x))


@kernel(contract=True)
def pair_products(accumulator, units, out, at):
    """out[at : at + U] = the clipped first half of accumulator [2 U] times its clipped second half."""
    for c in range(0, units, LANES):
        store(out, at + c, clip(load(accumulator, c)) * clip(load(accumulator, units + c)))


@kernel(contract=True)
def score_row(table, at, x, x_at, units):
    """Dot product of the row table[at : at + units] and x[x_at : x_at + units]; units is a multiple
    of 64.
    """
    s0 = s1 = s2 = s3 = splat(0.0)
    for c in range(0, units, HALF_BLOCK):
        s0 = s0 + load(table, at + c) * load(x, x_at + c)
        s1 = s1 + load(table, at + c + 16) * load(x, x_at + c + 16)
        s2 = s2 + load(table, at + c + 32) * load(x, x_at + c + 32)
        s3 = s3 + load(table, at + c + 48) * load(x, x_at + c + 48)
    return lane_sum((s0 + s1) + (s2 + s3))


@kernel()
def softmax_of_3(logits, probabilities):
    """Write the softmax of the first three logits to probabilities, float32 [3]."""
    largest = max(logits[0], logits[1], logits[2])
    total = np.float32(0)
    for k in range(3):
        probabilities[k] = np.float32(exp(np.float64(logits[k] - largest)))
        total += probabilities[k]
    for k in range(3):
        probabilities[k] /= total
