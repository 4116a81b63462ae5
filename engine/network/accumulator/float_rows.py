"""The arithmetic of training, and of small layers in play: accumulate rows, activate, score rows.
Flat float32 arrays.

A block of columns stays in registers while the rows stream by; every sum has one fixed order.
"""

import numpy as np

from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    complement,
    lane_sum,
    load,
    load_64,
    relu,
    splat,
    spread,
    spread_64,
    store,
    where_positive,
)

BLOCK = 128  # columns of the accumulator in registers at once
HALF_BLOCK = 64


@kernel(contract=True)
def add_rows(table, width, numbers, count, start, out):
    """out [width] = start + the sum of rows numbers[:count] of table [rows, width]; width is a
    multiple of BLOCK.
    """
    for c in range(0, width, BLOCK):
        low = load_64(start, c)
        high = load_64(start, c + HALF_BLOCK)
        for i in range(count):
            at = numbers[i] * width + c
            low = low + load_64(table, at)
            high = high + load_64(table, at + HALF_BLOCK)
        store(out, c, low)
        store(out, c + HALF_BLOCK, high)


@kernel(contract=True)
def add_weighted_rows(table, width, numbers, factors, count, out):
    """out [width] += the sum of factors[i] times row numbers[i]; width is a multiple of HALF_BLOCK."""
    for c in range(0, width, HALF_BLOCK):
        total = load_64(out, c)
        for i in range(count):
            total = total + spread_64(factors, i) * load_64(table, numbers[i] * width + c)
        store(out, c, total)


@kernel()
def add_64(table, at, numbers):
    """Add 64 numbers to table[at : at + 64]."""
    store(table, at, load_64(table, at) + numbers)


@kernel()
def clip(x):
    """min(max(x, 0), 1) in every lane."""
    return complement(relu(complement(relu(x))))


@kernel(contract=True)
def pair_products(accumulator, units, out, at):
    """out[at : at + U] = the clipped first half of accumulator [2 U] times its clipped second half."""
    for c in range(0, units, LANES):
        store(out, at + c, clip(load(accumulator, c)) * clip(load(accumulator, units + c)))


@kernel(contract=True)
def factor_gradient(a, b, dy):
    """Return the gradient of a, where y = clip(a) clip(b)."""
    return where_positive(a, where_positive(complement(a), dy * clip(b)))


@kernel(contract=True)
def score_row(table, at, x, x_at, units):
    """Dot product of the row table[at : at + units] and x[x_at : x_at + units]; units is a multiple
    of HALF_BLOCK, which is 4 LANES.
    """
    s0 = s1 = s2 = s3 = splat(0.0)
    for c in range(0, units, HALF_BLOCK):
        s0 = s0 + load(table, at + c) * load(x, x_at + c)
        s1 = s1 + load(table, at + c + LANES) * load(x, x_at + c + LANES)
        s2 = s2 + load(table, at + c + 2 * LANES) * load(x, x_at + c + 2 * LANES)
        s3 = s3 + load(table, at + c + 3 * LANES) * load(x, x_at + c + 3 * LANES)
    return lane_sum((s0 + s1) + (s2 + s3))


@kernel()
def last_layer(inputs, weight, bias, version, outputs):
    """Write to outputs [LANES] one version of a dense layer that is stored by input."""
    total = load(bias, version * LANES)
    for k in range(len(inputs)):
        total = total + spread(inputs, k) * load(weight, (version * len(inputs) + k) * LANES)
    store(outputs, 0, total)


@kernel()
def softmax_of_3(logits, probabilities):
    """Write the softmax of the first three logits to probabilities, float32 [3]."""
    largest = max(max(logits[0], logits[1]), logits[2])
    total = np.float32(0)
    for k in range(3):
        probabilities[k] = np.float32(exp(np.float64(logits[k] - largest)))
        total += probabilities[k]
    for k in range(3):
        probabilities[k] /= total
