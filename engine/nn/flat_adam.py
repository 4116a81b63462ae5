"""AdamW over one flat vector of parameters, its running average included, in one pass over the memory.

For tables of millions of numbers the arithmetic of a step is nothing and its traffic everything: six vectors are read,
and five written, once.

Rows of a table that mean nearly the same may share a part: row r = own part of r + part of its group. Only the sum is
kept. By the chain rule the shared part's gradient is the sum over its rows; it takes an Adam step of its own, which is
added to all of them. So a rarely seen row learns from its relatives, and nothing is paid when playing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class FlatState(NamedTuple):
    """Vectors float32 [n] of a training in progress."""

    parameters: np.ndarray
    gradients: np.ndarray  # the step's; `adam_step` leaves zeros
    mean: np.ndarray
    square: np.ndarray
    average: np.ndarray  # exponential moving average of the parameters


class SharedRows(NamedTuple):
    """A table [outer, rows, inner, width] from parameter `start` on: the rows of one (outer, inner) share a part."""

    start: int
    inner: int
    rows: int
    width: int
    mean: np.ndarray  # float32 [outer * inner * width] moments of the shared parts
    square: np.ndarray


class AdamRates(NamedTuple):
    """Numbers of one step, t counted from 1."""

    rate: float  # learning rate / (1 - beta1^t)
    decay: float  # what a parameter is multiplied with: 1 - learning rate * weight decay
    beta1: float
    beta2: float
    correction: float  # 1 / sqrt(1 - beta2^t)
    epsilon: float
    average_share: float  # of the new parameters in the average


def adam_rates(step: int, rate: float, weight_decay: float, average_decay: float) -> AdamRates:
    """The numbers of step t = `step` >= 1; the mathematics are those of `optimizers.AdamW`."""
    corrected = rate / (1 - BETA1**step)
    decay = 1 - rate * weight_decay
    return AdamRates(corrected, decay, BETA1, BETA2, 1 / math.sqrt(1 - BETA2**step), EPSILON, 1 - average_decay)


@kernel()
def adam_step(state, first, last, rates):
    """One step of the parameters first..last-1.

    m <- b1 m + (1 - b1) g      v <- b2 v + (1 - b2) g^2      p <- decay p - rate m / (correction sqrt(v) + epsilon)
    """
    beta1, beta2 = np.float32(rates.beta1), np.float32(rates.beta2)
    rest1, rest2 = np.float32(1 - rates.beta1), np.float32(1 - rates.beta2)
    rate, decay, share = np.float32(rates.rate), np.float32(rates.decay), np.float32(rates.average_share)
    correction, epsilon = np.float32(rates.correction), np.float32(rates.epsilon)
    for i in range(first, last):
        g = state.gradients[i]
        m = beta1 * state.mean[i] + rest1 * g
        v = beta2 * state.square[i] + rest2 * g * g
        p = decay * state.parameters[i] - rate * m / (correction * np.sqrt(v) + epsilon)
        state.gradients[i] = np.float32(0)
        state.mean[i] = m
        state.square[i] = v
        state.parameters[i] = p
        state.average[i] += share * (p - state.average[i])


@kernel()
def shared_step(state, shared, first, last, rates, total):
    """The step of the shared parts of groups first..last-1, before `adam_step`; `total` float32 [width] is scratch."""
    width = shared.width
    stride = shared.inner * width
    for group in range(first, last):
        row = shared.start + (group // shared.inner * shared.rows * shared.inner + group % shared.inner) * width
        total[:] = 0
        for k in range(shared.rows):
            at = row + k * stride
            for c in range(width):
                total[c] += state.gradients[at + c]
        _moments(shared.mean, shared.square, group * width, total, rates)
        for k in range(shared.rows):
            at = row + k * stride
            for c in range(width):
                state.parameters[at + c] -= total[c]


@kernel()
def _moments(mean, square, start, change, rates):
    """Turn gradients float32 [width] into what Adam subtracts, in place."""
    beta1, beta2 = np.float32(rates.beta1), np.float32(rates.beta2)
    rest1, rest2 = np.float32(1 - rates.beta1), np.float32(1 - rates.beta2)
    rate, correction, epsilon = np.float32(rates.rate), np.float32(rates.correction), np.float32(rates.epsilon)
    for c in range(len(change)):
        g = change[c]
        m = beta1 * mean[start + c] + rest1 * g
        v = beta2 * square[start + c] + rest2 * g * g
        mean[start + c] = m
        square[start + c] = v
        change[c] = rate * m / (correction * np.sqrt(v) + epsilon)
