"""Share work among several threads. Each thread owns what it needs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.native.pool import ThreadPool


def run_on_threads(count: int, name: str, work: Callable[[Callable[[], bool]], None], stop: Callable[[], bool]) -> None:
    """Call `work(halted)` on `count` threads and wait for all of them.

    `halted()` is true once `stop()` is true or another thread has failed. The first failure is raised here.
    """
    failed = threading.Event()

    def guarded() -> None:
        try:
            work(lambda: stop() or failed.is_set())
        except BaseException:
            failed.set()
            raise

    with ThreadPool(count + 1, name) as pool:  # the calling thread only waits, so that signals reach it
        for future in [pool.start(guarded) for _ in range(count)]:
            future.result()
