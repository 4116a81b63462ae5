"""The exponential and the logistic function of sixteen floats at once, with nothing but
multiply-adds.
"""

from __future__ import annotations

from engine.native.jit import kernel
from engine.native.lanes import minimum, scale_by_power, splat

LOG2_E = 1.4426950408889634
# Ln 2 in two parts: a number with so few bits that its multiples up to 127 are exact, and the
# remainder.
LN2_HIGH, LN2_LOW = 0.693359375, -2.12194440e-4
ROUND = 12582912.0  # 1.5 * 2^23; adding a number to this rounds the number to an integer.
LIMIT = 87.0  # e^-87 is about the smallest normal float32.


@kernel(contract=True)
def exp_lanes(x):
    """e^x with a relative error of 1e-7, for x <= 88; below -87 it stays at e^-87. NaN stays NaN.

    e^x = 2^n e^r with |r| <= ln 2 / 2; the polynomial for e^r is that of Moshier's Cephes library.
    """
    x = splat(0.0) - minimum(splat(LIMIT), splat(0.0) - x)
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
def sigmoid_lanes(x):
    """1 / (1 + e^-x)."""
    return splat(1.0) / (splat(1.0) + exp_lanes(minimum(splat(LIMIT), splat(0.0) - x)))
