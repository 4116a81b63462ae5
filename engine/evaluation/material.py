"""The evaluator that needs no weights: values from quiescence search, logits from simple move features."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.layout import MAX_MOVES
from engine.board.makemove import make
from engine.evaluation.in_kernel import register_family
from engine.evaluation.move_scores import MoveSpace, new_move_space, score_leaves
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.scores import MATERIAL_CP_SCALE
from engine.evaluation.wdl import write_wdl
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.network.outputs import CHUNK
from engine.tactics.classical import evaluate, game_phase
from engine.tactics.quiescence import NODE_LIMIT, QuiescenceSpace, immediate_gain, new_space, quiescence, quiet_value

ROUND_SIZE = 32
MODEL_LEAVES = 512  # the largest batch that a model of `evaluate_leaf` works on
CHECK_DEPTH = 3  # plies in which quiet moves that check directly are tried
FORCING_NODES = 40  # positions that quiescence may visit for one forcing move of a leaf
FORCING_WINDOW = np.int64(500)  # centipawns around the leaf's own value within which that move's value is exact
NOT_FORCING = -(1 << 30)


class Resolved(NamedTuple):
    """Quiescence results of R leaves, in centipawns for each leaf's side to move."""

    value: np.ndarray  # int32 [R] quiescence value
    static: np.ndarray  # int32 [R] static evaluation
    forcing: np.ndarray  # int32 [R, 218] value after a capture, check or queen promotion; NOT_FORCING for other moves


def new_resolved(size: int) -> Resolved:
    """Zeroed results for `size` leaves."""
    return Resolved(np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros((size, MAX_MOVES), np.int32))


@kernel()
def resolve_leaves(leaves, first, last, with_moves, space, resolved):
    """Write quiescence values of leaves[first:last] to `resolved`, and of each forcing move if `with_moves`."""
    for leaf in range(first, last):
        value = quiet_value(leaves.rows[leaf], space, np.int64(CHECK_DEPTH), np.int64(0))
        resolved.value[leaf] = value
        resolved.static[leaf] = evaluate(leaves.rows[leaf])
        if not with_moves:
            continue
        for i in range(leaves.n_moves[leaf]):
            move = leaves.moves[leaf, i]
            make(leaves.rows[leaf], move, space.rows[0])
            resolved.forcing[leaf, i] = NOT_FORCING
            if immediate_gain(leaves.rows[leaf], move) > 0 or in_check(space.rows[0]):
                space.nodes[0] = NODE_LIMIT - FORCING_NODES
                low, high = -value - FORCING_WINDOW, -value + FORCING_WINDOW
                checks, least = np.int64(CHECK_DEPTH), np.int64(0)
                resolved.forcing[leaf, i] = -quiescence(space, np.int64(0), checks, least, low, high)


@kernel()
def write_values(leaves, first, last, resolved):
    """Write wdl and moves left of leaves[first:last]."""
    for leaf in range(first, last):
        write_wdl(np.float64(resolved.value[leaf]), leaves.wdl[leaf])
        # Fewer plies remain with little material, and fewer when the game is decided.
        leaves.moves_left[leaf] = (20.0 + 2.5 * game_phase(leaves.rows[leaf])) * (0.4 + leaves.wdl[leaf, 1])


class MaterialModel(NamedTuple):
    """One thread's scratch for the kernels below."""

    quiescence: QuiescenceSpace
    resolved: Resolved  # results of MODEL_LEAVES leaves
    moves: MoveSpace


@kernel()
def evaluate_leaf(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits, wdl and moves left (`LeafBatch`)."""
    resolve_leaves(leaves, leaf, leaf + 1, True, model.quiescence, model.resolved)
    write_values(leaves, leaf, leaf + 1, model.resolved)
    score_leaves(leaves, leaf, leaf + 1, model.resolved, model.moves)


@kernel()
def evaluate_value(model, leaves, leaf):
    """Read the row of leaves[leaf]; write its wdl and moves left."""
    resolve_leaves(leaves, leaf, leaf + 1, False, model.quiescence, model.resolved)
    write_values(leaves, leaf, leaf + 1, model.resolved)


@kernel()
def evaluate_policy(model, leaves, leaf):
    """Read row and legal moves of leaves[leaf]; write its logits."""
    resolve_leaves(leaves, leaf, leaf + 1, True, model.quiescence, model.resolved)
    score_leaves(leaves, leaf, leaf + 1, model.resolved, model.moves)


register_family(MaterialModel, evaluate_leaf, evaluate_value, evaluate_policy)


class Resolver:
    """Quiescence results for batches of any size; each thread has its own results and stack."""

    def __init__(self) -> None:
        self._local = threading.local()

    def resolve(self, leaves: LeafBatch, first: int, last: int, with_moves: bool) -> Resolved:
        """Quiescence results of leaves[first:last], computed on the calling thread."""
        if not hasattr(self._local, "space"):
            self._local.space, self._local.resolved = new_space(), new_resolved(0)
        if len(self._local.resolved.value) < len(leaves.rows):
            self._local.resolved = new_resolved(len(leaves.rows))
        resolve_leaves(leaves, first, last, with_moves, self._local.space, self._local.resolved)
        return self._local.resolved


class MaterialEvaluator:
    """Evaluator `material`: always available, releases the GIL, about thirty microseconds per leaf."""

    name = "material"
    round_size = ROUND_SIZE
    needs_planes = False
    search: Mapping[str, Any] = MappingProxyType({})
    cp_scale = MATERIAL_CP_SCALE

    def __init__(self, threads: int = 1) -> None:
        self._pool = ThreadPool(threads, "evaluate")
        self._resolver = Resolver()
        self._local = threading.local()

    def new_model(self) -> MaterialModel:
        """Make the scratch of the kernels for one more thread."""
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
