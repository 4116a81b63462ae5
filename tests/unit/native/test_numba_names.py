"""The names of Numba that are not public, and how kernels are compiled without them."""

from engine.native import numba_names


def test_numba_has_all_names():
    """Tried with Numba 0.62.1, 0.65.1 and 0.68.1."""
    assert numba_names.missing_name() == ""


def test_a_name_that_is_not_there_is_missing():
    assert not numba_names.has_name("numba.core.codegen", "JITCodeLibrary.no_such_method")
    assert not numba_names.has_name("numba.core.no_such_module", "anything")
    assert not numba_names.has_field("numba.core.codegen.JITCodeLibrary", "_no_such_field")
    assert not numba_names.has_field("numba.core.codegen.NoSuchLibrary", "_name")


# A Numba that has dropped a class; the second start compiles nothing.
WITHOUT_A_NAME = """
from engine.native import numba_names
numba_names.NAMES["numba.core.codegen"] += " NoSuchLibrary"
import sys
import numpy as np
from tests.compile_events import CompileLog
from engine.native.jit import generated_kernel, slow_start_reason
with CompileLog() as log:
    import chain
    print(chain.twice(np.int64(4)), chain.by_type(chain.Model(1)), end=" ")
    print(generated_kernel("tripled", "x", ["return 3 * x"], {})(np.int64(2)))
print(sorted(compilation.name for compilation in log.compilations))
print(slow_start_reason())
print("engine.native.link_time" in sys.modules)
"""
CHAIN = """
from typing import NamedTuple
from engine.native.by_type import ByType
from engine.native.jit import kernel

class Model(NamedTuple):
    x: int

@kernel()
def one_more(x):
    return x + 1

@kernel()
def twice(x):
    return one_more(x) + one_more(x)

@kernel()
def of_model(model):
    return model.x

chosen = ByType("chosen")
chosen.kernels[Model] = of_model

@kernel()
def by_type(model):
    return chosen(model) + 1
"""


def test_without_a_name_kernels_are_compiled_and_kept_by_numba_alone(tmp_path, output_here):
    """An engine that cannot start after an upgrade of Numba is worse than a slow start."""
    (tmp_path / "chain.py").write_text(CHAIN)
    compiled = []
    for _ in range(2):
        results, names, reason, is_linked = output_here(WITHOUT_A_NAME).splitlines()
        assert results == "10 2 6"
        assert "has no numba.core.codegen.NoSuchLibrary" in reason
        assert "pip install 'numba<0.69'" in reason
        assert is_linked == "False"
        compiled.append(names)
    assert "chain.twice" in compiled[0]
    assert "chain." not in compiled[1]
