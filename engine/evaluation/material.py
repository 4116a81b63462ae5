"""The evaluator that needs no weights: quiescence-resolved classical values, logits from plain move features."""

from __future__ import annotations

import threading

import numpy as np

from engine.evaluation.classical import game_phase
from engine.evaluation.move_scores import new_move_space, score_leaves
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.quiescence import Resolved, new_resolved, new_space, resolve_leaves
from engine.evaluation.wdl import write_wdl
from engine.evaluation.workers import Workers
from engine.jit import kernel

ROUND_SIZE = 32


@kernel()
def write_values(leaves, first, last, resolved):
    """wdl and moves left of leaves[first:last]."""
    for leaf in range(first, last):
        write_wdl(np.float64(resolved.value[leaf]), leaves.wdl[leaf])
        # Plies to the end: fewer with little material, and fewer when it is decided.
        leaves.moves_left[leaf] = (20.0 + 2.5 * game_phase(leaves.rows[leaf])) * (0.4 + leaves.wdl[leaf, 1])


class Resolver:
    """Quiescence results for batches of any size; each thread has a stack of its own."""

    def __init__(self) -> None:
        self.resolved: Resolved = new_resolved(0)
        self._local = threading.local()

    def fit(self, leaves: LeafBatch) -> None:
        """Make room for a batch, before threads write into it."""
        if len(self.resolved.value) < len(leaves.rows):
            self.resolved = new_resolved(len(leaves.rows))

    def resolve(self, leaves: LeafBatch, first: int, last: int, with_moves: bool) -> Resolved:
        """Settle leaves[first:last] on the calling thread."""
        if not hasattr(self._local, "space"):
            self._local.space = new_space()
        resolve_leaves(leaves, first, last, with_moves, self._local.space, self.resolved)
        return self.resolved


class MaterialEvaluator:
    """Evaluator `material`: always available, GIL-free, some thirty microseconds a leaf."""

    name = "material"
    round_size = ROUND_SIZE
    needs_planes = False

    def __init__(self, threads: int = 1) -> None:
        self._workers = Workers(threads)
        self._resolver = Resolver()
        self._local = threading.local()

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._resolver.fit(leaves)
        self._workers.share(count, lambda first, last: self._evaluate_part(leaves, first, last))

    def close(self) -> None:
        """Stop the worker threads."""
        self._workers.close()

    def _evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        if not hasattr(self._local, "space"):
            self._local.space = new_move_space()
        resolved = self._resolver.resolve(leaves, first, last, with_moves=True)
        write_values(leaves, first, last, resolved)
        score_leaves(leaves, first, last, resolved, self._local.space)
