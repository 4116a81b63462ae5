"""exp, log and atan of our own: near the true values, and the same bits as kernels and as plain Python."""

import math

import numpy as np
import pytest

from engine.native.elementary import atan, exp, log

PLAIN = {one: getattr(one, "py_func", one) for one in (exp, log, atan)}
ULPS = {exp: 3.0, log: 2.0, atan: 8.0}
TRUE = {exp: np.exp, log: np.log, atan: np.arctan}
RANGES = {
    exp: [(-1e-9, 1e-9), (-1.0, 1.0), (-30.0, 30.0), (-708.0, 709.0)],
    log: [(1.0, 1.0001), (0.5, 2.0), (1e-300, 1e300)],
    atan: [(-1e-9, 1e-9), (-1.0, 1.0), (-100.0, 100.0), (-1e150, 1e150)],
}


@pytest.mark.parametrize("function", ULPS, ids=["exp", "log", "atan"])
def test_they_are_near_the_true_values_and_the_same_without_a_compiler(function) -> None:
    rng = np.random.default_rng(1)
    for least, most in RANGES[function]:
        for x in rng.uniform(least, most, 500):
            found = function(x)
            true = TRUE[function](np.longdouble(x))
            assert abs(np.longdouble(found) - true) <= ULPS[function] * math.ulp(float(true)), x
            assert PLAIN[function](x) == found, x


def test_exp_saturates_and_passes_on_what_is_no_number() -> None:
    assert exp(-1e9) == exp(-np.inf) == exp(-708.0) < 1e-307
    assert exp(1e9) == exp(np.inf) == exp(709.0) > 1e307
    assert math.isnan(exp(np.nan))
    assert exp(0.0) == 1.0
    assert log(1.0) == 0.0
