"""exp, log and atan for kernels, by polynomials of our own: C libraries' differ in the last bit
between systems.

`exp` is within three units of the last place of a float64, `log` within two, `atan` within eight.
They are nothing but additions, multiplications, divisions, square roots and shifts, so that every
processor gives the same bits, and loops can become vectors.
"""

import math

import numpy as np
from llvmlite import ir
from numba.types import float64, int64

from engine.native.instructions import instruction
from engine.native.jit import kernel

_LOG2E = 1.0 / math.log(2.0)
# Its last bits are 0, so that products with exponents are exact.
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
# Floats of this size have a spacing of 1: adding it rounds to an integer, in the last bits.
_SHIFT = 1.5 * 2.0**52
_LEAST, _MOST = -708.0, 709.0  # Between them the result is a normal number.
_MANTISSA, _BIAS = 52, 1023
_ROOT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))


def bits_of(x):
    """Return the bits of a float64 as an int64."""
    return np.float64(x).view(np.int64)


@instruction(bits_of, lambda x: int64(float64))
def _bits_of(builder, x):
    return builder.bitcast(x, ir.IntType(64))


def float_of(bits):
    """Return the float64 with these bits, an int64."""
    return np.int64(bits).view(np.float64)


@instruction(float_of, lambda bits: float64(int64))
def _float_of(builder, bits):
    return builder.bitcast(bits, ir.DoubleType())


@kernel()
def exp(x):
    """e^x of a float64, at least e^-708 and at most e^709; NaN stays NaN."""
    bounded = min(max(x, _LEAST), _MOST)
    shifted = bounded * _LOG2E + _SHIFT
    n = shifted - _SHIFT
    r = (bounded - n * _LN2_HIGH) - n * _LN2_LOW  # |r| <= ln(2) / 2
    r2 = r * r
    r4 = r2 * r2
    # The Taylor series, of which the terms from r^13 / 13! on are below 2^-52. In pairs, which run
    # side by side.
    low = (1.0 + r) + r2 * (1.0 / 2 + r * (1.0 / 6))
    middle = (1.0 / 24 + r * (1.0 / 120)) + r2 * (1.0 / 720 + r * (1.0 / 5040))
    high = (1.0 / 40320 + r * (1.0 / 362880)) + r2 * (1.0 / 3628800 + r * (1.0 / 39916800))
    series = low + r4 * (middle + r4 * (high + r4 * (1.0 / 479001600)))
    power = float_of((bits_of(shifted) + _BIAS) << _MANTISSA)  # 2^n
    if x == x:
        return series * power
    return x


@kernel()
def _odd_series(z):
    """1/3 + z / 5 + z^2 / 7 + ... + z^9 / 21, whose next terms are below 2^-54 where |z| <= 0.04."""
    z2 = z * z
    z4 = z2 * z2
    low = (1.0 / 3 + z * (1.0 / 5)) + z2 * (1.0 / 7 + z * (1.0 / 9))
    high = (1.0 / 11 + z * (1.0 / 13)) + z2 * (1.0 / 15 + z * (1.0 / 17))
    return low + z4 * (high + z4 * (1.0 / 19 + z * (1.0 / 21)))


@kernel()
def log(x):
    """Return the natural logarithm of a float64, which is a positive normal number."""
    bits = bits_of(x)
    n = (bits - _ROOT_HALF_BITS) >> _MANTISSA
    m = float_of(bits - (n << _MANTISSA))  # x = 2^n m, sqrt(1/2) <= m < sqrt(2)
    s = (m - 1.0) / (m + 1.0)  # log(m) = 2 artanh(s), a series in z = s^2 <= 0.03
    z = s * s
    return n * _LN2_HIGH + (n * _LN2_LOW + (2.0 * s + 2.0 * s * z * _odd_series(z)))


@kernel()
def atan(x):
    """Return the arc tangent of a float64, at most 1e150 in size."""
    for _ in range(3):
        x = x / (1.0 + math.sqrt(1.0 + x * x))  # the tangent of half the angle
    z = -(x * x)  # >= -0.04
    return 8.0 * (x + x * z * _odd_series(z))
