"""Carries out the visits of one search after the other, with all threads.

`Walkers`: for an evaluator inside kernels, threads carry out whole visits on one tree. All run the same kernel
(`visits.run_visits`), and no Python runs between two visits. The calling thread returns every few milliseconds, while
its helpers go on, until they are to stand still: before the tree is read for a report, makes room, gets fresh priors or
changes at the root. With one thread the tree is the same for the same position, options and node count, however many
visits each call makes; with several it depends on who comes first.

`Batches`: for a batched evaluator, one batch of leaves is gathered while the one before is evaluated. The calling
thread alone walks the tree: it begins a batch, helps to evaluate the oldest, finishes that, and begins the next. The
order of beginning and finishing is always the same, and the sizes of batches depend on the visits of the root alone:
the tree is the same whoever evaluated what, at any number of threads. A search that ends completes what is in flight;
one that goes on from there builds another tree than one that did not end.

`Runner` lets one of both visit the tree. In between, old parts of a full tree give way, a root that has just got its
moves is looked at for a mate, priors follow the history, and alpha-beta is asked for hints (`hints`): after a fixed
number of visits, and with batches while these go on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from functools import partial

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.errors import ConfigError
from engine.evaluation.answers import check_answers
from engine.evaluation.cache import CachedEvaluator, OpenQuestions
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, LeafBatch, PartEvaluator, new_leaf_batch
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Tablebase
from engine.native.ordering import SPACING
from engine.native.pool import Offer, ThreadPool
from engine.network.outputs import CHUNK
from engine.search.hints import HintSource
from engine.search.params import (
    BATCHED_SMALLEST_ROUND,
    BATCHED_VISITS_PER_LEAF,
    CALL_SECONDS,
    FIRST_CALL_VISITS,
    MOST_THREADS,
)
from engine.search.session import Search
from engine.search.tree import (
    DRAW,
    LEAVES,
    LOSS,
    MAX_ROUND,
    MAX_VISITS,
    ROOT,
    UNKNOWN,
    UNKNOWN_DISTANCE,
    WIN,
    Round,
    new_round,
)
from engine.search.visits import apply, gather, new_walker, run_visits


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

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._until[0] = 0
        self._pool.close()

    def _walk(self, worker: int, visits: int) -> int:
        """Carry out so many visits on one thread; returns how many are left once there are as many as wanted.

        A leaf that endgame tables may know comes back from the kernel, and the next call finishes it.
        """
        search, walker, tables = self._search, self._walkers[worker], self.tablebase
        most_men = np.int64(tables.largest if tables is not None else 0)
        tree, params = search.trees[worker], search.params
        while True:
            visits = run_visits(tree, params, walker, self._until, np.int64(visits), most_men)
            if tables is None or not walker.in_flight.counts[LEAVES]:
                return int(visits)
            with self._lookup:
                ask_tables(tables, walker.in_flight, walker.leaves)


class Batch:
    """Visits that were begun together, and their leaves, ``leaves[: visits.counts[LEAVES]]``."""

    def __init__(self, room: int, cached: bool) -> None:
        self.visits: Round = new_round()
        self.leaves: LeafBatch = new_leaf_batch(room)
        self.unanswered = OpenQuestions(room if cached else 0)
        self.shares: list[Offer] = []  # Its evaluation, in parts for several threads.

    @property
    def count(self) -> int:
        """Number of leaves."""
        return int(self.visits.counts[LEAVES])


class Batches:
    """Visits for a batched evaluator. Where it answers in parts two half batches are in flight, of whole chunks.

    ``round_size`` is the number of leaves of the largest batch. 0 = the evaluator's own.
    """

    def __init__(self, search: Search, evaluator: Evaluator, threads: int, round_size: int = 0) -> None:
        self.tablebase: Tablebase | None = None  # Is asked about the leaves of every batch, where there is one.
        self._search = search
        self._cache = evaluator if isinstance(evaluator, CachedEvaluator) else None
        self._evaluator: Evaluator = self._cache.inner if self._cache is not None else evaluator
        self._by_evaluator = not round_size  # It may ask for smaller batches in the middle of a search.
        self.most_leaves = min(MAX_ROUND, round_size or self._evaluator.round_size)
        if self.most_leaves < 1:
            raise ConfigError(f"evaluator {evaluator.name}: round_size is {evaluator.round_size}, expected 1 or more")
        self._parts = self._evaluator if isinstance(self._evaluator, PartEvaluator) else None
        if self._parts is not None and (self.most_leaves < 2 * CHUNK or not self._parts.in_parts):
            self._parts = None
        # Visits of the root from which two batches are in flight; smaller trees want fresh values.
        self.overlap_from = 2 * CHUNK * BATCHED_VISITS_PER_LEAF if self._parts is not None else MAX_VISITS
        self.most_threads = self.most_leaves if self._parts is not None else -(-self.most_leaves // CHUNK)
        self._pool = ThreadPool(threads, "evaluate")
        # A ring, the oldest batch first. Room for a whole one in each: there is no half one while the tree is small.
        self._ring = deque(Batch(self.most_leaves, self._cache is not None) for _ in range(2))
        self._in_flight = 0  # Number of batches in flight, the first ones of the ring.
        self._answers: Offer | None = None  # Those of alpha-beta.

    def run(self, until: int) -> None:
        """One batch, small while the tree is small, until the root has ``until`` visits at most."""
        depth = 2 if self._search.visits >= self.overlap_from else 1
        self._begin(until, depth)
        while self._in_flight >= depth:
            self._finish_oldest()

    def pause(self) -> None:
        """Do nothing: between two calls the tree may be read."""

    def rest(self) -> None:
        """Complete the visits in flight. The tree may be changed."""
        while self._in_flight:
            self._finish_oldest()

    def let_answer(self, hint_source: HintSource) -> None:
        """Let a helper answer a hint source's questions while batches go on."""
        self._answers = self._pool.offer(hint_source.answer)

    def await_answers(self) -> None:
        """Wait until the helper has answered."""
        if self._answers is not None:
            self._answers.finish()

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._pool.close()
        self._ring.clear()  # Shares hold their owner with its tree, and frozen cycles stay.

    def _begin(self, until: int, depth: int) -> None:
        """Gather leaves, look up what is known about them, and hand out the rest."""
        search, batch = self._search, self._ring[self._in_flight]
        most = min(self.most_leaves, self._evaluator.round_size) if self._by_evaluator else self.most_leaves
        size = min(most, max(BATCHED_SMALLEST_ROUND, search.visits // BATCHED_VISITS_PER_LEAF)) // depth
        if size > CHUNK:
            size -= size % CHUNK
        # Visits that need no evaluation, and collisions, leave room in the batch for others.
        limit = min(until - search.visits - sum(other.count for other in self._ring), size + size // 4, MAX_ROUND)
        self._in_flight += 1
        gather(search.tree, batch.visits, search.params, batch.leaves, 0, limit, size)
        if self._cache is not None:
            self._cache.look_up(batch.leaves, batch.count, batch.unanswered)
        if self.tablebase is not None:
            ask_tables(self.tablebase, batch.visits, batch.leaves)
        questions = batch.count if self._cache is None else batch.unanswered.count
        if self._parts is None:
            batch.shares = [Offer(partial(self._evaluate, batch, 0, questions))] if questions else []
            return
        share = max(1, min(CHUNK, -(-questions // self._pool.threads)))  # Less than a chunk only for idle threads.
        for start in range(0, questions, share):
            part = partial(self._evaluate, batch, start, min(start + share, questions))
            batch.shares.append(self._pool.offer(part))

    def _evaluate(self, batch: Batch, start: int, end: int) -> None:
        """Answer questions ``start`` to ``end`` of a batch."""
        leaves = batch.leaves if self._cache is None else batch.unanswered.asked
        if self._parts is not None:
            self._parts.evaluate_part(leaves, start, end)
        else:
            self._evaluator.evaluate(leaves, end)
        check_answers(self._evaluator.name, leaves, start, end)

    def _finish_oldest(self) -> None:
        """Complete the evaluation of the oldest batch and finish its visits."""
        batch = self._ring[0]
        # The calling thread begins at the end where no other does, and goes on with what is younger instead of waiting.
        for share in [share for other in self._ring for share in reversed(other.shares)]:
            if all(own.is_done for own in batch.shares):
                break
            share.take()
        for share in batch.shares:
            share.finish()
        batch.shares.clear()
        if self._cache is not None:
            self._cache.take_answers(batch.leaves, batch.unanswered)
        apply(self._search.tree, batch.visits, self._search.params, batch.leaves, 0)
        self._ring.rotate(-1)
        self._in_flight -= 1


def ask_tables(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch) -> None:
    """Note the results of leaves that the tables know: few pieces, no castling rights, halfmove clock at zero."""
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[:count]
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    below_root = in_flight.leaf_nodes[:count] != ROOT  # The root is searched whatever the tables say.
    fits = (men <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    for k in np.flatnonzero(fits & below_root):
        wdl = tablebase.wdl(rows[k])  # For the side to move; the tree's is the other one.
        in_flight.known[k] = UNKNOWN if wdl is None else {TABLE_WIN: LOSS, -TABLE_WIN: WIN}.get(wdl, DRAW)
        in_flight.mate_plies[k] = UNKNOWN_DISTANCE


class Runner:
    """Carries out visits of a search's tree, as `visits` does."""

    hint_source: HintSource | None = None  # Gives the search hints, where there is one. Changes between searches only.

    def __init__(self, search: Search, visits: Walkers | Batches) -> None:
        self._search = search
        self._visits = visits

    def advance(self, until: int) -> None:
        """Carry out some visits in a few milliseconds, until the root has ``until`` at most, or none while something
        else takes them.
        """
        search, visits, hint_source = self._search, self._visits, self.hint_source
        if isinstance(visits, Walkers) and hint_source is not None and hint_source.is_asking:
            visits.set_off(until)
            if hint_source.answer_next():
                visits.pause()
                hint_source.take_answers()
            return
        if search.needs_room:
            self._make_room()
            return
        is_new, due_at = not search.is_expanded, hint_source.due_at() if hint_source is not None else MAX_VISITS
        refresh_at = search.refresh_due_at
        if is_new:
            until = search.visits + 1
        elif isinstance(visits, Walkers):
            until = min(until, max(min(due_at, refresh_at), search.visits + 1))
        visits.run(until)
        if is_new:
            search.look_for_mate()
        if search.visits >= refresh_at:
            visits.pause()
            search.refresh_priors()
        if hint_source is not None and search.visits >= due_at:
            visits.pause()
            self.settle()
            if hint_source.collect() and isinstance(visits, Batches):
                visits.let_answer(hint_source)

    def _make_room(self) -> None:
        """Let old parts of the tree give way, for a few milliseconds."""
        self.finish()
        begun = time.perf_counter()
        while self._search.needs_room and time.perf_counter() < begun + CALL_SECONDS:
            self._search.make_room()

    def pause(self) -> None:
        """Let all threads stand still, so that the tree can be read."""
        self._visits.pause()

    def finish(self, in_haste: bool = False) -> None:
        """Complete the visits in flight; the threads rest.

        In haste, what alpha-beta has not answered yet stays open until `settle`, which must come before the tree moves.
        """
        if self.hint_source is not None:
            self.hint_source.in_haste = in_haste
        self._visits.rest()
        if not in_haste:
            self.settle()

    def settle(self) -> None:
        """Take alpha-beta's answers to everything it was asked. No thread may visit the tree."""
        if self.hint_source is not None:
            self.hint_source.in_haste = False
            if isinstance(self._visits, Batches):
                self._visits.await_answers()
            self.hint_source.answer()
            self.hint_source.take_answers()

    def close(self) -> None:
        """Stop the threads. The runner is not used afterwards."""
        self._visits.close()
