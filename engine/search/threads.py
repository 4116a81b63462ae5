"""In-kernel evaluators on several threads: half-rounds, one on its way down while the other is evaluated.

One thread walks down the tree for a half-round while the others ask the rules about the positions of the one before
and evaluate them, a few leaves at a time; then it helps them, and applies that half-round in the order gathered. Sizes
depend on the visits alone, and an evaluation on its position alone: the tree is the same whoever evaluated what, at
any number of threads from two on.

Why not a tree a thread, merged at the root: that doubles nodes a second at two threads by construction, but every tree
knows half, and the memory is split. Here the one thread that walks is busy 4.1 of the 9.6 microseconds that a `sparse`
node of 768 units costs (2.2 down, 1.9 up; 2.4 for the rules and 3.1 for the net run anywhere), 5.8 of 45 with
`material`. Measured on two idle cores, three positions of three seconds: `sparse` 77,700 nodes/s with one thread,
109,000 with two; `material` 23,000 and 37,600. From three threads on `sparse` is bound by the walk.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from engine.evaluation.protocol import InKernelEvaluator, LeafBatch
from engine.evaluation.tablebase import Tablebase
from engine.search.backup import apply
from engine.search.in_kernel import begin, new_scratch
from engine.search.runners import ask_tablebase, family_module
from engine.search.session import Search
from engine.search.tree import LEAVES, MAX_ROUND, new_round

HALF = MAX_ROUND // 2  # most leaves of a half-round
VISITS_PER_LEAF = 64  # a half-round grows to this fraction of the visits so far
OVERLAP_FROM = 512  # visits; smaller trees are searched one half-round after the other
SHARE = 16  # leaves that a thread takes at once


class ThreadedRunner:
    """Half-rounds over ``threads`` threads, the calling one included. With a tablebase one thread may do too."""

    tablebase: Tablebase | None = None

    def __init__(
        self,
        search: Search,
        evaluator: InKernelEvaluator,
        leaves: LeafBatch,
        threads: int,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._search = search
        self._leaves = leaves
        self._family = family_module(evaluator.in_kernel)
        self._pool = pool
        self._workers = [(evaluator.new_model(), new_scratch()) for _ in range(threads)]
        self._waiting, self._other = (search.in_flight, 0), (new_round(), HALF)

    def advance(self, limit: int) -> None:
        """Begin one half-round, and finish the one before."""
        search = self._search
        is_new = not search.is_expanded
        if search.visits < OVERLAP_FROM:
            self._begin(1 if is_new else min(limit, max(1, search.visits // VISITS_PER_LEAF)))
            self._waiting, self._other = self._other, self._waiting
            self._complete(0)
        else:
            self._complete(min(HALF, max(1, search.visits // VISITS_PER_LEAF), limit - self._leaves_waiting))
        if is_new:
            search.look_for_mate()

    def finish(self) -> None:
        """Complete the half-round in flight."""
        self._complete(0)

    @property
    def _leaves_waiting(self) -> int:
        return int(self._waiting[0].counts[LEAVES])

    def _begin(self, size: int) -> None:
        in_flight, first = self._other
        search = self._search
        begin(search.tree, in_flight, search.params, self._leaves, first, size)
        if self.tablebase is not None:
            ask_tablebase(self.tablebase, in_flight, self._leaves, first)

    def _complete(self, next_size: int) -> None:
        """Evaluate and apply the waiting half-round, and meanwhile begin the next one with ``next_size`` visits."""
        in_flight, first = self._waiting
        shares = iter(range(0, self._leaves_waiting, SHARE))
        helpers = min(len(self._workers) - 1, -(-self._leaves_waiting // SHARE) - (next_size <= 0))
        busy = [self._pool.submit(self._evaluate, shares, worker) for worker in range(1, helpers + 1)]
        if next_size > 0:
            self._begin(next_size)
        self._evaluate(shares, 0)
        for future in busy:
            future.result()
        search = self._search
        apply(search.tree, in_flight, search.params, self._leaves, first)
        self._waiting, self._other = self._other, self._waiting

    def _evaluate(self, shares: Iterator[int], worker: int) -> None:
        """Take shares of the waiting half-round until none is left; advancing an iterator over a range is atomic."""
        in_flight, first = self._waiting
        end = self._leaves_waiting
        params = self._search.params
        for start in shares:
            self._family.evaluate_share(
                in_flight, params, self._leaves, first, start, min(start + SHARE, end), *self._workers[worker]
            )
