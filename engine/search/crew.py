"""The threads that evaluate the leaves of a search.

Work is cut into shares that wait in one queue. Helpers take shares while a search runs, and so does the calling thread
while it waits for some work to be complete.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from queue import Empty, SimpleQueue

from engine.native.pool import ThreadPool


class SharedWork:
    """Work that `Crew` hands out to threads in shares."""

    def __init__(self, for_helpers: bool = False) -> None:
        self.for_helpers = for_helpers  # The calling thread leaves this work to the helpers while there are any.
        self.open_shares = 0  # Shares that are not done yet, as far as the calling thread knows.
        self.done: SimpleQueue[bool] = SimpleQueue()  # A helper reports here for each share whether it went well.


Work = Callable[[SharedWork, int, int, int], None]  # (what is shared, first part, end, number of the thread)
Share = tuple[SharedWork, int, int]  # (what is shared, first part, end)


class Crew:
    """The threads that evaluate: helpers, who wait for shares while a search runs, and the one that calls."""

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._helpers = threads - 1
        self._pool = ThreadPool(threads, "evaluate")
        self._busy: list[Future[None]] = []
        self._shares: SimpleQueue[Share | None] = SimpleQueue()

    def hand_out(self, work: SharedWork, count: int, share: int) -> None:
        """Queue ``count`` parts of some work, leaves of a round, ``share`` at a time."""
        if (count > share or work.for_helpers) and self._helpers and not self._busy:
            self._busy = [self._pool.start(self._help, worker) for worker in range(1, self._helpers + 1)]
        for start in range(0, count, share):
            self._shares.put((work, start, min(start + share, count)))
            work.open_shares += 1

    def complete(self, work: SharedWork) -> None:
        """Work until all shares of ``work`` are done. Raises what a helper met."""
        while True:
            while work.open_shares and not work.done.empty():
                self._note(work)
            if not work.open_shares:
                return
            share = self._take_share(work)
            if share is None:
                self._note(work)
                continue
            self._work(*share, 0)
            share[0].open_shares -= 1

    def _take_share(self, wanted: SharedWork) -> Share | None:
        """The next share for the calling thread, None where there is none; not what the helpers can do meanwhile."""
        try:
            share = self._shares.get_nowait()
            if share is not None and share[0].for_helpers and share[0] is not wanted and self._busy:
                kept, share = share, None
                try:
                    share = self._shares.get_nowait()
                finally:
                    self._shares.put(kept)
            return share
        except Empty:
            return None

    def rest(self) -> None:
        """Let the helpers finish what they began, and go."""
        for _ in self._busy:
            self._shares.put(None)
        wait(self._busy)
        self._busy = []

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self.rest()
        self._pool.close()
        self._work = None  # type: ignore[assignment]  # It holds the owner with its tree, and frozen cycles stay.

    def _note(self, work: SharedWork) -> None:
        """Take the next word from a helper, waiting for it."""
        went_well = work.done.get()
        work.open_shares -= 1
        if not went_well:
            for helper in wait(self._busy, return_when=FIRST_EXCEPTION).done:
                helper.result()

    def _help(self, worker: int) -> None:
        while (share := self._shares.get()) is not None:
            went_well = False
            try:
                self._work(*share, worker)
                went_well = True
            finally:
                share[0].done.put(went_well)
