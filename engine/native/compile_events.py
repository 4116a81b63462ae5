"""Tells of each kernel that Numba compiles, by the events that it broadcasts."""

from collections.abc import Callable
from typing import Any

from numba.core import event

# To optimise this many callees takes about as long as to translate one. Measured.
_PARTS_A_STEP = 3


class CompileSteps(event.Listener):
    """Inside a `with` block, calls `each` after a kernel was compiled, not loaded from the cache,
    with a rough cost: 1 for a short kernel, more for one with many callees.
    """

    def __init__(self, on_step: Callable[[int], None]) -> None:
        self._each = on_step

    def __enter__(self) -> None:
        event.register("numba:compile", self)

    def __exit__(self, *exception: object) -> None:
        event.unregister("numba:compile", self)

    def on_start(self, event: Any) -> None:
        """Do nothing yet."""

    def on_end(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        # None where the compilation failed.
        compiled = dispatcher.overloads.get(tuple(event.data["args"]))
        module = str(dispatcher.py_func.__module__)  # None of what Numba makes from text
        if compiled is not None and module.split(".")[0] not in ("numba", "llvmlite"):
            self._each(1 + getattr(compiled.library, "parts", 0) // _PARTS_A_STEP)
