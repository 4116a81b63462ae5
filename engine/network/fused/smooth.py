"""Activations of sixteen floats at once, built on an exponential that uses only multiply-adds."""

from __future__ import annotations

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, minimum, relu, scale_by_power, splat, store
from engine.nn.layers.activations import SELU_ALPHA, SELU_SCALE

LOG2_E = 1.4426950408889634
# Ln 2 in two parts: a number with so few bits that its multiples up to 127 are exact, and the remainder.
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
ROUND = 12582912.0  # 1.5 * 2^23; adding a number to this rounds the number to an integer.
LIMIT = 87.0  # e^-87 is about the smallest normal float32.
MISH_LIMIT = 20.0  # Above this, mish x = x in float32.
IDENTITY, RELU, SQUARED_RELU, MISH, SWISH, SELU, TANH, SIGMOID = range(8)
ACTIVATION_CODES = {
    "identity": IDENTITY, "relu": RELU, "squared_relu": SQUARED_RELU, "mish": MISH,
    "swish": SWISH, "selu": SELU, "tanh": TANH, "sigmoid": SIGMOID,
}  # fmt: skip


@kernel(contract=True)
def exp_lanes(x):
    """e^x with a relative error of 1e-7, for x <= 88; below -87 it stays at e^-87.

    e^x = 2^n e^r with |r| <= ln 2 / 2; the polynomial for e^r is that of Moshier's Cephes library.
    """
    x = splat(0.0) - minimum(splat(0.0) - x, splat(LIMIT))
    shifted = x * splat(LOG2_E) + splat(ROUND)
    n = shifted - splat(ROUND)
    r = x - n * splat(LN2_HIGH) - n * splat(LN2_LOW)
    p = splat(1.9875691500e-4) * r + splat(1.3981999507e-3)
    p = p * r + splat(8.3334519073e-3)
    p = p * r + splat(4.1665795894e-2)
    p = p * r + splat(1.6666665459e-1)
    p = p * r + splat(5.0000001201e-1)
    return scale_by_power(p * (r * r) + r + splat(1.0), shifted)


@kernel(contract=True)
def mish_lanes(x):
    """x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2)."""
    e = exp_lanes(minimum(x, splat(MISH_LIMIT)))
    n = e * (e + splat(2.0))
    return x * (n / (n + splat(2.0)))


@kernel(contract=True)
def selu_lanes(x):
    """s x where x > 0, else s a (e^x - 1)."""
    below = exp_lanes(minimum(x, splat(0.0))) - splat(1.0)
    return splat(SELU_SCALE) * relu(x) + splat(SELU_SCALE * SELU_ALPHA) * below


@kernel(contract=True)
def mish_in_place(array, start, count):
    """Apply mish in place to `count` floats, whole lanes, from array[start] on."""
    for i in range(start, start + count, LANES):
        store(array, i, mish_lanes(load(array, i)))


@kernel(contract=True)
def activate(x, bias, rows, act):
    """x = act(x + bias) in place, x [rows, columns of the bias]."""
    width = len(bias)
    for row in range(0, rows * width, width):
        for c in range(0, width, LANES):
            store(x, row + c, _act_lanes(load(x, row + c) + load(bias, c), act))


@kernel(contract=True)
def _act_lanes(x, act):
    if act == MISH:
        return mish_lanes(x)
    if act == RELU:
        return relu(x)
    if act == SQUARED_RELU:
        return relu(x) * relu(x)
    if act == SWISH:
        return x * _sigmoid_lanes(x)
    if act == SELU:
        return selu_lanes(x)
    if act == TANH:
        return splat(2.0) * _sigmoid_lanes(x + x) - splat(1.0)
    if act == SIGMOID:
        return _sigmoid_lanes(x)
    return x


@kernel(contract=True)
def _sigmoid_lanes(x):
    return splat(1.0) / (splat(1.0) + exp_lanes(minimum(splat(0.0) - x, splat(87.0))))
