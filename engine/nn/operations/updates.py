"""Kernels for the elementwise updates of training. Each makes one pass over memory; memory traffic
is their whole cost.

Arrays are float32 and flat. Every kernel updates elements first..last-1, so several threads can
share a parameter. The arithmetic matches that of the plain array code in the callers, operation by
operation.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, minimum, splat, square_root, store
from engine.native.pool import ThreadPool

SQUARABLE = np.float32(1e19)  # a gradient's element beyond it counts as that; its square is finite
STRETCH = 1 << 18  # elements that a thread updates at a time


class AdamRates(NamedTuple):
    """The constants of one Adam step; t counts from 1."""

    beta1: float
    beta2: float
    keep: float  # first factor on a parameter: 1 - learning rate * decoupled weight decay
    scale: float  # learning rate * sqrt(1 - beta2^t) / (1 - beta1^t)
    epsilon: float  # Adam's epsilon * sqrt(1 - beta2^t)


@kernel()
def adam_change(gradient, mean, square, i, rates):
    """Update both moments at [i] and return the amount that Adam subtracts: scale m / (sqrt(v) +
    epsilon).
    """
    gradient = SQUARABLE if gradient > SQUARABLE else gradient  # NaN stays NaN
    gradient = -SQUARABLE if gradient < -SQUARABLE else gradient
    m = np.float32(rates.beta1) * mean[i] + np.float32(1 - rates.beta1) * gradient
    v = np.float32(rates.beta2) * square[i] + np.float32(1 - rates.beta2) * (gradient * gradient)
    mean[i] = m
    square[i] = v
    return m / (np.sqrt(v) + np.float32(rates.epsilon)) * np.float32(rates.scale)


@kernel()
def adam_step(parameter, gradient, mean, square, first, last, rates):
    """m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      p <- keep p - scale m / (sqrt(v) +
    epsilon)
    """
    keep = np.float32(rates.keep)
    for i in range(first, last):
        parameter[i] = keep * parameter[i] - adam_change(gradient[i], mean, square, i, rates)


@kernel()
def shared_adam_step(
    parameter, gradient, own, shared, rows, inner, first, last, rates, shared_rates, total
):
    """Step the rows of groups first..last-1, and the parts that they share; `total` float32 [width]
    is scratch.

    The table is [outer, rows, inner, width]. A group is one (outer, inner); its moments start at
    group * width of `shared`, (mean, square), and those of its rows lie in `own` as the rows do.
    """
    width = len(total)
    keep = splat(rates.keep)
    for group in range(first, last):
        start = (group // inner * rows * inner + group % inner) * width
        for c in range(0, width, LANES):
            slope = splat(0.0)
            for k in range(rows):
                slope = slope + load(gradient, start + k * inner * width + c)
            store(total, c, _change_of_lanes(slope, *shared, group * width + c, shared_rates))
        for k in range(rows):
            at = start + k * inner * width
            for c in range(0, width, LANES):
                change = _change_of_lanes(load(gradient, at + c), *own, at + c, rates)
                store(parameter, at + c, keep * (load(parameter, at + c) - load(total, c)) - change)


@kernel()
def _change_of_lanes(gradient, mean, square, i, rates):
    """`adam_change` for sixteen elements, from [i] on."""
    limit, zero = splat(SQUARABLE), splat(0.0)
    # The second operand is kept where it is NaN.
    gradient = zero - minimum(limit, zero - minimum(limit, gradient))
    m = splat(rates.beta1) * load(mean, i) + splat(1 - rates.beta1) * gradient
    v = splat(rates.beta2) * load(square, i) + splat(1 - rates.beta2) * (gradient * gradient)
    store(mean, i, m)
    store(square, i, v)
    return m / (square_root(v) + splat(rates.epsilon)) * splat(rates.scale)


@kernel()
def average_step(average, parameter, share, first, last):
    """Set a <- a + share (p - a)."""
    share = np.float32(share)
    for i in range(first, last):
        average[i] += (parameter[i] - average[i]) * share


def on_stretches(
    pool: ThreadPool | None, size: int, stretch: int, work: Callable[[int, int], None]
) -> None:
    """Call `work(first, last)` for each stretch of range(size), on the threads of `pool` if given."""
    if size <= stretch:
        work(0, size)
        return
    parts = pairwise([*range(0, size, stretch), size])
    if pool is None:
        for first, last in parts:
            work(first, last)
    else:
        pool.map(lambda part: work(*part), parts)


def flat_views(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """Return flat views in memory order, or None unless all arrays are float32, of one layout and
    without gaps.

    The result is also None for arrays that are not NumPy's.
    """
    like = arrays[0]
    order = np.argsort([-stride for stride in like.strides], kind="stable")
    views = []
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.dtype != np.float32:
            return None
        if array.shape != like.shape or array.strides != like.strides:
            return None
        view = array.transpose(order)
        if not (view.flags.c_contiguous and view.flags.writeable):
            return None
        views.append(view.reshape(-1))
    return views
