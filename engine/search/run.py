"""Who carries visits out: rounds of them over threads, two in flight, one gathered while the other is evaluated.

The calling thread alone walks the tree: it begins a round, helps to evaluate the one before, applies that in the order
gathered, and begins the next. Threads take shares from one queue, those of the older round first; where none of these
is left the calling thread takes one of the younger round, so that nobody waits while there is work. The order of
beginning and applying is always the same, and the sizes of rounds depend on the visits of the root alone: the tree is
the same whoever evaluated what, at any number of threads and in calls of any length. The same goes for advice
(`advice`): it is looked for while rounds go on, and taken at a fixed visit. A search that ends completes what is in
flight; with rounds or a stream, one that goes on from there builds another tree than one that did not end.

One thread whose evaluator is a kernel needs no rounds: every visit is applied before the next begins, in one kernel
(`visits.run_visits`). Its tree is another one, and a better one: rounds in its place scored 21.5% of 72 games at 1,500
nodes a move (Elo -225 [-325, -149]), at the same nodes a second. Several threads with such an evaluator share a stream
of leaves (`stream`), where a few visits are in flight. Rounds are left to them where endgame tables are asked.

One tree per thread, merged at the root, would double the nodes a second of two threads; but each tree would know half
of them, with half of the memory.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.evaluation.cache import CachedEvaluator, OpenQuestions
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, LeafBatch, PartEvaluator, new_leaf_batch
from engine.evaluation.tablebase import Tablebase
from engine.network.outputs import CHUNK
from engine.search.advice import Advisor
from engine.search.crew import Crew, SharedWork
from engine.search.params import (
    BATCHED_SMALLEST_ROUND,
    BATCHED_VISITS_PER_LEAF,
    CALL_SECONDS,
    FIRST_CALL_VISITS,
    IN_KERNEL_LARGEST_ROUND,
    IN_KERNEL_OVERLAP_FROM,
    IN_KERNEL_VISITS_PER_LEAF,
    LARGEST_SHARE,
    SMALLEST_SHARE,
)
from engine.search.session import Search
from engine.search.stream import StreamRunner
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
from engine.search.visits import begin, evaluate_share, gather, new_scratch, run_visits
from engine.search.walk import apply


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


class Rounds(Protocol):
    """How a round is begun and evaluated."""

    overlap_from: int  # Visits of the root from which two rounds are in flight; smaller trees want fresh values.
    most_leaves: int  # Leaves of the largest round.
    most_threads: int  # Number of threads that find work in the largest round.

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
        """How many of ``questions`` leaves a thread takes at once."""
        ...

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Evaluate leaves ``start`` to ``end`` of those asked about, on thread ``worker``."""
        ...

    def take_answers(self, flight: RoundInFlight) -> None:
        """Complete the leaves, now that all are evaluated."""
        ...


class BatchedRounds:
    """Rounds for a batched evaluator. Where it answers in parts two half rounds are in flight, of whole chunks.

    ``round_size`` is the number of leaves of the largest round. 0 = the evaluator's own.
    """

    def __init__(self, search: Search, evaluator: Evaluator, round_size: int = 0) -> None:
        self._search = search
        self._cache = evaluator if isinstance(evaluator, CachedEvaluator) else None
        self._evaluator: Evaluator = self._cache.inner if self._cache is not None else evaluator
        self.most_leaves = min(MAX_ROUND, round_size or evaluator.round_size)
        self._parts = self._evaluator if isinstance(self._evaluator, PartEvaluator) else None
        if self._parts is not None and (self.most_leaves < 2 * CHUNK or not self._parts.in_parts):
            self._parts = None
        self.overlap_from = 2 * CHUNK * BATCHED_VISITS_PER_LEAF if self._parts is not None else MAX_VISITS
        self.most_threads = self.most_leaves if self._parts is not None else -(-self.most_leaves // CHUNK)

    def new_flight(self) -> RoundInFlight:
        """Room for a whole round: there is no half one while the tree is small."""
        return RoundInFlight(self.most_leaves, self._cache is not None)

    def begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Gather leaves, and look up what is known about them."""
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

    def questions(self, flight: RoundInFlight) -> int:
        """Leaves that the cache does not know."""
        return flight.count if self._cache is None else flight.unanswered.count

    def share(self, questions: int, threads: int) -> int:
        """A chunk, or less where that leaves threads without one; everything where the evaluator wants it so."""
        return min(CHUNK, -(-questions // threads)) if self._parts is not None else questions

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Ask the evaluator, which knows its threads itself."""
        batch = flight.leaves if self._cache is None else flight.unanswered.asked
        if self._parts is not None:
            self._parts.evaluate_part(batch, start, end)
        else:
            self._evaluator.evaluate(batch, end)

    def take_answers(self, flight: RoundInFlight) -> None:
        """Keep the answers in the cache."""
        if self._cache is not None:
            self._cache.take_answers(flight.leaves, flight.unanswered)


class InKernelRounds:
    """Rounds for an evaluator inside kernels; the rules are asked where the leaf is evaluated."""

    overlap_from: int = IN_KERNEL_OVERLAP_FROM
    most_leaves: int = IN_KERNEL_LARGEST_ROUND
    most_threads: int = most_leaves // SMALLEST_SHARE

    def __init__(self, search: Search, evaluator: InKernelEvaluator, threads: int) -> None:
        self._search = search
        self.evaluator = evaluator
        self._workers = [(evaluator.new_model(), new_scratch()) for _ in range(threads)]

    def new_flight(self) -> RoundInFlight:
        """Room for the largest round."""
        return RoundInFlight(self.most_leaves)

    def begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        """Descend to at most ``limit`` leaves."""
        search = self._search
        size = min(self.most_leaves, max(1, search.visits // IN_KERNEL_VISITS_PER_LEAF), limit)
        begin(search.tree, flight.visits, search.params, flight.leaves, 0, size, *self._workers[0])

    def questions(self, flight: RoundInFlight) -> int:
        """The number of leaves: there is no cache to ask first."""
        return flight.count

    def share(self, questions: int, threads: int) -> int:
        """Equal shares for the threads, within SMALLEST_SHARE and LARGEST_SHARE leaves."""
        return min(LARGEST_SHARE, max(SMALLEST_SHARE, -(-questions // threads)))

    def evaluate(self, flight: RoundInFlight, start: int, end: int, worker: int) -> None:
        """Ask the rules, then the family's kernel."""
        evaluate_share(flight.visits, self._search.params, flight.leaves, 0, start, end, *self._workers[worker])

    def take_answers(self, flight: RoundInFlight) -> None:
        """Do nothing: the kernel wrote the answers to the leaves."""

    def run(self, flight: RoundInFlight, visits: int) -> None:
        """Carry out ``visits`` visits on the calling thread, one after the other."""
        search = self._search
        run_visits(search.tree, flight.visits, search.params, flight.leaves, *self._workers[0], visits)


class Runner:
    """Carries out the visits of one search after the other, over ``threads`` threads, the calling one included.

    For the same position, options and node count the tree is the same, however many visits each call makes.
    """

    tablebase: Tablebase | None = None  # Is asked about the leaves of every round, where there is one.
    advisor: Advisor | None = None  # Advises the search, where there is one. Changes between searches only.

    def __init__(self, search: Search, rounds: Rounds, threads: int) -> None:
        self._search = search
        self._rounds = rounds
        self._threads = threads
        self.most_threads = rounds.most_threads  # Number of threads that find work; more are of no use.
        self._crew = Crew(self._work, threads)
        self._stream: StreamRunner | None = None
        if threads > 1 and isinstance(rounds, InKernelRounds):
            self._stream = StreamRunner(search, rounds.evaluator, threads)
        self._waiting, self._next = rounds.new_flight(), rounds.new_flight()
        self._call_visits = FIRST_CALL_VISITS
        self._advice = SharedWork(for_helpers=True)

    def advance(self, limit: int) -> None:
        """Carry out some visits, at most ``limit``, in a few milliseconds, or none while something else takes them."""
        advisor = self.advisor
        if advisor is not None and self._needs_no_rounds and advisor.is_asking:
            if advisor.answer_next():
                advisor.take_answers()
            return
        is_new = not self._search.is_expanded
        limit = 1 if is_new else limit
        if self._search.needs_room:
            self._make_room()
            return
        if self._needs_no_rounds:
            self._run_visits(limit)
        else:
            self._run_round(limit)
        if is_new:
            self._search.look_for_mate()
        if advisor is not None and advisor.visits_left() == 0:
            self.settle()
            if advisor.collect() and not self._needs_no_rounds:
                self._crew.hand_out(self._advice, 1, 1)

    @property
    def _needs_no_rounds(self) -> bool:
        """Whether nothing but kernels takes part in a visit."""
        return self.tablebase is None and isinstance(self._rounds, InKernelRounds)

    @property
    def collisions_end_rounds(self) -> bool:
        """Whether descents can meet at a leaf that is not evaluated yet."""
        return self._rounds.most_leaves > 1 and not self._needs_no_rounds

    def _make_room(self) -> None:
        """Let old parts of the tree give way, for a few milliseconds."""
        self.finish()
        begun = time.perf_counter()
        while self._search.needs_room and time.perf_counter() < begun + CALL_SECONDS:
            self._search.make_room()

    def finish(self, in_haste: bool = False) -> None:
        """Complete the visits in flight; the threads rest.

        In haste, what alpha-beta has not answered yet stays open until `settle`, which must come before the tree moves.
        """
        if self.advisor is not None:
            self.advisor.in_haste = in_haste
        if self._stream is not None:
            self._stream.finish()
        self._complete(self._waiting)
        if not in_haste:
            self.settle()
        self._crew.rest()

    def settle(self) -> None:
        """Take alpha-beta's answers to everything it was asked."""
        if self.advisor is not None:
            self.advisor.in_haste = False
            self._crew.complete(self._advice)
            self.advisor.answer()
            self.advisor.take_answers()

    def close(self) -> None:
        """Stop the threads. The runner is not used afterwards."""
        self._crew.close()
        if self._stream is not None:
            self._stream.close()

    def _run_visits(self, limit: int) -> None:
        """As many visits as took a few milliseconds before, up to the time for advice."""
        assert isinstance(self._rounds, InKernelRounds)
        visits = min(limit, self._call_visits)
        if self.advisor is not None:
            visits = min(visits, max(1, self.advisor.visits_left()))
        begun = time.perf_counter()
        if self._stream is not None:
            self._stream.run(visits, limit)
        else:
            self._rounds.run(self._waiting, visits)
        share = CALL_SECONDS / max(time.perf_counter() - begun, 1e-6)
        if self._search.visits > 1:  # the first visit may have compiled
            self._call_visits = max(1, int(min(visits * share, 2.0 * self._call_visits)))

    def _run_round(self, limit: int) -> None:
        """One round: small while the tree is small, never by the number of threads."""
        if self._search.visits < self._rounds.overlap_from:  # nothing is in flight
            self._begin(self._waiting, limit, overlapped=False)
            self._complete(self._waiting)
        else:
            self._begin(self._next, limit - self._waiting.count, overlapped=True)
            self._complete(self._waiting)
            self._waiting, self._next = self._next, self._waiting

    def _work(self, work: SharedWork, start: int, end: int, worker: int) -> None:
        if isinstance(work, RoundInFlight):
            self._rounds.evaluate(work, start, end, worker)
        elif self.advisor is not None:
            self.advisor.answer()

    def _begin(self, flight: RoundInFlight, limit: int, overlapped: bool) -> None:
        self._rounds.begin(flight, limit, overlapped)
        if self.tablebase is not None:
            ask_tablebase(self.tablebase, flight.visits, flight.leaves)
        questions = self._rounds.questions(flight)
        if questions:
            self._crew.hand_out(flight, questions, self._rounds.share(questions, self._threads))

    def _complete(self, flight: RoundInFlight) -> None:
        self._crew.complete(flight)
        if flight.is_empty:
            return
        self._rounds.take_answers(flight)
        apply(self._search.tree, flight.visits, self._search.params, flight.leaves, 0)


def ask_tablebase(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch) -> None:
    """Note the results of leaves that the tables know: few pieces, no castling rights, halfmove clock at zero."""
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[:count]
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    below_root = in_flight.leaf_nodes[:count] != ROOT  # The root is searched whatever the tables say.
    fits = (men <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    for k in np.flatnonzero(fits & below_root):
        wdl = tablebase.wdl(rows[k])
        if wdl is not None:
            in_flight.known[k] = {2: LOSS, -2: WIN}.get(
                wdl, DRAW
            )  # The result is for the side that moved into the leaf.
            in_flight.mate_plies[k] = UNKNOWN_DISTANCE
