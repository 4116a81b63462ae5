"""Kernels over the rows of flat float32 arrays: softmax, layer norm, embeddings and the steps of
recurrent layers.
"""

import math

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    lane_sum,
    load,
    load_part,
    minimum,
    splat,
    store,
    store_part,
    where_positive,
)
from engine.native.smooth_lanes import LIMIT, exp_lanes, sigmoid_lanes

BLOCK = 64  # rows whose sums are single precision; sums of blocks are double precision


@kernel(contract=True)
def largest_in_row(x, first, end, least):
    """Return the largest number of x[first:end]; `least` float32 [16] is scratch. NaN may be passed
    over.
    """
    zero, none = splat(0.0), splat(np.float32(-np.inf))
    lowest = zero - none
    for at in range(first, end, LANES):
        lowest = minimum(lowest, zero - load_part(x, at, min(end - at, LANES), none))
    store(least, 0, lowest)
    bound = np.float32(np.inf)
    for lane in range(LANES):
        bound = min(bound, least[lane])
    return -bound


@kernel(contract=True)
def powers_of_row(x, first, end, top, y):
    """Write e^(x - top) to the same places of y, and return their sum, which is NaN if one of x is."""
    total = splat(0.0)
    zero = splat(0.0)
    none = splat(np.float32(-np.inf))
    for at in range(first, end, LANES):
        count = min(end - at, LANES)
        power = load_part(x, at, count, none) - top
        e = exp_lanes(power)
        share = where_positive(power + splat(LIMIT), e)
        store_part(y, at, share, count)
        total = total + share + e * zero  # the last term keeps NaN
    return lane_sum(total)


@kernel(contract=True)
def softmax_in_place(x, width, least):
    """Turn each row into its softmax in place; a row of -infinity becomes 0; `least` float32 [16]
    is scratch.
    """
    zero = splat(0.0)
    for row in range(0, len(x), width):
        end = row + width
        top = largest_in_row(x, row, row + width, least)
        if not top > np.float32(-np.inf):
            top = np.float32(0)
        whole = powers_of_row(x, row, end, splat(top), x)
        factor = splat(np.float32(0))
        if whole != 0:
            factor = splat(np.float32(1) / whole)
        for at in range(row, end, LANES):
            count = min(end - at, LANES)
            store_part(x, at, load_part(x, at, count, zero) * factor, count)


@kernel(contract=True)
def softmax_gradient(slope, shares, width):
    """Turn the gradient of each row of shares P into that of its scores, in place: P (dP - sum of
    dP P).
    """
    zero = splat(0.0)
    for row in range(0, len(shares), width):
        total = zero
        end = row + width
        for at in range(row, end, LANES):
            count = min(end - at, LANES)
            total = total + load_part(slope, at, count, zero) * load_part(shares, at, count, zero)
        mean = splat(lane_sum(total))
        for at in range(row, end, LANES):
            count = min(end - at, LANES)
            change = load_part(slope, at, count, zero) - mean
            store_part(slope, at, change * load_part(shares, at, count, zero), count)


@kernel(contract=True)
def cross_entropy_rows(
    logits, classes, ignored, share, places, weights, smoothing, losses, gradient, least
):
    """Fill the loss of each row, and the gradient of their sum times `share`; return this sum.

    A row costs places[row] sum of -d ln softmax, with d = weights q and q = smoothing / A, to which
    its class adds 1 - smoothing. A row whose class is `ignored` costs nothing. `least` float32 [16]
    is scratch.
    """
    total_loss = 0.0
    width = len(weights)
    even = np.float32(smoothing / width)
    for row in range(len(classes)):
        first = row * width
        if classes[row] == ignored:
            losses[row] = 0
            gradient[first : first + width] = 0
            continue
        target = first + classes[row]
        own = (1 - smoothing) * weights[classes[row]]
        top = largest_in_row(logits, first, first + width, least)
        whole = powers_of_row(logits, first, first + width, splat(top), gradient)
        total, along = own, own * (np.float64(logits[target]) - np.float64(top))
        if smoothing:
            all_weights, all_terms = weighted_sums(logits, first, weights, splat(top))
            total += even * all_weights
            along += even * all_terms
        losses[row] = places[row] * (total * math.log(np.float64(whole)) - along)
        total_loss += losses[row]
        scale = share * places[row]
        factor = np.float32(scale * total) / whole
        scale_and_add(gradient, first, splat(factor), weights, splat(np.float32(-scale * even)))
        gradient[target] -= np.float32(scale * own)
    return total_loss


@kernel(contract=True)
def weighted_sums(x, first, weights, top):
    """Return the sums of the weights and of weights (x - top) in a row."""
    zero = splat(0.0)
    all_weights, all_terms = zero, zero
    for at in range(0, len(weights), LANES):
        count = min(len(weights) - at, LANES)
        weight = load_part(weights, at, count, zero)
        all_weights = all_weights + weight
        all_terms = all_terms + weight * (load_part(x, first + at, count, top) - top)
    return lane_sum(all_weights), lane_sum(all_terms)


@kernel(contract=True)
def scale_and_add(x, first, factor, weights, share):
    """Turn a row of x into factor x + share weights."""
    zero = splat(0.0)
    for at in range(0, len(weights), LANES):
        count = min(len(weights) - at, LANES)
        scaled = load_part(x, first + at, count, zero) * factor
        store_part(x, first + at, scaled + share * load_part(weights, at, count, zero), count)


@kernel(contract=True)
def row_moments(x, start, width, epsilon):
    """Return the mean of a row, and 1 / sqrt(variance + epsilon)."""
    total = splat(0.0)
    squares = splat(0.0)
    for c in range(0, width, LANES):
        total = total + load_part(x, start + c, min(width - c, LANES), splat(0.0))
    mean = lane_sum(total) / np.float32(width)
    middle = splat(mean)
    for c in range(0, width, LANES):
        off = load_part(x, start + c, min(width - c, LANES), middle) - middle
        squares = squares + off * off
    deviation = math.sqrt(lane_sum(squares) / np.float32(width) + epsilon)
    return mean, np.float32(1) / np.float32(deviation)


@kernel(contract=True)
def normalise_rows(x, gamma, beta, epsilon, y, mean, factor):
    """Layer norm of each row; notes its mean and 1 / sqrt(variance + epsilon)."""
    width = len(gamma)
    zero = splat(0.0)
    for row in range(len(mean)):
        start = row * width
        mean[row], factor[row] = row_moments(x, start, width, epsilon)
        middle, scale = splat(mean[row]), splat(factor[row])
        for c in range(0, width, LANES):
            count = min(width - c, LANES)
            h = (load_part(x, start + c, count, zero) - middle) * scale
            value = h * load_part(gamma, c, count, zero) + load_part(beta, c, count, zero)
            store_part(y, start + c, value, count)


@kernel(contract=True)
def normalise_planes(x, gamma, beta, groups, epsilon, y, mean, factor):
    """Group norm: a row has planes of some channels, each with its own gamma and beta; the rest is
    as in `normalise_rows`.
    """
    depth = len(gamma) // groups
    width = len(x) // len(mean)
    zero = splat(0.0)
    for row in range(len(mean)):
        mean[row], factor[row] = row_moments(x, row * width, width, epsilon)
        middle = splat(mean[row])
        for plane in range(depth):
            channel = row % groups * depth + plane
            scale, shift = splat(factor[row] * gamma[channel]), splat(beta[channel])
            start = row * width + plane * (width // depth)
            end = start + width // depth
            for at in range(start, end, LANES):
                count = min(end - at, LANES)
                value = (load_part(x, at, count, zero) - middle) * scale + shift
                store_part(y, at, value, count)


@kernel(contract=True)
def normalise_planes_gradient(dy, x, gamma, groups, mean, factor, dx, dgamma, dbeta):
    """Compute dx of `normalise_planes`, and add up dgamma and dbeta, float64 [C]."""
    depth = len(gamma) // groups
    width = len(x) // len(mean)
    size = width // depth
    zero = splat(0.0)
    for row in range(len(mean)):
        middle, scale = splat(mean[row]), splat(factor[row])
        shared, common = 0.0, 0.0
        for plane in range(depth):
            channel = row % groups * depth + plane
            start = row * width + plane * size
            total, along = sums_of_plane(dy, x, start, start + size, middle, scale)
            dbeta[channel] += total
            dgamma[channel] += along
            shared += gamma[channel] * total
            common += gamma[channel] * along
        mean_slope = splat(np.float32(shared / width))
        turn = splat(np.float32(common / width))
        for plane in range(depth):
            gain = splat(gamma[row % groups * depth + plane])
            start = row * width + plane * size
            for at in range(start, start + size, LANES):
                count = min(start + size - at, LANES)
                h = (load_part(x, at, count, zero) - middle) * scale
                g = load_part(dy, at, count, zero) * gain
                store_part(dx, at, (g - mean_slope - h * turn) * scale, count)


@kernel(contract=True)
def sums_of_plane(dy, x, start, end, middle, scale):
    """Return the sums of dy and of dy (x - middle) scale over some places."""
    zero = splat(0.0)
    total, along = zero, zero
    for at in range(start, end, LANES):
        count = min(end - at, LANES)
        d = load_part(dy, at, count, zero)
        h = (load_part(x, at, count, middle) - middle) * scale
        total, along = total + d, along + d * h
    return lane_sum(total), lane_sum(along)


@kernel(contract=True)
def normalise_gradient(dy, x, gamma, mean, factor, dx, part, sums):
    """Compute dx, and dgamma and dbeta as `sums` float64 [2 C]; `part` float32 [2 C] is scratch.
    All begin as zeros.
    """
    width = len(gamma)
    zero = splat(0.0)
    for row in range(len(mean)):
        start = row * width
        middle = splat(mean[row])
        scale = splat(factor[row])
        total, along = zero, zero
        for c in range(0, width, LANES):
            count = min(width - c, LANES)
            d = load_part(dy, start + c, count, zero)
            h = (load_part(x, start + c, count, middle) - middle) * scale
            g = d * load_part(gamma, c, count, zero)
            total, along = total + g, along + g * h
            store_part(part, c, load_part(part, c, count, zero) + d * h, count)
            more = load_part(part, width + c, count, zero) + d
            store_part(part, width + c, more, count)
        shared = splat(lane_sum(total) / np.float32(width))
        common = splat(lane_sum(along) / np.float32(width))
        for c in range(0, width, LANES):
            count = min(width - c, LANES)
            h = (load_part(x, start + c, count, middle) - middle) * scale
            g = load_part(dy, start + c, count, zero) * load_part(gamma, c, count, zero)
            store_part(dx, start + c, (g - shared - h * common) * scale, count)
        if row % BLOCK == BLOCK - 1 or row == len(mean) - 1:
            for i in range(2 * width):
                sums[i] += part[i]
                part[i] = 0


@kernel()
def add_at_places(rows, places, table):
    """table[places[b]] += rows[b], in the order of b; f32[B, D], i64[B], f32[N, D]."""
    for row in range(len(rows)):
        for column in range(table.shape[1]):
            table[places[row], column] += rows[row, column]


# ---- one step of LSTM and GRU, as in the docstrings of the layers --------------------------------
#
# A row holds H >= 16 units, or as many for each gate. Where 16 does not divide H, the last 16 units
# begin earlier, and some are computed twice: no array is both read and written.


@kernel(contract=True)
def _tanh_lanes(x):
    return splat(2.0) * sigmoid_lanes(x + x) - splat(1.0)


@kernel(contract=True)
def _gate(a, c, at):
    return sigmoid_lanes(load(a, at) + load(c, at))


@kernel(contract=True)
def lstm_step(a, c, before, size, gates, shown, h, memory):
    """Compute gates [B, 4 H], tanh of the memory, h and memory [B, H] from a, c [B, 4 H] and the
    memory before.
    """
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, i = row * size + unit, 4 * row * size + unit
            f = i + size
            o = i + 2 * size
            g = i + 3 * size
            write = _gate(a, c, i)
            forget = _gate(a, c, f)
            show = _gate(a, c, o)
            candidate = _tanh_lanes(load(a, g) + load(c, g))
            m = forget * load(before, at) + write * candidate
            tanh = _tanh_lanes(m)
            store(gates, i, write)
            store(gates, f, forget)
            store(gates, o, show)
            store(gates, g, candidate)
            store(shown, at, tanh)
            store(h, at, show * tanh)
            store(memory, at, m)


@kernel(contract=True)
def lstm_gradient(dh, dmemory, gates, shown, before, size, da, dbefore):
    """Compute da [B, 4 H] and the gradient of the memory before from those of h and memory."""
    one = splat(1.0)
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, i = row * size + unit, 4 * row * size + unit
            f = i + size
            o = i + 2 * size
            g = i + 3 * size
            write = load(gates, i)
            forget = load(gates, f)
            show = load(gates, o)
            candidate = load(gates, g)
            d, tanh = load(dh, at), load(shown, at)
            dm = load(dmemory, at) + d * show * (one - tanh * tanh)
            store(da, i, dm * candidate * write * (one - write))
            store(da, f, dm * load(before, at) * forget * (one - forget))
            store(da, o, d * tanh * show * (one - show))
            store(da, g, dm * write * (one - candidate * candidate))
            store(dbefore, at, dm * forget)


@kernel(contract=True)
def gru_step(a, c, bias, before, size, gates, recalled, h):
    """Compute gates [B, 3 H], c_n + e and h [B, H] from a, c [B, 3 H], the bias e [H] and h before."""
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, r = row * size + unit, 3 * row * size + unit
            z, n = r + size, r + 2 * size
            reset = _gate(a, c, r)
            keep = _gate(a, c, z)
            recall = load(c, n) + load(bias, unit)
            candidate = _tanh_lanes(load(a, n) + reset * recall)
            store(gates, r, reset)
            store(gates, z, keep)
            store(gates, n, candidate)
            store(recalled, at, recall)
            store(h, at, candidate + keep * (load(before, at) - candidate))


@kernel(contract=True)
def gru_gradient(dh, gates, recalled, before, size, da, dc, dbefore):
    """Compute da, dc [B, 3 H] and the direct part of the gradient of h before."""
    one = splat(1.0)
    for row in range(len(before) // size):
        for column in range(0, size, LANES):
            unit = min(column, size - LANES)
            at, r = row * size + unit, 3 * row * size + unit
            z, n = r + size, r + 2 * size
            d = load(dh, at)
            reset = load(gates, r)
            keep = load(gates, z)
            candidate = load(gates, n)
            dn = d * (one - keep) * (one - candidate * candidate)
            dz = d * (load(before, at) - candidate) * keep * (one - keep)
            dr = dn * load(recalled, at) * reset * (one - reset)
            store(da, r, dr)
            store(da, z, dz)
            store(da, n, dn)
            store(dc, r, dr)
            store(dc, z, dz)
            store(dc, n, dn * reset)
            store(dbefore, at, d * keep)
