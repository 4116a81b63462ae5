"""Share work among several threads. Each thread owns what it needs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from engine.native.pool import ThreadPool
from selfplay.interrupt import Stop, Stopped, Take, stopping


def share_out(
    items: Iterator[Any],
    count: int,
    name: str,
    new_worker: Callable[[], Any],
    work: Callable[[Any, Any, Take, Stop], None],
    take: Take,
    stop: Stop,
) -> None:
    """Let `count` threads do the items, none of which is None, each with a worker of its own, which
    is closed.

    `work(worker, item, give, halted)` gives results to `take`. Only one thread at a time takes an
    item or gives a result. `halted()` is true once `stop()` is true or another thread has failed;
    the worker's waits for others then raise Stopped. The first failure is raised here.
    """
    lock = threading.Lock()
    failed = threading.Event()

    def halted() -> bool:
        return stop() or failed.is_set()

    def give(result: Any) -> None:
        with lock:
            take(result)

    def serve() -> None:
        try:
            with stopping(halted), closing(new_worker()) as worker:
                while not halted():
                    with lock:
                        item = next(items, None)
                    if item is None:
                        return
                    work(worker, item, give, halted)
        except Stopped:
            return
        except BaseException:
            failed.set()
            raise

    with ThreadPool(
        count + 1, name
    ) as pool:  # the calling thread only waits, so that signals reach it
        for future in [pool.start(serve) for _ in range(count)]:
            future.result()
