"""Integer vectors, and exp, log and atan of our own: the same bits as kernels and as plain Python."""

import math

import numpy as np
import pytest
from numba.core.typing import signature
from numpy.random import default_rng

from engine.native import integer_lanes as lanes
from engine.native import lanes as float_lanes
from engine.native.elementary import atan, exp, log
from engine.native.instructions import instruction
from engine.native.jit import generated_kernel

PLAIN = {function: getattr(function, "py_func", function) for function in (exp, log, atan)}
ULPS = {exp: 3.0, log: 2.0, atan: 8.0}
TRUE = {exp: np.exp, log: np.log, atan: np.arctan}
RANGES = {
    exp: [(-1e-9, 1e-9), (-1.0, 1.0), (-30.0, 30.0), (-708.0, 709.0)],
    log: [(1.0, 1.0001), (0.5, 2.0), (1e-300, 1e300)],
    atan: [(-1e-9, 1e-9), (-1.0, 1.0), (-100.0, 100.0), (-1e150, 1e150)],
}


@pytest.mark.parametrize("function", ULPS)
def test_they_are_near_the_true_values(function):
    rng = default_rng(1)
    for least, most in RANGES[function]:
        for x in rng.uniform(least, most, 500):
            y = function(x)
            true = TRUE[function](np.longdouble(x))
            assert abs(np.longdouble(y) - true) <= ULPS[function] * math.ulp(float(true)), x
            assert PLAIN[function](x) == y, x


def test_exp_saturates():
    assert exp(-1e9) == exp(-np.inf) == exp(-708.0) < 1e-307
    assert exp(1e9) == exp(np.inf) == exp(709.0) > 1e307
    assert math.isnan(exp(np.nan))
    assert exp(0.0) == 1.0
    assert log(1.0) == 0.0


def portable_dot(total, unsigned_bytes, signed_bytes):
    return lanes.dot_bytes(total, unsigned_bytes, signed_bytes)


instruction(portable_dot, lambda *operands: signature(operands[0], *operands))(
    lanes._dot_by_products
)
# Every operation once, on vectors of shorts, ints, bytes and floats.
OPERATIONS = """
x, y = load_shorts(a, 3), load_shorts(b, 1)
store_shorts(shorts, 0, x + y)
store_shorts(shorts, 32, x - y)
store_shorts(shorts, 64, x * y)
store_shorts(shorts, 96, clipped_product(x, y))
store_shorts(shorts, 128, rounded_product(x, y))
store_shorts(shorts, 160, clip_shorts(x, splat_short(a[0])))
store_low_bytes(low, 5, x)
block = load_short_block(a, 1)
store_shorts(shorts, 192, block - load_short_block(a, 2) + block)
total, units, weights = load_ints(totals, 1), load_ints(unsigned, 0), load_ints(signed, 2)
store_ints(ints, 1, dot_bytes(total, units, weights))
store_ints(ints, 17, dot_bytes(total, splat_int(unsigned[3]), weights) - total)
store_ints(ints, 33, portable_dot(total, units, weights))
store_ints(ints, 49, total + total)
store_ints(ints, 65, total * load_ints(totals, 0))
ints[0] = sum_ints(total)
wide = load_64(c, 1) * spread_64(c, 0) + splat_64(0.5)
half = load_32(c, 3) - spread_32(c, 2) * splat_32(2.0)
store(floats, 0, complement(relu(wide)))
store(floats, 64, where_positive(half, load_32(c, 0)))
store(floats, 96, complement(load(c, 5)))
"""
every_operation = generated_kernel(
    "every_operation",
    "a, b, totals, unsigned, signed, c, shorts, low, ints, floats",
    OPERATIONS.strip().splitlines(),
    {**vars(float_lanes), **vars(lanes), "portable_dot": portable_dot},
)


def operands(extreme):
    """Integers over their whole ranges, or the least ones; floats that are exact in products."""
    rng = default_rng(4)
    a, b = rng.integers(-(2**15), 2**15, (2, 140)).astype(np.int16)
    a[10:20], b[8:18] = rng.integers(0, 200, (2, 10))
    totals = rng.integers(-(2**31), 2**31, 17).astype(np.int32)
    unsigned = rng.integers(0, 129, 64).astype(np.uint8)
    signed = rng.integers(-128, 128, 66).astype(np.int8)
    if extreme:
        a[:], b[:], unsigned[:], signed[:] = -(2**15), -(2**15), 128, -128
    a[0] = 1000
    floats = rng.integers(-9, 9, 80).astype(np.float32)
    return a, b, totals, unsigned.view(np.int32), signed, floats


@pytest.mark.parametrize("extreme", [False, True])
def test_vectors_are_those_of_plain_python(extreme):
    arguments = operands(extreme)
    compiled, plain = (
        (np.zeros(320, np.int16), np.zeros(40, np.uint8), np.zeros(81, np.int32), np.zeros(112, np.float32))
        for _ in range(2)
    )  # fmt: skip
    every_operation(*arguments, *compiled)
    with np.errstate(over="ignore"):
        every_operation.py_func(*arguments, *plain)
    for ours, expected in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(ours, expected)
    x, y = arguments[0][3:35], arguments[1][1:33]
    rounded = np.floor(x.astype(float) * y / 2**16 + 0.5).astype(np.int16)
    np.testing.assert_array_equal(plain[0][128:160], rounded)
