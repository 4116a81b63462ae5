"""Kernels for batch norm and the ends of residual blocks over images [N, C]: N squares of all
images, C channels each.

All arrays are flat float32; in the residual blocks, C is a multiple of 16 lanes. The kernels walk
the squares in blocks that fit the first-level cache. Sums over a block are single precision; sums
of blocks are double precision.
"""

import math

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    load,
    load_part,
    relu,
    splat,
    store,
    store_part,
    where_positive,
)

BLOCK = 64  # squares per block: 16 KB at 64 channels


@kernel(contract=True)
def moments(x, channels, mean, variance):
    """Compute the mean and biased variance of each channel; float64 [C] each.

    Deviations are taken from the first block's mean, so a large mean costs no digits of the
    variance.
    """
    squares = len(x) // channels
    shift = np.empty(LANES, np.float32)
    total = np.empty(LANES, np.float32)
    square_total = np.empty(LANES, np.float32)
    for c in range(0, channels, LANES):
        count = min(channels - c, LANES)
        shift[:] = 0.0
        _block_moments(x, channels, c, 0, min(BLOCK, squares), shift, shift, square_total)
        for lane in range(count):
            shift[lane] /= np.float32(min(BLOCK, squares))
            mean[c + lane] = variance[c + lane] = 0.0
        for first in range(0, squares, BLOCK):
            _block_moments(
                x, channels, c, first, min(first + BLOCK, squares), shift, total, square_total
            )
            for lane in range(count):
                mean[c + lane] += total[lane]
                variance[c + lane] += square_total[lane]
        for lane in range(count):
            offset = mean[c + lane] / squares
            variance[c + lane] = max(variance[c + lane] / squares - offset * offset, 0.0)
            mean[c + lane] = shift[lane] + offset


@kernel(contract=True)
def _block_moments(x, channels, c, first, last, shift, total, square_total):
    origin = load(shift, 0)
    acc = splat(0.0)
    square_acc = splat(0.0)
    count = min(channels - c, LANES)
    for square in range(first, last):
        value = load_part(x, square * channels + c, count, origin) - origin
        acc = acc + value
        square_acc = square_acc + value * value
    store(total, 0, acc)
    store(square_total, 0, square_acc)


@kernel(contract=True)
def _terms_at(terms, c, count):
    zero = splat(0.0)
    mean = load_part(terms[0], c, count, zero)
    scale = load_part(terms[1], c, count, zero)
    return mean, scale, load_part(terms[2], c, count, zero)


@kernel(contract=True)
def normalise(x, channels, terms, rectify, y):
    """y = scale (x - mean) + beta, then max(., 0) with `rectify`; terms [3, C]: mean, scale and
    beta.
    """
    squares = len(x) // channels
    zero = splat(0.0)
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            count = min(channels - c, LANES)
            m, s, b = _terms_at(terms, c, count)
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                value = (load_part(x, at, count, zero) - m) * s + b
                if rectify:
                    value = relu(value)
                store_part(y, at, value, count)


@kernel(contract=True)
def norm_sums(x, dy, channels, terms, rectify, sums):
    """Sum dz and dz (x - mean) over the board squares, float64 [2, C]; dz is dy where the norm's
    result is > 0.
    """
    squares = len(x) // channels
    zero = splat(0.0)
    block, weighted_block = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    sums[:] = 0.0
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            count = min(channels - c, LANES)
            m, s, b = _terms_at(terms, c, count)
            acc, weighted_acc = zero, zero
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                centred = load_part(x, at, count, zero) - m
                dz = load_part(dy, at, count, zero)
                if rectify:
                    dz = where_positive(centred * s + b, dz)
                acc = acc + dz
                weighted_acc = weighted_acc + dz * centred
            store(block, 0, acc)
            store(weighted_block, 0, weighted_acc)
            for lane in range(count):
                sums[0, c + lane] += block[lane]
                sums[1, c + lane] += weighted_block[lane]


@kernel(contract=True)
def norm_input_gradient(x, dy, channels, terms, factors, rectify, dx):
    """dx = scale dz + slope (x - mean) + constant, with dz as in `norm_sums`; factors [2, C]: slope
    and constant.
    """
    squares = len(x) // channels
    zero = splat(0.0)
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            count = min(channels - c, LANES)
            m, s, b = _terms_at(terms, c, count)
            k, o = load_part(factors[0], c, count, zero), load_part(factors[1], c, count, zero)
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                centred = load_part(x, at, count, zero) - m
                dz = load_part(dy, at, count, zero)
                if rectify:
                    dz = where_positive(centred * s + b, dz)
                store_part(dx, at, dz * s + (centred * k + o), count)


@kernel(contract=True)
def batch_norm(x, channels, gamma, beta, epsilon, rectify, statistics, terms, y):
    """Normalise a batch; return whether its variances are finite.

    Fills `statistics` float64 [2, C], mean and variance, and the `terms` of `normalise`,
    float32 [3, C].
    """
    moments(x, channels, statistics[0], statistics[1])
    for c in range(channels):
        terms[0, c] = statistics[0, c]
        terms[1, c] = gamma[c] / math.sqrt(statistics[1, c] + epsilon)
        terms[2, c] = beta[c]
        if not math.isfinite(statistics[1, c]):
            return False
    normalise(x, channels, terms, rectify, y)
    return True


@kernel(contract=True)
def batch_norm_gradient(x, dy, channels, gamma, epsilon, rectify, statistics, terms, dx, slopes):
    """Compute dx, and dgamma and dbeta as `slopes` float32 [2, C], from what `batch_norm` filled.

    With n squares and f = 1 / sqrt(variance + epsilon):
        dx = gamma f (dz - dbeta / n - (x - mean) f dgamma / n)
    """
    squares = len(x) // channels
    sums, factors = np.empty((2, channels)), np.empty((2, channels), np.float32)
    norm_sums(x, dy, channels, terms, rectify, sums)
    for c in range(channels):
        factor = 1 / math.sqrt(statistics[1, c] + epsilon)
        dgamma = sums[1, c] * factor
        slopes[0, c] = dgamma
        slopes[1, c] = sums[0, c]
        factors[0, c] = -gamma[c] * factor * factor * dgamma / squares
        factors[1, c] = -gamma[c] * factor * sums[0, c] / squares
    norm_input_gradient(x, dy, channels, terms, factors, rectify, dx)


@kernel(contract=True)
def gated_sum(x, scale, shift, skip, channels, squares, rectify, y):
    """y = scale x + shift + skip, then max(., 0) with `rectify`; scale and shift are [B, C]."""
    for image in range(len(scale) // channels):
        for c in range(0, channels, LANES):
            s, t = load(scale, image * channels + c), load(shift, image * channels + c)
            for square in range(squares):
                at = (image * squares + square) * channels + c
                value = load(x, at) * s + (t + load(skip, at))
                if rectify:
                    value = relu(value)
                store(y, at, value)


@kernel(contract=True)
def gate_gradients(x, y, dy, channels, squares, rectify, dskip, dscale, dshift):
    """dskip = dy (where y > 0 with `rectify`); over an image, dscale = sum of x dskip and dshift =
    sum of dskip.
    """
    for image in range(len(dscale) // channels):
        for c in range(0, channels, LANES):
            scale_acc, shift_acc = splat(0.0), splat(0.0)
            for square in range(squares):
                at = (image * squares + square) * channels + c
                d = load(dy, at)
                if rectify:
                    d = where_positive(load(y, at), d)
                store(dskip, at, d)
                shift_acc = shift_acc + d
                scale_acc = scale_acc + d * load(x, at)
            store(dscale, image * channels + c, scale_acc)
            store(dshift, image * channels + c, shift_acc)


@kernel(contract=True)
def scale_images(dskip, scale, constant, channels, squares, dx):
    """dx = scale dskip + constant; scale and constant are [B, C]."""
    for image in range(len(scale) // channels):
        for c in range(0, channels, LANES):
            s, t = load(scale, image * channels + c), load(constant, image * channels + c)
            for square in range(squares):
                at = (image * squares + square) * channels + c
                store(dx, at, load(dskip, at) * s + t)
