"""The thread pool: several threads share work, and its results never depend on how many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any, Self, TypeVar

from engine.errors import ConfigError

__all__ = ["ThreadPool"]

Result = TypeVar("Result")


class ThreadPool:
    """Runs work on ``threads`` threads, the calling one included. Close it, or use it as a context manager.

    The work must release the GIL to gain from it. Raises ConfigError when ``threads`` is less than 1.
    """

    def __init__(self, threads: int, name: str) -> None:
        if threads < 1:
            raise ConfigError(f"threads must be at least 1, not {threads}")
        self.threads = threads
        self._others = ThreadPoolExecutor(threads - 1, thread_name_prefix=name) if threads > 1 else None

    def map(self, work: Callable[..., Result], *items: Iterable[Any]) -> list[Result]:
        """Call ``work`` as ``map`` does and return the results in the order of the items.

        The first exception is raised once no thread works on these items any more; items not yet begun are left out.
        """
        calls = list(zip(*items, strict=False))
        if self._others is None or len(calls) < 2:
            return [work(*call) for call in calls]
        results: list[Any] = [None] * len(calls)
        numbers = iter(range(len(calls)))  # every thread takes the next one

        def take() -> None:
            try:
                for number in numbers:
                    results[number] = work(*calls[number])
            except BaseException:
                for _ in numbers:  # nobody begins another
                    pass
                raise

        others = [self._others.submit(take) for _ in range(min(self.threads, len(calls)) - 1)]
        try:
            take()
        finally:
            started = [other for other in others if not other.cancel()]
            wait(started)
        for other in started:
            other.result()
        return results

    def share(self, count: int, chunk: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(first, last)`` on one part of range(count) for each thread, cut at multiples of ``chunk``."""
        chunks = -(-count // chunk)
        parts = min(self.threads, chunks)
        bounds = [min(count, chunk * (chunks * part // parts)) for part in range(parts + 1)] if parts else [0, 0]
        self.map(lambda part: work(*part), pairwise(bounds))

    def start(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Call ``work`` on a thread other than the calling one; there are ``threads - 1``."""
        if self._others is None:
            raise ConfigError("a pool of one thread has no other that could work")
        return self._others.submit(work, *arguments)

    def close(self) -> None:
        """Wait for what was begun and end the threads."""
        if self._others is not None:
            self._others.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
