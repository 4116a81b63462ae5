"""Carries out the visits of one search after the other, with all threads.

`Walkers`: for an evaluator inside kernels, threads carry out whole visits on one tree. All run the
same kernel (`visits.run_visits`), and no Python runs between two visits. The calling thread returns
every few milliseconds, while its helpers go on, until they have to stand still: before the tree is
read for a report, makes room, gets fresh priors or changes at the root. With one thread the tree is
the same for the same position, options and node count, however many visits each call makes; with
several it depends on who comes first.

`Runner` lets them, or `batches` for a batched evaluator, visit the tree. In between, old parts of a
full tree give way, a root that has just got its moves is looked at for a mate, priors follow the
heuristics, and alpha-beta is asked for hints (`tactical_priors`): after a fixed number of visits,
and with batches while these go on.
"""

import threading
import time
from concurrent.futures import Future, wait

import numpy as np

from engine.board.layout import SIDE
from engine.evaluation.protocol import InKernelEvaluator
from engine.evaluation.tablebase import Tablebase
from engine.native.atomics import SPACING
from engine.native.pool import ThreadPool
from engine.search.batches import Batches, ask_tables
from engine.search.search_tree_state import Search, look_for_mate
from engine.search.tactical_priors import TacticalPriors
from engine.search.tree import params
from engine.search.tree.arrays import LEAVES, MAX_VISITS, ROOT, SWEEP
from engine.search.tree.butterfly import join_histories, learns
from engine.search.tree.excluded_wins import bring_back_wins, put_wins_aside
from engine.search.tree.priors import refresh_below
from engine.search.tree.visits import new_walker, run_visits


class Walkers:
    """`threads` threads, the calling one included, that visit one search's tree."""

    def __init__(self, search: Search, evaluator: InKernelEvaluator, threads: int) -> None:
        self.tablebase: Tablebase | None = None  # It is asked about leaves.
        self._search = search
        search.share(threads)
        self._walkers = [new_walker(evaluator.new_model()) for _ in range(threads)]
        self._until = np.zeros(SPACING, np.int64)  # Visits of the root at which all stop.
        self._pool = ThreadPool(threads, "walk")
        self._helpers: dict[int, Future[int]] = {}
        self._call_visits = params.FIRST_CALL_VISITS
        self._delay = 1.0  # Seconds that pass in a second of the calling thread's own time.
        self._lookup = threading.Lock()

    def run(self, until: int, within_s: float = float("inf")) -> None:
        """Carry out visits for a few milliseconds of this thread's own time, and no more than fit
        into `within_s` seconds, until the root has `until` at most. Helpers go on afterwards.
        """
        self.set_off(until)
        fitting = params.LEFT_SHARE * within_s / (self._delay * params.CALL_SECONDS)
        visits = max(1, int(self._call_visits * min(1.0, fitting)))
        begun = time.perf_counter()
        begun_own = time.thread_time()
        done = visits - self._walk(0, visits)
        self._learn_speed(done, time.perf_counter() - begun, time.thread_time() - begun_own)

    def _learn_speed(self, done: int, seconds: float, own_seconds: float) -> None:
        """Note that so many visits took so long, of which this thread worked for `own_seconds`."""
        if done == 0 or self._search.visits <= 1:  # The first visit may have compiled.
            return
        own_seconds = max(own_seconds, seconds / params.MOST_DELAY, 1e-6)
        in_time = done * params.CALL_SECONDS / own_seconds
        self._call_visits = max(1, int(min(in_time, 2.0 * self._call_visits)))
        self._delay = (self._delay + max(1.0, seconds / own_seconds)) / 2.0

    def set_off(self, until: int) -> None:
        """Let the helpers visit the tree until the root has `until` visits."""
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
        """Let all threads finish their visits and stand still, so that the tree may change. Raises
        what they met.
        """
        self._until[0] = 0
        wait(self._helpers.values())
        helpers = self._helpers
        self._helpers = {}
        for helper in helpers.values():
            helper.result()

    rest = pause

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._until[0] = 0
        self._pool.close()

    def _walk(self, worker: int, visits: int) -> int:
        """Carry out so many visits on one thread; returns how many are left once there are as many
        as wanted.

        A leaf that endgame tables may know comes back from the kernel, and the next call finishes
        it.
        """
        search = self._search
        walker = self._walkers[worker]
        tables = self.tablebase
        most_pieces = 0 if tables is None else tables.largest
        tree = search.trees[worker]
        params = search.params
        while True:
            visits = run_visits(tree, params, walker, self._until, visits, most_pieces)
            if tables is None or not walker.in_flight.counts[LEAVES]:
                return int(visits)
            with self._lookup:
                ask_tables(tables, walker.in_flight, walker.leaves)


class Runner:
    """Carries out visits of a search's tree, as `visits` does."""

    # Gives the search hints. It changes between searches only.
    tactical_priors: TacticalPriors | None = None

    def __init__(self, search: Search, visits: Walkers | Batches) -> None:
        self._search = search
        self._visits = visits
        self._generation = search.generation
        self._learns = bool(learns.py_func(search.params))  # Whether they do.
        self._refreshed_at = 0  # Visits of the root when priors last followed the heuristics.

    def begin(self) -> None:
        """Take note of a new root, or of its other moves."""
        if self._generation != self._search.generation:
            self._generation = self._search.generation
            self._refreshed_at = 0
        self._refreshed_at = min(self._refreshed_at, self._search.visits)

    def advance(self, until: int, within_s: float = float("inf")) -> None:
        """Carry out some visits in a few milliseconds, within the time that is left, until the root
        has `until` at most, or none while something else takes them.
        """
        search = self._search
        visits = self._visits
        tactical_priors = self.tactical_priors
        if (
            isinstance(visits, Walkers)
            and tactical_priors is not None
            and tactical_priors.is_asking
        ):
            visits.set_off(until)
            if tactical_priors.answer_next():
                visits.pause()
                tactical_priors.take_answers()
            return
        if search.needs_room:
            self._make_room()
            return
        is_new = not search.is_expanded
        due_at = tactical_priors.due_at() if tactical_priors is not None else MAX_VISITS
        refresh_at = max(params.REFRESH_FROM, int(params.REFRESH_GROWTH * self._refreshed_at))
        if not self._learns:
            refresh_at = MAX_VISITS
        if is_new:
            until = search.visits + 1
        elif isinstance(visits, Walkers):
            until = min(until, max(min(due_at, refresh_at), search.visits + 1))
        visits.run(until, within_s)
        if is_new:
            look_for_mate(search)
        reached = search.visits
        if reached >= refresh_at:
            visits.pause()
            self.refresh_priors()
        if tactical_priors is not None and reached >= due_at:
            visits.pause()
            self.settle()
            if tactical_priors.collect() and isinstance(visits, Batches):
                visits.let_answer(tactical_priors)

    def refresh_priors(self) -> None:
        """Let priors follow what visits have found out about moves elsewhere. No thread may visit
        the tree.
        """
        search, self._refreshed_at = self._search, self._search.visits
        if len(search.trees) > 1:
            join_histories([tree.butterfly for tree in search.trees])
        least = max(params.REFRESH_VISITS, int(params.REFRESH_SHARE * search.visits))
        search.tree.counters[SWEEP] += 1
        side = int(search.root_row()[SIDE])
        refresh_below(search.tree, search.params, ROOT, side, least)

    def rehearse(self) -> None:
        """Refresh priors, let old parts of a tree give way that is not full, and look for wins to
        set aside, to load the kernels.
        """
        tree = self._search.tree
        put_wins_aside(tree, 0, *self._search.own_value)
        bring_back_wins(tree)
        if self._learns:
            self.refresh_priors()
        self._search.finish_making_room()
        if self._search.visits > 1:
            self._search.make_room()
            self._search.finish_making_room()

    def _make_room(self) -> None:
        """Let old parts of the tree give way, for a few milliseconds."""
        self.finish()
        begun = time.perf_counter()
        while self._search.needs_room and time.perf_counter() < begun + params.CALL_SECONDS:
            self._search.make_room()

    def pause(self) -> None:
        """Let all threads stand still, so that the tree can be read."""
        self._visits.pause()

    def finish(self, in_haste: bool = False) -> None:
        """Complete the visits in flight; the threads rest.

        In haste, what alpha-beta has not answered yet stays open until `settle`, which must come
        before the tree moves.
        """
        if self.tactical_priors is not None:
            self.tactical_priors.in_haste = in_haste
        self._visits.rest()
        if not in_haste:
            self.settle()

    def settle(self) -> None:
        """Take alpha-beta's answers to everything it was asked. No thread may visit the tree."""
        if self.tactical_priors is not None:
            self.tactical_priors.in_haste = False
            if isinstance(self._visits, Batches):
                self._visits.await_answers()
            self.tactical_priors.answer()
            self.tactical_priors.take_answers()

    def close(self) -> None:
        """Stop the threads. The runner is not used afterwards."""
        self._visits.close()
