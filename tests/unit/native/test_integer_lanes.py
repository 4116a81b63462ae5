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
from engine.native.jit import kernel

PLAIN = {one: getattr(one, "py_func", one) for one in (exp, log, atan)}
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
            found = function(x)
            true = TRUE[function](np.longdouble(x))
            assert abs(np.longdouble(found) - true) <= ULPS[function] * math.ulp(float(true)), x
            assert PLAIN[function](x) == found, x


def test_exp_saturates():
    assert exp(-1e9) == exp(-np.inf) == exp(-708.0) < 1e-307
    assert exp(1e9) == exp(np.inf) == exp(709.0) > 1e307
    assert math.isnan(exp(np.nan))
    assert exp(0.0) == 1.0
    assert log(1.0) == 0.0


@kernel()
def shorts_kernel(a, b, out, low):
    first, second = lanes.load_shorts(a, 3), lanes.load_shorts(b, 1)
    lanes.store_shorts(out, 2, first + second)
    lanes.store_shorts(out, 34, first - second)
    product = lanes.clipped_product(first, second)
    lanes.store_shorts(out, 66, product)
    lanes.store_low_bytes(low, 5, product)


def portable_dot(total, unsigned_bytes, signed_bytes):
    return lanes.dot_bytes(total, unsigned_bytes, signed_bytes)


instruction(portable_dot, lambda *operands: signature(operands[0], *operands))(
    lanes._dot_by_products
)


@kernel()
def ints_kernel(totals, unsigned, signed, out):
    total, x = lanes.load_ints(totals, 1), lanes.load_ints(signed, 2)
    lanes.store_ints(out, 1, lanes.dot_bytes(total, lanes.load_ints(unsigned, 0), x))
    lanes.store_ints(out, 17, lanes.dot_bytes(total, lanes.splat_int(unsigned[3]), x) - total)
    lanes.store_ints(out, 33, total + total)
    lanes.store_ints(out, 49, portable_dot(total, lanes.load_ints(unsigned, 0), x))


def test_shorts_are_those_of_plain_python():
    rng = default_rng(1)
    a, b = (rng.integers(-(2**15), 2**15, 40).astype(np.int16) for _ in range(2))
    a[10:20] = rng.integers(0, 200, 10)
    b[8:18] = rng.integers(0, 200, 10)
    compiled, plain = ((np.zeros(100, np.int16), np.zeros(40, np.uint8)) for _ in range(2))
    shorts_kernel(a, b, *compiled)
    shorts_kernel.py_func(a, b, *plain)
    np.testing.assert_array_equal(compiled[0], plain[0])
    np.testing.assert_array_equal(compiled[1], plain[1])
    assert plain[0][66:98].max() > 60


def assert_alike(kernel, given, compiled, plain):
    """A kernel writes the same as plain Python."""
    kernel(*given, *compiled)
    with np.errstate(over="ignore"):
        kernel.py_func(*given, *plain)
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_array_equal(one, other)


@kernel()
def products_kernel(a, b, totals, out, ints, total):
    first = lanes.load_shorts(a, 1)
    second = lanes.load_shorts(b, 0)
    most = lanes.splat_short(a[0])
    lanes.store_shorts(out, 0, lanes.rounded_product(first, second))
    lanes.store_shorts(out, 32, first * second)
    lanes.store_shorts(out, 64, lanes.clip_shorts(first, most))
    ints_1 = lanes.load_ints(totals, 1)
    lanes.store_ints(ints, 0, ints_1 * lanes.load_ints(totals, 0))
    total[0] = lanes.sum_ints(ints_1)


@pytest.mark.parametrize("extreme", [False, True])
def test_products_of_shorts_are_those_of_plain_python(extreme):
    rng = default_rng(4)
    a, b = (
        np.full(33, -(2**15)) if extreme else rng.integers(-(2**15), 2**15, 33) for _ in range(2)
    )
    a[0] = 1000
    totals = rng.integers(-(2**31), 2**31, 17).astype(np.int32)
    compiled, plain = (
        (np.zeros(96, np.int16), np.zeros(32, np.int32), np.zeros(1, np.int32)) for _ in range(2)
    )
    given = a.astype(np.int16), b.astype(np.int16), totals
    assert_alike(products_kernel, given, compiled, plain)
    if not extreme:
        np.testing.assert_array_equal(plain[0][:32], np.floor(a[1:] * b[:32] / 2**16 + 0.5))
        assert plain[0][64:].min() == 0
        assert plain[0][64:].max() == 1000


@kernel()
def wide_kernel(a, shorts, out, out_shorts):
    wide = float_lanes.load_64(a, 1) * float_lanes.spread_64(a, 0) + float_lanes.splat_64(0.5)
    half = float_lanes.load_32(a, 3) - float_lanes.spread_32(a, 2) * float_lanes.splat_32(2.0)
    float_lanes.store(out, 0, float_lanes.complement(float_lanes.relu(wide)))
    float_lanes.store(out, 64, float_lanes.where_positive(half, float_lanes.load_32(a, 0)))
    float_lanes.store(out, 96, float_lanes.complement(float_lanes.load(a, 5)))
    block = lanes.load_short_block(shorts, 1)
    lanes.store_shorts(out_shorts, 2, block - lanes.load_short_block(shorts, 2) + block)


def test_wide_vectors_are_those_of_plain_python():
    rng = default_rng(5)
    a = rng.integers(-9, 9, 80).astype(np.float32)  # exact, whether products and sums fuse or not
    shorts = rng.integers(-(2**15), 2**15, 130).astype(np.int16)
    compiled, plain = ((np.zeros(112, np.float32), np.zeros(130, np.int16)) for _ in range(2))
    assert_alike(wide_kernel, (a, shorts), compiled, plain)
    assert len(set(plain[0].tolist())) > 20


def byte_operands(extreme):
    rng = default_rng(2)
    totals = rng.integers(-(2**31), 2**31, 17).astype(np.int32)
    unsigned = np.full(64, 128, np.uint8) if extreme else rng.integers(0, 129, 64).astype(np.uint8)
    signed = np.full(66, -128, np.int8) if extreme else rng.integers(-128, 128, 66).astype(np.int8)
    return totals, unsigned.view(np.int32), signed


@pytest.mark.parametrize("extreme", [False, True])
def test_products_of_bytes_are_those_of_plain_python(extreme):
    compiled, plain = np.zeros((2, 1, 66), np.int32)
    assert_alike(ints_kernel, byte_operands(extreme), compiled, plain)
