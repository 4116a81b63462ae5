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
        # Libraries that had more threads, and how many.
        self._limited = list[tuple[Any, int]]()

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                for library in _libraries():
                    threads = library.get_num_threads()
                    if threads != 1:
                        self._limited.append((library, threads))
                        library.set_num_threads(1)
            self._blocks += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._blocks -= 1
            while self._limited and not self._blocks:
                library, threads = self._limited.pop()
                library.set_num_threads(threads)


one_blas_thread = _OneBlasThread()


@cache
def _libraries() -> list[Any]:
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)
