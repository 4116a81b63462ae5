"""Who carries visits out: one after the other inside one kernel here, in rounds over threads in `threads`.

For the same position, options and node count a runner builds the same tree, whenever it is interrupted.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Protocol

from engine.evaluation.protocol import InKernelEvaluator, new_leaf_batch
from engine.evaluation.tablebase import Tablebase
from engine.search.advice import Advisor
from engine.search.in_kernel import new_scratch
from engine.search.session import Search

CALL_SECONDS = 0.003  # that a kernel runs before Python looks at clock and stop
FIRST_CALL_VISITS = 16


class Runner(Protocol):
    """Carries out visits of one search."""

    tablebase: Tablebase | None  # asked about leaves, where there is one
    most_threads: int  # more of them find no work
    collisions_end_rounds: bool  # whether descents can meet at a leaf that is not evaluated yet

    def advance(self, limit: int) -> None:
        """Some visits, at most ``limit``, in a few milliseconds."""
        ...

    def finish(self) -> None:
        """Complete the visits in flight."""
        ...

    def close(self) -> None:
        """Stop the threads. The runner is not used afterwards."""
        ...


class LoopRunner:
    """One visit after the other inside the family's kernel: no batch, no Python between nodes, and so no tablebase."""

    tablebase: Tablebase | None = None
    most_threads = 1
    collisions_end_rounds = False

    def __init__(self, search: Search, evaluator: InKernelEvaluator, advisor: Advisor | None = None) -> None:
        self._search = search
        self._leaves = new_leaf_batch(1)
        self._model = evaluator.new_model()
        self._scratch = new_scratch()
        self._family = family_module(evaluator.in_kernel)
        self._visits = FIRST_CALL_VISITS
        self._advisor = advisor

    def advance(self, limit: int) -> None:
        """As many visits as took a few milliseconds before."""
        search = self._search
        is_new = not search.is_expanded
        visits = 1 if is_new else min(limit, self._visits)
        if self._advisor is not None:
            visits = min(visits, max(1, self._advisor.visits_left()))
        begun = time.perf_counter()
        self._family.run_visits(
            search.tree, search.in_flight, search.params, self._leaves, self._model, self._scratch, visits
        )
        if is_new:
            search.look_for_mate()
            return
        share = CALL_SECONDS / max(time.perf_counter() - begun, 1e-6)
        self._visits = max(1, int(min(visits * share, 2.0 * self._visits)))
        if self._advisor is not None and self._advisor.visits_left() == 0 and self._advisor.collect():
            self._advisor.answer()
            self._advisor.take_answers()

    def finish(self) -> None:
        """Nothing is ever left in flight."""

    def close(self) -> None:
        """There is no other thread."""


def family_module(family: str) -> ModuleType:
    """The loops of an in-kernel family; only those used are imported, and compiled."""
    if family == "material":
        from engine.search import material_loop

        return material_loop
    from engine.search import sparse_loop

    return sparse_loop
