"""Batches of leaves for a batched evaluator, over threads: one is gathered while the one before is evaluated.

The calling thread alone walks the tree: it begins a batch, helps to evaluate the one before, applies that in the order
gathered, and begins the next. Threads take shares from one queue, those of the older batch first; where none of these
is left the calling thread takes one of the younger batch, so that nobody waits while there is work. The order of
beginning and applying is always the same, and the sizes of batches depend on the visits of the root alone: the tree is
the same whoever evaluated what, at any number of threads. A search that ends completes what is in flight; one that goes
on from there builds another tree than one that did not end.
"""

from __future__ import annotations

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.evaluation.cache import CachedEvaluator, OpenQuestions
from engine.evaluation.protocol import Evaluator, LeafBatch, PartEvaluator, new_leaf_batch
from engine.evaluation.tablebase import Tablebase
from engine.network.outputs import CHUNK
from engine.search.crew import Crew, SharedWork
from engine.search.hints import HintSource
from engine.search.params import BATCHED_SMALLEST_ROUND, BATCHED_VISITS_PER_LEAF
from engine.search.session import Search
from engine.search.table_answers import known_result
from engine.search.tree import LEAVES, MAX_ROUND, MAX_VISITS, ROOT, UNKNOWN_DISTANCE, Round, new_round
from engine.search.visits import apply, gather


class RoundInFlight(SharedWork):
    """Visits that were begun together, and their leaves, ``leaves[: visits.counts[LEAVES]]``."""

    def __init__(self, room: int, cached: bool = False) -> None:
        super().__init__()
        self.visits: Round = new_round()
        self.leaves: LeafBatch = new_leaf_batch(room)
        self.unanswered = OpenQuestions(room if cached else 0)

    @property
    def count(self) -> int:
        """Number of leaves."""
        return int(self.visits.counts[LEAVES])

    @property
    def is_empty(self) -> bool:
        """Whether no visits are in flight, collisions with leaves of another round included."""
        return not self.visits.counts.any()


class Batches:
    """Visits for a batched evaluator. Where it answers in parts two half batches are in flight, of whole chunks.

    ``round_size`` is the number of leaves of the largest batch. 0 = the evaluator's own.
    """

    def __init__(self, search: Search, evaluator: Evaluator, threads: int, round_size: int = 0) -> None:
        self.tablebase: Tablebase | None = None  # Is asked about the leaves of every batch, where there is one.
        self._search = search
        self._cache = evaluator if isinstance(evaluator, CachedEvaluator) else None
        self._evaluator: Evaluator = self._cache.inner if self._cache is not None else evaluator
        self.most_leaves = min(MAX_ROUND, round_size or evaluator.round_size)
        self._parts = self._evaluator if isinstance(self._evaluator, PartEvaluator) else None
        if self._parts is not None and (self.most_leaves < 2 * CHUNK or not self._parts.in_parts):
            self._parts = None
        # Visits of the root from which two batches are in flight; smaller trees want fresh values.
        self.overlap_from = 2 * CHUNK * BATCHED_VISITS_PER_LEAF if self._parts is not None else MAX_VISITS
        self.most_threads = self.most_leaves if self._parts is not None else -(-self.most_leaves // CHUNK)
        self._threads = threads
        self._crew = Crew(self._work, threads)
        # Room for a whole batch in each: there is no half one while the tree is small.
        self._waiting, self._next = (RoundInFlight(self.most_leaves, self._cache is not None) for _ in range(2))
        self._hints = SharedWork(for_helpers=True)
        self._hint_source: HintSource | None = None

    def run(self, until: int) -> None:
        """One batch, small while the tree is small, until the root has ``until`` visits at most."""
        limit = until - self._search.visits
        if self._search.visits < self.overlap_from:  # Nothing is in flight.
            self._begin(self._waiting, limit, overlapped=False)
            self._complete(self._waiting)
        else:
            self._begin(self._next, limit - self._waiting.count, overlapped=True)
            self._complete(self._waiting)
            self._waiting, self._next = self._next, self._waiting

    def pause(self) -> None:
        """Do nothing: between two calls the tree may be read."""

    def rest(self) -> None:
        """Complete the visits in flight. The tree may be changed."""
        self._complete(self._waiting)

    def let_answer(self, hint_source: HintSource) -> None:
        """Let a helper answer a hint source's questions while batches go on."""
        self._hint_source = hint_source
        self._crew.hand_out(self._hints, 1, 1)

    def await_answers(self) -> None:
        """Wait until the helper has answered."""
        self._crew.complete(self._hints)

    def dismiss(self) -> None:
        """Let the helpers sleep until the next search."""
        self._crew.rest()

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self._crew.close()

    def _begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Gather leaves, look up what is known about them, and hand out the rest."""
        search = self._search
        size = min(self.most_leaves, max(BATCHED_SMALLEST_ROUND, search.visits // BATCHED_VISITS_PER_LEAF))
        size = size // 2 if overlapped else size
        if size > CHUNK:
            size -= size % CHUNK
        # Visits that need no evaluation, and collisions, leave room in the batch for others.
        limit = min(limit, size + size // 4, MAX_ROUND)
        gather(search.tree, flight.visits, search.params, flight.leaves, 0, limit, size)
        if self._cache is not None:
            self._cache.look_up(flight.leaves, flight.count, flight.unanswered)
        if self.tablebase is not None:
            look_up(self.tablebase, flight.visits, flight.leaves)
        questions = flight.count if self._cache is None else flight.unanswered.count
        if questions:
            # A chunk, or less where that leaves threads without one; everything where the evaluator wants it so.
            share = min(CHUNK, -(-questions // self._threads)) if self._parts is not None else questions
            self._crew.hand_out(flight, questions, share)

    def _complete(self, flight: RoundInFlight) -> None:
        self._crew.complete(flight)
        if flight.is_empty:
            return
        if self._cache is not None:
            self._cache.take_answers(flight.leaves, flight.unanswered)
        apply(self._search.tree, flight.visits, self._search.params, flight.leaves, 0)

    def _work(self, work: SharedWork, start: int, end: int, worker: int) -> None:
        """Answer questions ``start`` to ``end`` of a batch, or those of the hint source."""
        if not isinstance(work, RoundInFlight):
            assert self._hint_source is not None
            self._hint_source.answer()
            return
        batch = work.leaves if self._cache is None else work.unanswered.asked
        if self._parts is not None:
            self._parts.evaluate_part(batch, start, end)
        else:
            self._evaluator.evaluate(batch, end)


def look_up(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch) -> None:
    """Note the results of leaves that the tables know: few pieces, no castling rights, halfmove clock at zero."""
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[:count]
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    below_root = in_flight.leaf_nodes[:count] != ROOT  # The root is searched whatever the tables say.
    fits = (men <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    for k in np.flatnonzero(fits & below_root):
        in_flight.known[k] = known_result(tablebase, rows[k])
        in_flight.mate_plies[k] = UNKNOWN_DISTANCE
