"""Threads that carry out whole visits on one tree, for an evaluator inside kernels.

All threads run the same kernel (`visits.run_visits`), and no Python runs between two visits. The calling thread returns
every few milliseconds, while its helpers go on, until they are to stand still: before the tree is read for a report,
makes room, or changes at the root. With one thread the tree is the same for the same position, options and node count,
however many visits each call makes; with several it depends on who comes first.

A leaf that endgame tables may know comes back from the kernel, is looked up, and is finished by the next call.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait

import numpy as np

from engine.evaluation.protocol import InKernelEvaluator
from engine.evaluation.tablebase import Tablebase
from engine.native.ordering import SPACING
from engine.native.pool import ThreadPool
from engine.search.params import CALL_SECONDS, FIRST_CALL_VISITS, MOST_THREADS
from engine.search.session import Search
from engine.search.table_answers import known_result
from engine.search.tree import LEAVES, MAX_VISITS, UNKNOWN_DISTANCE
from engine.search.visits import new_walker, run_visits


class Walkers:
    """``threads`` threads, the calling one included, that visit one search's tree."""

    most_threads = MOST_THREADS  # Number of threads that find work.
    most_leaves = 1  # Leaves that wait for one evaluation.

    def __init__(self, search: Search, evaluator: InKernelEvaluator, threads: int) -> None:
        self.tablebase: Tablebase | None = None  # Is asked about leaves, where there is one.
        self._search = search
        search.share(threads)
        self._walkers = [new_walker(evaluator.new_model()) for _ in range(threads)]
        self._until = np.zeros(SPACING, np.int64)  # Visits of the root at which all stop.
        self._pool = ThreadPool(threads, "walk")
        self._helpers: dict[int, Future[int]] = {}
        self._call_visits = FIRST_CALL_VISITS
        self._lookup = threading.Lock()

    def run(self, until: int) -> None:
        """Carry out visits for a few milliseconds, until the root has ``until`` at most. Helpers go on afterwards."""
        self.set_off(until)
        begun = time.perf_counter()
        done = self._call_visits - self._walk(0, self._call_visits)
        in_time = done * CALL_SECONDS / max(time.perf_counter() - begun, 1e-6)
        if done > 0 and self._search.visits > 1:  # The first visit may have compiled.
            self._call_visits = max(1, int(min(in_time, 2.0 * self._call_visits)))

    def set_off(self, until: int) -> None:
        """Let the helpers visit the tree until the root has ``until`` visits."""
        self._until[0] = until
        if self._search.visits == 0:  # The first visit may compile, and nobody else finds work.
            return
        for worker in range(1, len(self._walkers)):
            helper = self._helpers.get(worker)
            if helper is None or helper.done():
                if helper is not None:
                    helper.result()  # Raises what it met.
                self._helpers[worker] = self._pool.start(self._walk, worker, MAX_VISITS)

    def pause(self) -> None:
        """Let all threads finish their visits and stand still, so that the tree may change. Raises what they met."""
        self._until[0] = 0
        wait(self._helpers.values())
        helpers, self._helpers = self._helpers, {}
        for helper in helpers.values():
            helper.result()

    rest = pause
    dismiss = pause

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._until[0] = 0
        self._pool.close()

    def _walk(self, worker: int, visits: int) -> int:
        """Carry out so many visits on one thread; returns how many are left once there are as many as wanted."""
        search, walker, tables = self._search, self._walkers[worker], self.tablebase
        most_men = np.int64(tables.largest if tables is not None else 0)
        tree, params = search.trees[worker], search.params
        while True:
            visits = run_visits(tree, params, walker, self._until, np.int64(visits), most_men)
            if tables is None or not walker.in_flight.counts[LEAVES]:
                return int(visits)
            with self._lookup:
                walker.in_flight.known[0] = known_result(tables, walker.leaves.rows[0])
            walker.in_flight.mate_plies[0] = UNKNOWN_DISTANCE
