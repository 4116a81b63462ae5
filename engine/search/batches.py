"""Visits for a batched evaluator: one batch of leaves is gathered while the one before is
evaluated.

The calling thread alone walks the tree: it begins a batch, helps to evaluate the oldest, finishes
that, and begins the next. The order of beginning and finishing is always the same, and the sizes of
batches depend on the visits of the root alone: the tree is the same whoever evaluated what, at any
number of threads. A search that ends completes what is in flight; one that goes on from there
builds another tree than one that did not end.
"""

from collections import deque
from functools import partial

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.errors import ConfigError
from engine.evaluation.answer_checks import check_answers
from engine.evaluation.protocol import (
    Evaluator,
    LeafBatch,
    PartEvaluator,
    is_elsewhere,
    new_leaf_batch,
)
from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Tablebase
from engine.native.pool import Offer, ThreadPool
from engine.network.outputs import CHUNK
from engine.search.search_tree_state import Search
from engine.search.tactical_priors import TacticalPriors
from engine.search.tree.arrays import (
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
from engine.search.tree.params import BATCHED_SMALLEST_ROUND, BATCHED_VISITS_PER_LEAF
from engine.search.tree.visits import apply, gather


class Batch:
    """Visits that were begun together, and their leaves, `leaves[: visits.counts[LEAVES]]`."""

    def __init__(self, room: int) -> None:
        self.visits = new_round()
        self.leaves = new_leaf_batch(room)
        self.shares: list[Offer] = []  # Its evaluation, in parts for several threads.

    @property
    def count(self) -> int:
        """Number of leaves."""
        return int(self.visits.counts[LEAVES])


class Batches:
    """Visits for a batched evaluator. Where it answers in parts two half batches are in flight, of
    whole chunks, and also for a GPU, which another thread then waits for.

    `round_size` is the number of leaves of the largest batch. 0 = the evaluator's own.
    """

    def __init__(
        self, search: Search, evaluator: Evaluator, threads: int, round_size: int = 0
    ) -> None:
        self.tablebase: Tablebase | None = None  # It is asked about the leaves of every batch.
        self._search = search
        self._evaluator = evaluator
        self._round_size = round_size
        self.most_leaves = min(MAX_ROUND, round_size or evaluator.round_size)
        if self.most_leaves < 1:
            raise ConfigError(
                f"evaluator {evaluator.name}: round_size is {evaluator.round_size}, expected 1 or more"
            )
        self._parts: PartEvaluator | None = None
        if isinstance(evaluator, PartEvaluator) and self.most_leaves >= 2 * CHUNK:
            self._parts = evaluator if evaluator.in_parts else None
        self._pool = ThreadPool(threads, "evaluate")
        self._elsewhere = threads > 1 and is_elsewhere(evaluator)
        # Visits of the root from which two batches are in flight; smaller trees want fresh values,
        # a GPU full batches.
        self.overlap_from = MAX_VISITS
        if self._elsewhere:
            self.overlap_from = self.most_leaves * BATCHED_VISITS_PER_LEAF
        elif self._parts is not None:
            self.overlap_from = 2 * CHUNK * BATCHED_VISITS_PER_LEAF
        # A ring, the oldest batch first. Room for a whole one in each: there is no half one while
        # the tree is small.
        self._ring = deque(Batch(self.most_leaves) for _ in range(2))
        self._in_flight = 0  # Number of batches in flight, the first ones of the ring.
        self._answers: Offer | None = None  # Those of alpha-beta.

    def run(self, until: int, within_s: float = float("inf")) -> None:
        """Carry out one batch, small while the tree is small, until the root has `until` visits at
        most. The tree must not depend on the time that is left, so a batch is not cut short.
        """
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

    def let_answer(self, tactical_priors: TacticalPriors) -> None:
        """Let a helper answer a hint source's questions while batches go on."""
        self._answers = self._pool.offer(tactical_priors.answer)

    def await_answers(self) -> None:
        """Wait until the helper has answered."""
        if self._answers is not None:
            self._answers.finish()

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._pool.close()
        self._ring.clear()  # Shares hold their owner with its tree, and frozen cycles stay.

    def _begin(self, until: int, depth: int) -> None:
        """Gather leaves and hand them out."""
        search = self._search
        batch = self._ring[self._in_flight]
        # An evaluator may ask for smaller batches in the middle of a search.
        most = min(self.most_leaves, self._round_size or self._evaluator.round_size)
        size = max(BATCHED_SMALLEST_ROUND, search.visits // BATCHED_VISITS_PER_LEAF)
        size = min(most, size) // depth
        if size > CHUNK:
            size -= size % CHUNK
        # Visits that need no evaluation, and collisions, leave room in the batch for others.
        left = until - search.visits - sum(batch_in_flight.count for batch_in_flight in self._ring)
        limit = min(left, size + size // 4, MAX_ROUND)
        self._in_flight += 1
        gather(search.tree, batch.visits, search.params, batch.leaves, 0, limit, size)
        if self.tablebase is not None:
            ask_tables(self.tablebase, batch.visits, batch.leaves)
        share = count = batch.count
        if self._parts is not None:
            # Less than a chunk only for idle threads.
            share = min(CHUNK, -(-count // self._pool.threads))
        for start in range(0, count, max(1, share)):
            work = partial(self._evaluate, batch, start, min(start + share, count))
            if self._parts is not None or self._elsewhere:
                batch.shares.append(self._pool.offer(work))
            else:
                batch.shares.append(Offer(work))

    def _evaluate(self, batch: Batch, start: int, end: int) -> None:
        """Evaluate leaves `start` to `end` of a batch."""
        leaves = batch.leaves
        if self._parts is not None:
            self._parts.evaluate_part(leaves, start, end)
        else:
            self._evaluator.evaluate(leaves, end)
        check_answers(self._evaluator.name, leaves, start, end)

    def _finish_oldest(self) -> None:
        """Complete the evaluation of the oldest batch and finish its visits."""
        batch = self._ring[0]
        # The calling thread begins at the end where no other does, and goes on with what is younger
        # instead of waiting. A GPU takes one batch after the other.
        begun = [batch] if self._elsewhere else self._ring
        for share in [share for batch_begun in begun for share in reversed(batch_begun.shares)]:
            if all(own.is_done for own in batch.shares):
                break
            share.take()
        for share in batch.shares:
            share.finish()
        batch.shares.clear()
        apply(self._search.tree, batch.visits, self._search.params, batch.leaves, 0)
        self._ring.rotate(-1)
        self._in_flight -= 1


def ask_tables(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch) -> None:
    """Note the results of leaves that the tables know: few pieces, no castling rights, halfmove
    clock at zero.
    """
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[:count]
    pieces = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    # The root is searched whatever the tables say.
    below_root = in_flight.leaf_nodes[:count] != ROOT
    fits = (pieces <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    # The tables' results are those of the side to move, the tree's of the other one.
    results = {None: UNKNOWN, TABLE_WIN: LOSS, -TABLE_WIN: WIN}
    for k in np.flatnonzero(fits & below_root):
        in_flight.known[k] = results.get(tablebase.wdl(rows[k]), DRAW)
        in_flight.mate_plies[k] = UNKNOWN_DISTANCE
