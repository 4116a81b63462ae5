"""The two kinds of rounds: leaves for a batched evaluator, and leaves that the kernel of a family evaluates.

Rounds are small while the tree is small. Their sizes depend on the visits of the root alone.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Protocol

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.evaluation.cache import CachedEvaluator, OpenQuestions
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, LeafBatch, PartEvaluator, new_leaf_batch
from engine.evaluation.tablebase import Tablebase
from engine.network.outputs import CHUNK
from engine.search.gather import gather
from engine.search.in_kernel import begin, new_scratch
from engine.search.runners import family_module
from engine.search.session import Search
from engine.search.tree import (
    DRAW,
    LEAVES,
    LOSS,
    MAX_ROUND,
    MAX_VISITS,
    ROOT,
    UNKNOWN_DISTANCE,
    WIN,
    Round,
    new_round,
)


class SharedWork:
    """Work that is handed out to threads in shares (`threads.Crew`)."""

    def __init__(self, for_helpers: bool = False) -> None:
        self.for_helpers = for_helpers  # the calling thread leaves it to the others while there are any
        self.open_shares = 0  # not done yet, as far as the calling thread knows
        self.done: SimpleQueue[bool] = SimpleQueue()  # from a helper for each share: whether it went well


class RoundInFlight(SharedWork):
    """Visits that were begun together, and their leaves, ``leaves[: visits.counts[LEAVES]]``."""

    def __init__(self, room: int, cached: bool = False) -> None:
        super().__init__()
        self.visits: Round = new_round()
        self.leaves: LeafBatch = new_leaf_batch(room)
        self.unanswered = OpenQuestions(room if cached else 0)

    @property
    def count(self) -> int:
        """Leaves."""
        return int(self.visits.counts[LEAVES])


class Rounds(Protocol):
    """How a round is begun and evaluated."""

    overlap_from: int  # visits from which two rounds are in flight; smaller trees want fresh values
    most_leaves: int  # of the largest round
    most_threads: int  # that find work in the largest round

    def new_flight(self) -> RoundInFlight:
        """Room for the largest round."""
        ...

    def begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Begin at most ``limit`` visits; ``overlapped`` while another round is in flight."""
        ...

    def questions(self, flight: RoundInFlight) -> int:
        """How many leaves of a round are to be evaluated."""
        ...

    def share(self, questions: int, threads: int) -> int:
        """How many of so many leaves a thread takes at once."""
        ...

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Evaluate leaves ``start`` to ``end`` of those asked about, on thread ``worker``."""
        ...

    def take_answers(self, flight: RoundInFlight) -> None:
        """Complete the leaves, now that all are evaluated."""
        ...


class BatchedRounds:
    """Rounds for a batched evaluator. Where it answers in parts two half rounds are in flight, of whole chunks.

    ``round_size`` 0 is the evaluator's own.
    """

    SMALLEST = 4  # leaves
    VISITS_PER_LEAF = 16  # the leaves in flight grow to this fraction of the visits so far, up to the round size

    def __init__(self, search: Search, evaluator: Evaluator, round_size: int = 0) -> None:
        self._search = search
        self._cache = evaluator if isinstance(evaluator, CachedEvaluator) else None
        self._evaluator: Evaluator = self._cache.inner if self._cache is not None else evaluator
        self.most_leaves = min(MAX_ROUND, round_size or evaluator.round_size)
        self._parts = self._evaluator if isinstance(self._evaluator, PartEvaluator) else None
        if self._parts is not None and (self.most_leaves < 2 * CHUNK or not self._parts.in_parts):
            self._parts = None
        self.overlap_from = 2 * CHUNK * self.VISITS_PER_LEAF if self._parts is not None else MAX_VISITS
        self.most_threads = self.most_leaves if self._parts is not None else -(-self.most_leaves // CHUNK)

    def new_flight(self) -> RoundInFlight:
        """Room for a whole round: there is no half one while the tree is small."""
        return RoundInFlight(self.most_leaves, self._cache is not None)

    def begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Gather leaves, and look up what is known about them."""
        search = self._search
        size = min(self.most_leaves, max(self.SMALLEST, search.visits // self.VISITS_PER_LEAF))
        size = size // 2 if overlapped else size
        if size > CHUNK:
            size -= size % CHUNK
        # Visits that need no evaluation, and collisions, leave room in the batch for others.
        limit = min(limit, size + size // 4, MAX_ROUND)
        gather(search.tree, flight.visits, search.params, flight.leaves, 0, limit, size)
        if self._cache is not None:
            self._cache.look_up(flight.leaves, flight.count, flight.unanswered)

    def questions(self, flight: RoundInFlight) -> int:
        """Leaves that the cache does not know."""
        return flight.count if self._cache is None else flight.unanswered.count

    def share(self, questions: int, threads: int) -> int:
        """A chunk, or less where that leaves threads without one; everything where the evaluator wants it so."""
        return min(CHUNK, -(-questions // threads)) if self._parts is not None else questions

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Ask the evaluator; it knows its threads itself."""
        batch = flight.leaves if self._cache is None else flight.unanswered.asked
        if self._parts is not None:
            self._parts.evaluate_part(batch, start, end)
        else:
            self._evaluator.evaluate(batch, end)

    def take_answers(self, flight: RoundInFlight) -> None:
        """Keep them."""
        if self._cache is not None:
            self._cache.take_answers(flight.leaves, flight.unanswered)


class InKernelRounds:
    """Rounds for an in-kernel family; the rules are asked where the leaf is evaluated."""

    VISITS_PER_LEAF = 64  # a round grows to this fraction of the visits so far
    MOST = 256  # leaves of a round
    SMALLEST_SHARE, LARGEST_SHARE = 16, 64  # leaves that a thread takes at once: to call a kernel takes 16 microseconds
    overlap_from = 512
    most_leaves = MOST
    most_threads = MOST // SMALLEST_SHARE

    def __init__(self, search: Search, evaluator: InKernelEvaluator, threads: int) -> None:
        self._search = search
        self._family = family_module(evaluator.in_kernel)
        self._workers = [(evaluator.new_model(), new_scratch()) for _ in range(threads)]

    def new_flight(self) -> RoundInFlight:
        """Room for the largest round."""
        return RoundInFlight(self.MOST)

    def begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Walk down."""
        search = self._search
        size = min(self.MOST, max(1, search.visits // self.VISITS_PER_LEAF), limit)
        begin(search.tree, flight.visits, search.params, flight.leaves, 0, size)

    def questions(self, flight: RoundInFlight) -> int:
        """All leaves."""
        return flight.count

    def share(self, questions: int, threads: int) -> int:
        """One for each thread, within limits."""
        return min(self.LARGEST_SHARE, max(self.SMALLEST_SHARE, -(-questions // threads)))

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Ask the rules, then the family's kernel."""
        params, parts = self._search.params, self._workers[worker]
        self._family.evaluate_share(flight.visits, params, flight.leaves, 0, start, end, *parts)

    def take_answers(self, flight: RoundInFlight) -> None:
        """They stand where they belong."""


def ask_tablebase(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch) -> None:
    """Note the results of those leaves of a round that the tables know: few men, no castling, clock at zero."""
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[:count]
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    below_root = in_flight.leaf_nodes[:count] != ROOT  # the root is searched, whatever the tables say
    fits = (men <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    for k in np.flatnonzero(fits & below_root):
        wdl = tablebase.wdl(rows[k])
        if wdl is not None:
            in_flight.known[k] = {2: LOSS, -2: WIN}.get(wdl, DRAW)  # for the side that moved into the leaf
            in_flight.mate_plies[k] = UNKNOWN_DISTANCE
