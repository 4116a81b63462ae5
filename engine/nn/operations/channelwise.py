"""Kernels for batch norm and the ends of residual blocks over images [N, C]: N squares of all
images, C channels each.

All arrays are flat float32, and C is a multiple of 16 lanes. The kernels walk the squares in blocks
that fit the first-level cache. Sums over a block are single precision; sums of blocks are double
precision.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, store, where_positive

BLOCK = 64  # squares per block: 16 KB at 64 channels


@kernel(contract=True)
def moments(x, channels, mean, variance):
    """Compute the mean and biased variance of each channel; float64 [C] each.

    Deviations are taken from the first block's mean, so a large mean costs no digits of the
    variance.
    """
    squares = len(x) // channels
    shift, total, square_total = (
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
        np.empty(LANES, np.float32),
    )
    for c in range(0, channels, LANES):
        shift[:] = 0.0
        _block_moments(x, channels, c, 0, min(BLOCK, squares), shift, shift, square_total)
        for lane in range(LANES):
            shift[lane] /= np.float32(min(BLOCK, squares))
            mean[c + lane] = variance[c + lane] = 0.0
        for first in range(0, squares, BLOCK):
            _block_moments(
                x, channels, c, first, min(first + BLOCK, squares), shift, total, square_total
            )
            for lane in range(LANES):
                mean[c + lane] += total[lane]
                variance[c + lane] += square_total[lane]
        for lane in range(LANES):
            offset = mean[c + lane] / squares
            variance[c + lane] = max(variance[c + lane] / squares - offset * offset, 0.0)
            mean[c + lane] = shift[lane] + offset


@kernel(contract=True)
def _block_moments(x, channels, c, first, last, shift, total, square_total):
    origin, acc, square_acc = load(shift, 0), splat(0.0), splat(0.0)
    for square in range(first, last):
        value = load(x, square * channels + c) - origin
        acc = acc + value
        square_acc = square_acc + value * value
    store(total, 0, acc)
    store(square_total, 0, square_acc)


@kernel(contract=True)
def normalise(x, channels, mean, scale, beta, rectify, y):
    """y = scale (x - mean) + beta, then max(., 0) with `rectify`; mean, scale and beta are [C]."""
    squares = len(x) // channels
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            m, s, b = load(mean, c), load(scale, c), load(beta, c)
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                value = (load(x, at) - m) * s + b
                if rectify:
                    value = relu(value)
                store(y, at, value)


@kernel(contract=True)
def norm_sums(x, dy, channels, mean, scale, beta, rectify, total, weighted):
    """Sum dz and dz (x - mean) over the board squares, float64 [C]; dz is dy where the norm's
    result is > 0.
    """
    squares = len(x) // channels
    block, weighted_block = np.empty(LANES, np.float32), np.empty(LANES, np.float32)
    total[:] = 0.0
    weighted[:] = 0.0
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            m, s, b = load(mean, c), load(scale, c), load(beta, c)
            acc, weighted_acc = splat(0.0), splat(0.0)
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                centred, dz = load(x, at) - m, load(dy, at)
                if rectify:
                    dz = where_positive(centred * s + b, dz)
                acc = acc + dz
                weighted_acc = weighted_acc + dz * centred
            store(block, 0, acc)
            store(weighted_block, 0, weighted_acc)
            for lane in range(LANES):
                total[c + lane] += block[lane]
                weighted[c + lane] += weighted_block[lane]


@kernel(contract=True)
def norm_input_gradient(x, dy, channels, mean, scale, beta, slope, constant, rectify, dx):
    """dx = scale dz + slope (x - mean) + constant, with dz as in `norm_sums`; slope and constant
    are [C].
    """
    squares = len(x) // channels
    for first in range(0, squares, BLOCK):
        for c in range(0, channels, LANES):
            m, s, b = load(mean, c), load(scale, c), load(beta, c)
            k, o = load(slope, c), load(constant, c)
            for at in range(first * channels + c, min(first + BLOCK, squares) * channels, channels):
                centred, dz = load(x, at) - m, load(dy, at)
                if rectify:
                    dz = where_positive(centred * s + b, dz)
                store(dx, at, dz * s + (centred * k + o))


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
