"""Steps of a compilation: each kernel counts, and an error of the compiler stays the one that is raised."""

import numba
import pytest

from engine.native.compile_events import CompileSteps


def test_functions_without_a_module_count_and_failures_raise_what_they_are() -> None:
    """The compiler's process ended with another error, and the first start compiled in the engine's own."""
    names: dict[str, object] = {}
    exec("def twice(x):\n    return 2 * x\n\ndef spoilt(x):\n    return x.nothing\n", names)  # as Numba makes some
    told: list[int] = []
    with CompileSteps(told.append):
        assert numba.njit(names["twice"])(3) == 6
        with pytest.raises(numba.TypingError, match="nothing"):
            numba.njit(names["spoilt"])(3)
    assert told == [1]
