"""What kernels are kept by: what they compute, and nothing else."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import typeof

from engine.native import jit
from engine.native.dependencies import kernel_digest

SOURCE = """
import numpy as np
from typing import NamedTuple
from engine.native.by_type import ByType
from engine.native.jit import kernel

LIMIT = 10
TABLE = np.arange(4)

class Model(NamedTuple):
    first: np.ndarray
    second: np.ndarray

class Other(NamedTuple):
    first: np.ndarray

write = ByType("write")

@kernel()
def write_model(model, i):
    model.first[i] = 1
write.kernels[Model] = write_model

@kernel()
def write_other(model, i):
    model.first[i] = 2
write.kernels[Other] = write_other

@kernel()
def callee(x, by=2):
    return x * by

@kernel()
def stranger(x):
    return x - 1

@kernel()
def caller(model, i):
    \"\"\"What it does.\"\"\"
    write(model, i)
    return callee(i) + LIMIT + TABLE[i]
"""


def made(source):
    names = {"__name__": "made"}
    exec(compile(source, __file__, "exec"), names)
    return names


def digest(source, model="Model"):
    names = made(source)
    fields = len(names[model]._fields)
    return kernel_digest(
        names["caller"], (typeof(names[model](*[np.zeros(4)] * fields)), typeof(0))
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 10", "LIMIT = 11"),  # a constant of the kernel
        ("np.arange(4)", "np.arange(4) + 1"),  # a table
        ("x * by", "x + by"),  # a callee
        ("by=2", "by=3"),  # its default argument
        ("first[i] = 1", "first[i] = 3"),  # a callee by type
        (
            "    first: np.ndarray\n    second: np.ndarray",
            "    second: np.ndarray\n    first: np.ndarray",
        ),
        ("kernel()\ndef callee", "kernel(contract=True)\ndef callee"),
        ('model, i):\n    "', 'model, i, k=0):\n    "'),
    ],
)
def test_a_change_of_what_is_computed_is_another_kernel(old, new):
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it does", "Other words"),
        ("LIMIT = 10", "# A comment.\n\nLIMIT = 10"),
        ("x - 1", "x - 2"),  # a kernel that is not called
        ("first[i] = 2", "first[i] = 4"),  # the same call with another type
    ],
)
def test_any_other_change_is_the_same_kernel(old, new):
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) == digest(SOURCE)


def test_types_of_arguments_choose_what_is_called():
    assert digest(SOURCE) != digest(SOURCE, "Other")


class Nested(NamedTuple):
    model: Any


def test_a_tuple_within_a_tuple_counts():
    names = made(SOURCE)
    inner = names["Model"](np.zeros(4), np.zeros(4))
    (alone, nested) = (
        kernel_digest(names["stranger"], (typeof(model),)) for model in (inner, Nested(inner))
    )
    assert alone != nested


@jit.kernel()
def counts_itself(x):
    return 0 if x == 0 else counts_itself(x - 1) + 1


def test_a_kernel_that_calls_itself_has_a_digest():
    assert len(kernel_digest(counts_itself, (typeof(1),))) == 24
