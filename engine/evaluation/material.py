"""The evaluator that needs no weights: quiescence-resolved classical values, logits from plain move features."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np

from engine.evaluation.move_scores import MoveSpace, new_move_space, score_leaves
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.scores import MATERIAL_CP_SCALE
from engine.evaluation.wdl import write_wdl
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.network.outputs import CHUNK
from engine.tactics.classical import game_phase
from engine.tactics.quiescence import QuiescenceSpace, Resolved, new_resolved, new_space, resolve_leaves

ROUND_SIZE = 32
MODEL_LEAVES = 512  # the largest batch that a model of `evaluate_leaf` works on


@kernel()
def write_values(leaves, first, last, resolved):
    """wdl and moves left of leaves[first:last]."""
    for leaf in range(first, last):
        write_wdl(np.float64(resolved.value[leaf]), leaves.wdl[leaf])
        # Plies to the end: fewer with little material, and fewer when it is decided.
        leaves.moves_left[leaf] = (20.0 + 2.5 * game_phase(leaves.rows[leaf])) * (0.4 + leaves.wdl[leaf, 1])


class MaterialModel(NamedTuple):
    """One thread's scratch for `evaluate_leaf`."""

    quiescence: QuiescenceSpace
    resolved: Resolved  # of MODEL_LEAVES
    moves: MoveSpace


@kernel()
def evaluate_leaf(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits, wdl and moves left (`LeafBatch`)."""
    resolve_leaves(leaves, leaf, leaf + 1, True, model.quiescence, model.resolved)
    write_values(leaves, leaf, leaf + 1, model.resolved)
    score_leaves(leaves, leaf, leaf + 1, model.resolved, model.moves)


class Resolver:
    """Quiescence results for batches of any size; each thread has results and a stack of its own."""

    def __init__(self) -> None:
        self._local = threading.local()

    def resolve(self, leaves: LeafBatch, first: int, last: int, with_moves: bool) -> Resolved:
        """Settle leaves[first:last] on the calling thread."""
        if not hasattr(self._local, "space"):
            self._local.space, self._local.resolved = new_space(), new_resolved(0)
        if len(self._local.resolved.value) < len(leaves.rows):
            self._local.resolved = new_resolved(len(leaves.rows))
        resolve_leaves(leaves, first, last, with_moves, self._local.space, self._local.resolved)
        return self._local.resolved


class MaterialEvaluator:
    """Evaluator `material`: always available, GIL-free, some thirty microseconds a leaf."""

    name = "material"
    round_size = ROUND_SIZE
    needs_planes = False
    in_kernel = "material"
    cp_scale = MATERIAL_CP_SCALE

    def __init__(self, threads: int = 1) -> None:
        self._pool = ThreadPool(threads, "evaluate")
        self._resolver = Resolver()
        self._local = threading.local()

    def new_model(self) -> MaterialModel:
        """What the kernel `evaluate_leaf` needs, for one more thread."""
        return MaterialModel(new_space(), new_resolved(MODEL_LEAVES), new_move_space())

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        self._pool.share(count, CHUNK, lambda first, last: self._evaluate_part(leaves, first, last))

    def close(self) -> None:
        """Stop the worker threads."""
        self._pool.close()

    def _evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        if not hasattr(self._local, "space"):
            self._local.space = new_move_space()
        resolved = self._resolver.resolve(leaves, first, last, with_moves=True)
        write_values(leaves, first, last, resolved)
        score_leaves(leaves, first, last, resolved, self._local.space)
