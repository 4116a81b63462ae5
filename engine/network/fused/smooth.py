"""Activations of sixteen floats at once, built on an exponential that uses only multiply-adds."""

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, minimum, relu, splat, store
from engine.native.smooth_lanes import exp_lanes, sigmoid_lanes
from engine.nn.layers.activations import SELU_ALPHA, SELU_SCALE

MISH_LIMIT = 20.0  # Above this, mish x = x in float32.
# Activation codes.
IDENTITY = 0
RELU = 1
SQUARED_RELU = 2
MISH = 3
SWISH = 4
SELU = 5
TANH = 6
SIGMOID = 7
ACTIVATION_CODES = {
    "identity": IDENTITY, "relu": RELU, "squared_relu": SQUARED_RELU, "mish": MISH,
    "swish": SWISH, "selu": SELU, "tanh": TANH, "sigmoid": SIGMOID,
}  # fmt: skip


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
        return x * sigmoid_lanes(x)
    if act == SELU:
        return selu_lanes(x)
    if act == TANH:
        return splat(2.0) * sigmoid_lanes(x + x) - splat(1.0)
    if act == SIGMOID:
        return sigmoid_lanes(x)
    return x
