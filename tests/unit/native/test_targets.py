"""Kernels for a processor other than this one: what Numba compiles for decides which instructions
are used.
"""

import platform

import pytest

from benchmarks.machines import TARGETS
from tests.new_process import output_of

PROGRAM = """
import numpy as np
from engine.native.dot_products import dot_quads
from engine.native.integer_lanes import store_ints
from engine.native.jit import kernel

@kernel()
def sums_of(quads, weights, sums):
    store_ints(sums, np.int64(0), dot_quads(quads, weights, np.int64(0)))

rng, sums = np.random.default_rng(0), np.zeros(16, np.int32)
units, weights = rng.integers(0, 129, 64, dtype=np.uint8), rng.integers(-128, 128, 16 * 64, dtype=np.int8)
sums_of(units.view(np.int32), weights, sums)
expected = weights.reshape(16, 16, 4).astype(np.int64).transpose(1, 0, 2).reshape(16, 64) @ units
assert sums.tolist() == expected.tolist(), (sums, expected)
print("right")
"""


on_x86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the names are of x86-64 processors"
)


@on_x86
@pytest.mark.parametrize(
    "environment",
    [
        {"NUMBA_CPU_NAME": "generic"},
        pytest.param(
            {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}, marks=pytest.mark.slow
        ),
        pytest.param({"NUMBA_ENABLE_AVX": "0"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_chosen_target_without_the_hosts_instructions_does_not_end_the_process(
    environment, output_here
):
    """The engine looked at the machine it runs on, and LLVM aborted at an instruction that its
    target lacks.
    """
    assert output_here(PROGRAM, **environment) == "right\n"


@on_x86
@pytest.mark.parametrize(
    ("name", "features"),
    [("skylake-avx512", ["avx512f", "avx2"]), ("haswell", ["avx2"]), ("nehalem", [])],
)
def test_a_target_of_the_comparison_has_its_own_instructions(name, features):
    """Numba adds the host's features to a bare name: on a processor with AVX-512, `haswell` was
    tried with AVX-512.
    """
    program = (
        "from engine.native.target import target_has\n"
        "print([one for one in ('avx512vnni', 'avx512f', 'avx2') if target_has(one)])"
    )
    assert output_of(program, **TARGETS[name]) == f"{features}\n"
