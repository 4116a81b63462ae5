"""The thread pool: threads share work, and the results never depend on the number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Self, TypeVar

from engine.errors import ConfigError

Result = TypeVar("Result")


class PerThread(threading.local):
    """Something of each thread's own, made at its first use of it."""

    def own(self, make: Callable[[], Result]) -> Result:
        """Return the calling thread's. `make` is not kept: a method of the owner would keep the
        owner alive.
        """
        if not hasattr(self, "_own"):
            self._own: Any = make()
        return self._own


class ThreadPool:
    """Runs work on `threads` threads, including the calling one. Close the pool or use it as a
    context manager.

    Only work that releases the GIL runs faster. Raises ConfigError when `threads` is less than 1.
    """

    def __init__(self, threads: int, name: str) -> None:
        if threads < 1:
            raise ConfigError(f"threads must be at least 1, not {threads}")
        self.threads = threads
        self._others: ThreadPoolExecutor | None = None
        if threads > 1:
            self._others = ThreadPoolExecutor(threads - 1, thread_name_prefix=name)

    def map(self, work: Callable[..., Result], *items: Iterable[Any]) -> list[Result]:
        """Call `work` as `map` does and return the results in the order of the items.

        If a call raises, unstarted items are skipped and the first exception is raised after all
        threads have stopped.
        """
        calls = list(zip(*items, strict=False))
        if self._others is None or len(calls) < 2:
            return [work(*call) for call in calls]
        results: list[Any] = [None] * len(calls)
        numbers = iter(range(len(calls)))  # each thread takes the next item

        def take() -> None:
            try:
                for number in numbers:
                    results[number] = work(*calls[number])
            except BaseException:
                for _ in numbers:  # no thread starts another item
                    pass
                raise

        helpers = [self._others.submit(take) for _ in range(min(self.threads, len(calls)) - 1)]
        try:
            take()
        finally:
            started = [helper for helper in helpers if not helper.cancel()]
            wait(started)
        for helper in started:
            helper.result()
        return results

    def share(self, count: int, chunk: int, work: Callable[[int, int], None]) -> None:
        """Split range(count) at multiples of `chunk` into a part per thread; call `work(first,
        last)` on each.
        """
        chunks = -(-count // chunk)
        parts = max(1, min(self.threads, chunks))
        bounds = [min(count, chunk * (chunks * part // parts)) for part in range(parts + 1)]
        self.map(work, bounds[:-1], bounds[1:])

    def start(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Call `work` on one of the `threads - 1` threads other than the calling one."""
        if self._others is None:
            raise ConfigError("a pool of one thread has no other that could work")
        return self._others.submit(work, *arguments)

    def offer(self, work: Callable[[], object]) -> Offer:
        """Let any thread call `work`, the calling one included: it does so when it takes the offer
        first.
        """
        if self._others is None:
            return Offer(work)
        return Offer(work, self._others.submit(work))

    def close(self) -> None:
        """Wait for work in progress and stop the threads."""
        if self._others is not None:
            self._others.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Offer:
    """Work that the calling thread takes, unless another thread has begun it, where `future` stands
    for that.
    """

    def __init__(self, work: Callable[[], object], future: Future[Any] | None = None) -> None:
        self._work = work
        self._future: Future[Any] = future or Future()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self._future.done()

    def take(self) -> None:
        """Do the work on the calling thread, unless it has begun. Raises what it raises."""
        if not self._future.done() and self._future.cancel():
            self._work()

    def finish(self) -> None:
        """Do the work, or wait for the thread that has begun. Raises what it raises."""
        self.take()
        if not self._future.cancelled():
            self._future.result()
