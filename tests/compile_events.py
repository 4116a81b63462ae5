"""Numba's compilations, from the events that it broadcasts. Imports nothing of ours, so that a
process of another checkout can load this file too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.core import event


class Compilation(NamedTuple):
    """One compilation of one function for one signature."""

    name: str  # module and function
    signature: str
    ours: bool  # a kernel, not a function of Numba's that a kernel uses


class CompileLog(event.Listener):
    """Notes every compilation inside a `with` block. Loading a kernel from the cache does not
    count.
    """

    def __init__(self) -> None:
        self.compilations: list[Compilation] = []

    def __enter__(self) -> CompileLog:
        event.register("numba:compile", self)
        return self

    def __exit__(self, *exception: object) -> None:
        event.unregister("numba:compile", self)

    def on_start(self, event: Any) -> None:
        """Wait for the end."""

    def on_end(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        name = f"{function.__module__}.{function.__qualname__}"
        ours = name.split(".")[0] not in ("numba", "llvmlite")
        self.compilations.append(Compilation(name, str(event.data["args"]), ours))
