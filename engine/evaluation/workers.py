"""Threads that share a round of leaves: whole chunks each, the same work whatever their number."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from engine.errors import ConfigError
from engine.evaluation.protocol import CHUNK


class Workers:
    """Runs work(first, last) over parts of a range on up to `threads` threads, the calling one included.

    The work must release the GIL to gain from it, and may raise: the first exception reaches the caller.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ConfigError(f"threads must be at least 1, not {threads}")
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="evaluate") if threads > 1 else None

    def share(self, count: int, work: Callable[[int, int], None]) -> None:
        """Call `work` on consecutive parts of range(count); every part but the last is a multiple of whole chunks."""
        chunks = -(-count // CHUNK)
        parts = min(self.threads, chunks)
        bounds = [min(count, CHUNK * (chunks * part // parts)) for part in range(parts + 1)] if parts else [0, 0]
        others = [self._pool.submit(work, *part) for part in pairwise(bounds[1:])] if self._pool is not None else []
        work(bounds[0], bounds[1])
        for other in others:
            other.result()

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()
