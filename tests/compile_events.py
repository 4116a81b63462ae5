"""Times of Numba's compilations, from the events that it broadcasts. Imports nothing of ours, so
that a process of another checkout can load this file too.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from numba.core import event


class Compilation(NamedTuple):
    """One compilation of one function for one signature."""

    name: str  # module and function
    signature: str
    seconds: float  # CPU time of the compiling thread, without that of functions compiled meanwhile
    ours: bool  # a kernel, not a function of Numba's that a kernel uses


class CompileTimes(event.Listener):
    """Notes every compilation inside a `with` block. Loading a kernel from the cache does not
    count.
    """

    def __init__(self) -> None:
        self.compilations: list[Compilation] = []
        # Of the compilations in progress: the callees' CPU time must not count.
        self._begun: list[float] = []
        self._inner: list[float] = []  # CPU seconds of what was compiled meanwhile

    def __enter__(self) -> CompileTimes:
        event.register("numba:compile", self)
        return self

    def __exit__(self, *exception: object) -> None:
        event.unregister("numba:compile", self)

    def on_start(self, event: Any) -> None:
        self._begun.append(time.thread_time())
        self._inner.append(0.0)

    def on_end(self, event: Any) -> None:
        seconds = time.thread_time() - self._begun.pop()
        own = seconds - self._inner.pop()
        if self._inner:
            self._inner[-1] += seconds
        function = event.data["dispatcher"].py_func
        name = f"{function.__module__}.{function.__qualname__}"
        ours = name.split(".")[0] not in ("numba", "llvmlite")
        self.compilations.append(Compilation(name, str(event.data["args"]), own, ours))
