"""Kernels compiled as a whole: called by Python, by each other and by functions of other libraries."""

import numba
import numpy as np
import pytest
from numba.core.errors import LoweringError

from engine.native import jit


@jit.kernel()
def add(numbers, i):
    return numbers[i] + 1.0


@jit.kernel()
def add_twice(numbers, i):
    return add(numbers, i) + add(numbers, i)


@jit.kernel()
def factorial(n):
    return n * factorial(n - 1) if n > 1 else 1


@jit.kernel()
def binomial(n, k):
    return factorial(n) // (factorial(k) * factorial(n - k))


def test_a_kernel_gives_the_same_to_python_as_to_kernels():
    numbers = np.arange(3.0)
    assert (
        add_twice(numbers, np.int64(2))
        == 2 * add(numbers, np.int64(2))
        == add_twice.py_func(numbers, 2)
        == 6.0
    )
    assert add(numbers[:0:-1], np.int64(0)) == 3.0  # another type of array


def test_recursive_kernels_work_inside_others():
    assert binomial(np.int64(10), np.int64(3)) == 120


@jit.kernel()
def is_even(n):
    return n == 0 or is_odd(n - 1)


@jit.kernel()
def is_odd(n):
    return n != 0 and is_even(n - 1)


def test_kernels_that_call_each_other_are_refused():
    with pytest.raises(LoweringError, match="call each other in a circle"):
        is_even(np.int64(4))


def test_functions_of_other_libraries_may_call_kernels_that_call_kernels():
    @numba.njit
    def theirs(numbers):
        return add_twice(numbers, 0) + factorial(np.int64(4))

    assert theirs(np.arange(3.0)) == 26.0


def test_a_callee_may_make_the_first_array_of_a_process(tmp_path, output_here):
    (tmp_path / "copies.py").write_text(
        "import numpy as np\nfrom engine.native.jit import kernel\n\n"
        "@kernel()\ndef copied(numbers): return numbers.copy()[1]\n\n"
        "@kernel()\ndef caller(numbers): return copied(numbers)\n\n"
        "print(caller(np.arange(3)))\n"
    )
    for _ in range(2):
        assert output_here("import copies") == "1\n"


def test_machine_code_is_kept_of_what_python_calls_alone(tmp_path, output_here):
    (tmp_path / "chain.py").write_text(
        "from typing import NamedTuple\nfrom engine.native.jit import kernel\n"
        "from engine.native.by_type import ByType\n\n"
        + "".join(
            f"@kernel()\ndef f{i}(x): return {f'f{i - 1}(x) + f{i - 1}(x)' if i else 'x'}\n\n"
            for i in range(5)
        )
        + "class One(NamedTuple): x: int\n\n@kernel()\ndef of_one(model): return model.x\n\n"
        "chosen = ByType('chosen')\nchosen.kernels[One] = of_one\n\n"
        "@kernel()\ndef by_type(model): return chosen(model) + 1\n"
    )
    program = (
        "from tests.compile_events import CompileLog\n"
        "import chain\n"
        "with CompileLog() as log: print(chain.f4(1), chain.f3(1), chain.by_type(chain.One(1)))\n"
        "print(sorted(compilation.name for compilation in log.compilations))\n"
    )
    outputs, files = [], []
    for _ in range(2):
        outputs.append(output_here(program).splitlines())
        files.append({path: path.stat().st_ino for path in tmp_path.rglob("*.kernel")})
    compiled = "by_type f0 f1 f2 f3 f3 f4 of_one".split()
    assert outputs == [["16 8 2", str([f"chain.{name}" for name in compiled])], ["16 8 2", "[]"]]
    assert files[0] == files[1], "a second start keeps what the first one has written"
    assert sorted(path.name.split("-")[0] for path in files[0]) == ["by_type", "f3", "f4"]
    for path in files[0]:
        path.unlink()
    result, names = output_here(program).splitlines()
    assert result == "16 8 2"
    assert names == str(["chain.by_type", "chain.f3", "chain.f4"]), (
        "translations are kept for other processes, too"
    )
