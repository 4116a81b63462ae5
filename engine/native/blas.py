"""One BLAS thread for the computations of the learning library: their sums then do not depend on the
number of cores, and the threads of a training have these to themselves.
"""

import threading
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


class _OneBlasThread:
    """A block in which BLAS uses one thread. Blocks may lie within each other, and overlap on
    several threads: the first one sets the limit, and the end of the last one lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._before: list[tuple[Any, int]] = []  # libraries, and how many threads each had

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._before = [(library, library.get_num_threads()) for library in _libraries()]
                self._set_threads(1)
            self._blocks += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._set_threads(None)

    def _set_threads(self, count: int | None) -> None:
        """Give each library so many threads; None for as many as it had."""
        for library, before in self._before:
            if before != 1:
                library.set_num_threads(before if count is None else count)


one_blas_thread = _OneBlasThread()


@cache
def _libraries() -> list[Any]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
