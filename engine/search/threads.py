"""Rounds over threads, two in flight: one is gathered while the other is evaluated.

The calling thread alone walks the tree: it begins a round, helps to evaluate the one before, applies that in the order
gathered, and begins the next. Threads take shares from one queue, those of the older round first; where none of these
is left the calling thread takes one of the younger round, so that nobody waits while there is work. The order of
beginning and applying is always the same: the tree is the same whoever evaluated what, at any number of threads. The
same goes for advice (`advice`): a helper finds the answers while rounds go on, and they are taken at a fixed visit.

Why not a tree a thread, merged at the root: that doubles nodes a second at two threads by construction, but every tree
knows half, and the memory is split.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from queue import Empty, SimpleQueue

from engine.evaluation.tablebase import Tablebase
from engine.native.pool import ThreadPool
from engine.search.advice import Advisor
from engine.search.backup import apply
from engine.search.rounds import RoundInFlight, Rounds, SharedWork, ask_tablebase
from engine.search.session import Search

Work = Callable[[SharedWork, int, int, int], None]  # what is shared, from part, to part, number of the thread
Share = tuple[SharedWork, int, int]


class RoundRunner:
    """Carries visits out in rounds over ``threads`` threads, the calling one included."""

    tablebase: Tablebase | None = None

    def __init__(self, search: Search, rounds: Rounds, threads: int, advisor: Advisor | None = None) -> None:
        self._search = search
        self._rounds = rounds
        self._threads = threads
        self.most_threads = rounds.most_threads
        self.collisions_end_rounds = rounds.most_leaves > 1
        self._crew = Crew(self._work, threads)
        self._waiting, self._next = rounds.new_flight(), rounds.new_flight()
        self._advisor = advisor
        self._advice = SharedWork(for_helpers=True)

    def advance(self, limit: int) -> None:
        """One round: small while the tree is small, never by the number of threads."""
        search = self._search
        is_new = not search.is_expanded
        if search.visits < self._rounds.overlap_from:  # nothing is in flight
            self._begin(self._waiting, 1 if is_new else limit, overlapped=False)
            self._complete(self._waiting)
        else:
            self._begin(self._next, limit - self._waiting.count, overlapped=True)
            self._complete(self._waiting)
            self._waiting, self._next = self._next, self._waiting
        if is_new:
            search.look_for_mate()
        if self._advisor is not None and self._advisor.visits_left() == 0:
            self._take_advice(self._advisor)
            if self._advisor.collect():
                self._crew.hand_out(self._advice, 1, 1)

    def finish(self) -> None:
        """Complete the round in flight; the threads rest."""
        self._complete(self._waiting)
        if self._advisor is not None:
            self._take_advice(self._advisor)
        self._crew.rest()

    def close(self) -> None:
        """Stop the threads."""
        self._crew.close()

    def _work(self, work: SharedWork, start: int, end: int, worker: int) -> None:
        if isinstance(work, RoundInFlight):
            self._rounds.evaluate(work, start, end, worker)
        elif self._advisor is not None:
            self._advisor.answer()

    def _take_advice(self, advisor: Advisor) -> None:
        self._crew.complete(self._advice)
        advisor.take_answers()

    def _begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        self._rounds.begin(flight, limit, overlapped)
        if self.tablebase is not None:
            ask_tablebase(self.tablebase, flight.visits, flight.leaves)
        questions = self._rounds.questions(flight)
        if questions:
            self._crew.hand_out(flight, questions, self._rounds.share(questions, self._threads))

    def _complete(self, flight: RoundInFlight) -> None:
        self._crew.complete(flight)
        self._rounds.take_answers(flight)
        apply(self._search.tree, flight.visits, self._search.params, flight.leaves, 0)


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
