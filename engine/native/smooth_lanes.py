"""The exponential, the logarithm and the logistic function of sixteen floats at once, with nothing
but multiply-adds and divisions.
"""

from engine.native.jit import kernel
from engine.native.lanes import minimum, scale_by_power, splat, where_positive

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
    shifted, r = _reduced(x)
    return scale_by_power(_exp_polynomial(r) * (r * r) + r + splat(1.0), shifted)


@kernel(contract=True)
def expm1_lanes(x):
    """e^x - 1 with a relative error of 2e-7, for x <= 88: 2^n (e^r - 1) + (2^n - 1)."""
    shifted, r = _reduced(x)
    power = scale_by_power(splat(1.0), shifted)
    return power * (_exp_polynomial(r) * (r * r) + r) + (power - splat(1.0))


@kernel(contract=True)
def _reduced(x):
    """Return n = x / ln 2, rounded, as `scale_by_power` takes it, and r = x - n ln 2."""
    x = splat(0.0) - minimum(splat(LIMIT), splat(0.0) - x)
    shifted = x * splat(LOG2_E) + splat(ROUND)
    n = shifted - splat(ROUND)
    return shifted, x - n * splat(LN2_HIGH) - n * splat(LN2_LOW)


@kernel(contract=True)
def _exp_polynomial(r):
    """Return (e^r - 1 - r) / r^2."""
    p = splat(1.9875691500e-4) * r + splat(1.3981999507e-3)
    p = p * r + splat(8.3334519073e-3)
    p = p * r + splat(4.1665795894e-2)
    p = p * r + splat(1.6666665459e-1)
    return p * r + splat(5.0000001201e-1)


@kernel(contract=True)
def decay_lanes(x):
    """e^-|x|, and 0 where that is no normal number."""
    far = minimum(x, splat(0.0) - x)
    return exp_lanes(far) * where_positive(far + splat(LIMIT), splat(1.0))


@kernel(contract=True)
def log1p_lanes(x):
    """ln(1 + x) with a relative error of 2e-7, for 0 <= x <= 1: twice the series of artanh(x / (2 +
    x)).
    """
    s = x / (splat(2.0) + x)
    z = s * s  # <= 1/9: the next term is below 2^-24
    p = splat(1 / 15) * z + splat(1 / 13)
    p = p * z + splat(1 / 11)
    p = p * z + splat(1 / 9)
    p = p * z + splat(1 / 7)
    p = p * z + splat(1 / 5)
    p = p * z + splat(1 / 3)
    return splat(2.0) * (s * z * p + s)


@kernel(contract=True)
def sigmoid_lanes(x):
    """1 / (1 + e^-x)."""
    return splat(1.0) / (splat(1.0) + exp_lanes(minimum(splat(LIMIT), splat(0.0) - x)))
