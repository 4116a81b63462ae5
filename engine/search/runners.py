"""Who carries visits out: rounds of a batched evaluator here, visits inside one kernel here, both over threads in
`threads`.

For the same position, options and node count a runner builds the same tree, whenever it is interrupted and however
many threads an evaluator uses.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Protocol

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.evaluation.protocol import CHUNK, Evaluator, InKernelEvaluator, LeafBatch
from engine.evaluation.tablebase import Tablebase
from engine.search.in_kernel import new_scratch
from engine.search.session import Search
from engine.search.tree import DRAW, LEAVES, LOSS, ROOT, UNKNOWN_DISTANCE, WIN, Round

SMALLEST_ROUND = 4  # leaves
VISITS_PER_LEAF = 16  # a round grows to this fraction of the visits so far, up to the evaluator's round size
CALL_SECONDS = 0.003  # that a kernel runs before Python looks at clock and stop
FIRST_CALL_VISITS = 16


class Runner(Protocol):
    """Carries out visits of one search."""

    tablebase: Tablebase | None  # asked about leaves, where there is one

    def advance(self, limit: int) -> None:
        """Some visits, at most ``limit``, in a few milliseconds."""
        ...

    def finish(self) -> None:
        """Complete the visits in flight."""
        ...


class RoundRunner:
    """Rounds: gather leaves, have them evaluated together, apply. ``round_size`` 0 is the evaluator's own."""

    tablebase: Tablebase | None = None

    def __init__(self, search: Search, evaluator: Evaluator, leaves: LeafBatch, round_size: int = 0) -> None:
        self._search = search
        self._evaluator = evaluator
        self._leaves = leaves
        self._round_size = round_size or evaluator.round_size

    def advance(self, limit: int) -> None:
        """One round: small while the tree is small, never by the number of threads."""
        search, leaves = self._search, self._leaves
        size = min(self._round_size, max(SMALLEST_ROUND, search.visits // VISITS_PER_LEAF))
        if size > CHUNK:
            size -= size % CHUNK  # evaluators pad to whole chunks
        # Visits that need no evaluation, and collisions, leave room in the batch for others.
        count = search.gather(leaves, 0, min(limit, size + size // 4), size)
        if count:
            self._evaluator.evaluate(leaves, count)
            if self.tablebase is not None:
                ask_tablebase(self.tablebase, search.in_flight, leaves, 0)
        search.apply(leaves, 0)

    def finish(self) -> None:
        """Nothing is ever left in flight."""


class LoopRunner:
    """One visit after the other inside the family's kernel: no batch, no Python between nodes, and so no tablebase."""

    tablebase: Tablebase | None = None

    def __init__(self, search: Search, evaluator: InKernelEvaluator, leaves: LeafBatch) -> None:
        self._search = search
        self._leaves = leaves
        self._model = evaluator.new_model()
        self._scratch = new_scratch()
        self._family = family_module(evaluator.in_kernel)
        self._visits = FIRST_CALL_VISITS

    def advance(self, limit: int) -> None:
        """As many visits as took a few milliseconds before."""
        search = self._search
        is_new = not search.is_expanded
        visits = 1 if is_new else min(limit, self._visits)
        begun = time.perf_counter()
        self._family.run_visits(
            search.tree, search.in_flight, search.params, self._leaves, self._model, self._scratch, visits
        )
        if is_new:
            search.look_for_mate()
            return
        share = CALL_SECONDS / max(time.perf_counter() - begun, 1e-6)
        self._visits = max(1, int(visits * min(2.0, share)))

    def finish(self) -> None:
        """Nothing is ever left in flight."""


def family_module(family: str) -> ModuleType:
    """The loops of an in-kernel family; only those used are imported, and compiled."""
    if family == "material":
        from engine.search import material_loop

        return material_loop
    from engine.search import sparse_loop

    return sparse_loop


def ask_tablebase(tablebase: Tablebase, in_flight: Round, leaves: LeafBatch, first: int) -> None:
    """Note the results of those leaves of a round that the tables know: few men, no castling, clock at zero."""
    count = int(in_flight.counts[LEAVES])
    rows = leaves.rows[first : first + count]
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    below_root = in_flight.leaf_nodes[:count] != ROOT  # the root is searched, whatever the tables say
    fits = (men <= tablebase.largest) & (rows[:, CASTLING] == 0) & (rows[:, HALFMOVE] == 0)
    for k in np.flatnonzero(fits & below_root):
        wdl = tablebase.wdl(rows[k])
        if wdl is not None:
            in_flight.known[k] = {2: LOSS, -2: WIN}.get(wdl, DRAW)  # for the side that moved into the leaf
            in_flight.mate_plies[k] = UNKNOWN_DISTANCE
