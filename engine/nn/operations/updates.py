"""The elementwise updates of training as kernels: one pass over memory, whose traffic is all that a step costs.

Arrays are float32 and flat; every kernel takes the numbers first..last-1, so that threads may share a parameter. The
arithmetic is that of the plain array code beside which they are used, operation by operation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.pool import ThreadPool

STRETCH = 1 << 18  # numbers that a thread updates at a time


class AdamRates(NamedTuple):
    """Numbers of one step of Adam, t counted from 1."""

    beta1: float
    beta2: float
    keep: float  # what a parameter is multiplied with first: 1 - learning rate * decoupled weight decay
    scale: float  # learning rate * sqrt(1 - beta2^t) / (1 - beta1^t)
    epsilon: float  # times sqrt(1 - beta2^t)


@kernel()
def adam_change(gradient, mean, square, i, rates):
    """Move both moments [i] and return what Adam subtracts: scale m / (sqrt(v) + epsilon)."""
    m = np.float32(rates.beta1) * mean[i] + np.float32(1 - rates.beta1) * gradient
    v = np.float32(rates.beta2) * square[i] + np.float32(1 - rates.beta2) * (gradient * gradient)
    mean[i] = m
    square[i] = v
    return m / (np.sqrt(v) + np.float32(rates.epsilon)) * np.float32(rates.scale)


@kernel()
def adam_step(parameter, gradient, mean, square, first, last, rates):
    """m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      p <- keep p - scale m / (sqrt(v) + epsilon)"""
    keep = np.float32(rates.keep)
    for i in range(first, last):
        parameter[i] = keep * parameter[i] - adam_change(gradient[i], mean, square, i, rates)


@kernel()
def shared_adam_step(parameter, gradient, mean, square, rows, inner, first, last, rates, total):
    """The step of the parts that rows share, for the groups first..last-1; `total` float32 [width] is scratch.

    The table is [outer, rows, inner, width], a group is one (outer, inner), its moments lie at group * width.
    """
    width = len(total)
    for group in range(first, last):
        start = (group // inner * rows * inner + group % inner) * width
        total[:] = 0
        for k in range(rows):
            at = start + k * inner * width
            for c in range(width):
                total[c] += gradient[at + c]
        for c in range(width):
            total[c] = adam_change(total[c], mean, square, group * width + c, rates)
        for k in range(rows):
            at = start + k * inner * width
            for c in range(width):
                parameter[at + c] -= total[c]


@kernel()
def average_step(average, parameter, first, last, share):
    """a <- a + share (p - a)"""
    share = np.float32(share)
    for i in range(first, last):
        average[i] += (parameter[i] - average[i]) * share


def on_stretches(pool: ThreadPool | None, size: int, stretch: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(first, last)`` for the stretches of range(size), on the threads of the pool if there is one."""
    parts = pairwise([*range(0, size, stretch), size])
    if pool is None:
        for first, last in parts:
            work(first, last)
    else:
        pool.map(lambda part: work(*part), parts)


def flat_views(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """The arrays as flat views in the order of their memory; None unless all are float32, of one layout, without gaps.

    Arrays in other memory than NumPy's have none either.
    """
    like = arrays[0]
    if not all(isinstance(one, np.ndarray) and one.dtype == np.float32 for one in arrays):
        return None
    if not all(one.shape == like.shape and one.strides == like.strides for one in arrays):
        return None
    order = sorted(range(like.ndim), key=lambda axis: -like.strides[axis])
    views = [one.transpose(order) for one in arrays]
    if not all(view.flags.c_contiguous and view.flags.writeable for view in views):
        return None
    return [view.reshape(-1) for view in views]
