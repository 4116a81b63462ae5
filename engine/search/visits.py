"""Visits in bulk: leaves gathered for a batched evaluator, and visits without Python between them for the others.

A visit is begun (`walk` down to a leaf), its leaf is judged by the rules and evaluated, and its value is backed up
(`apply`). Visits that are begun together are a round; it is applied in the order begun. Where the evaluator is a kernel
itself (`evaluation.in_kernel`), nothing but kernels runs between two leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import copy_row
from engine.evaluation.in_kernel import evaluate_leaf
from engine.native.jit import kernel
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.search.tree import COLLISIONS, LEAVES, NO_NODE, REPEATED, ROOT, UNKNOWN
from engine.search.walk import apply, begin_visit, finish_known, is_finished, judge, repeats_path

if TYPE_CHECKING:  # the kernel cache reads imports too: a change in a family is a change in all that evaluates leaves
    from engine.evaluation.material import MaterialModel
    from engine.evaluation.sparse import SparseModel

    FamilyModel = MaterialModel | SparseModel  # what `model` is below


class Scratch(NamedTuple):
    """Scratch of one thread."""

    row: np.ndarray  # uint64 [16]
    moves: np.ndarray  # uint16 [218]


def new_scratch() -> Scratch:
    """Fresh scratch for one thread."""
    return Scratch(np.zeros(ROW_WORDS, np.uint64), np.zeros(MAX_MOVES, np.uint16))


@kernel()
def gather(tree, in_flight, params, leaves, first, limit, most_leaves):
    """Begin up to ``limit`` visits; returns how many leaves among them, in ``leaves[first:]``, need an evaluation.

    Leaves whose result is certain are finished at once and take no place in the batch. Stops early at ``most_leaves``,
    after ``params.max_collisions`` collisions, or once the root is decided. The round ``in_flight`` must be empty; its
    leaves are to be applied (`walk.apply`) before it is used again.
    """
    counts = in_flight.counts
    begun = 0
    while begun < limit and counts[LEAVES] < most_leaves and counts[COLLISIONS] < params.max_collisions:
        if is_finished(tree, params):
            break
        begun += 1
        node, ply = begin_visit(tree, in_flight, params)
        if node == NO_NODE:
            continue
        leaf = first + counts[LEAVES]
        copy_row(tree.stack[ply], leaves.rows[leaf])
        known, plies = np.int64(REPEATED), np.int64(0)
        if node == ROOT or not repeats_path(tree, ply):
            known, plies = judge(leaves, leaf, node == ROOT, params.mate_in_one, tree.stack[-1], tree.scratch_moves)
        if known != UNKNOWN:
            finish_known(tree, params, node, known, plies)
            continue
        if params.needs_planes:
            encode(tree.stack, ply, 0, leaves.masks[leaf])
            for i in range(leaves.n_moves[leaf]):
                leaves.policy_index[leaf, i] = policy_index(leaves.rows[leaf], leaves.moves[leaf, i])
        in_flight.leaf_nodes[counts[LEAVES]] = node
        in_flight.known[counts[LEAVES]] = UNKNOWN
        counts[LEAVES] += 1
    return counts[LEAVES]


# ---- evaluators inside kernels --------------------------------------------------------------------------------------


@kernel()
def begin(tree, in_flight, params, leaves, first, limit):
    """Begin up to ``limit`` visits; their positions go to ``leaves.rows[first:]``. Returns how many visits that were.

    Stops early as `gather` does. The rules are asked later, by whoever evaluates (`evaluate_share`).
    """
    counts = in_flight.counts
    begun = np.int64(0)
    while begun < limit and counts[COLLISIONS] < params.max_collisions and not is_finished(tree, params):
        begun += 1
        node, ply = begin_visit(tree, in_flight, params)
        if node != NO_NODE:
            k = counts[LEAVES]
            copy_row(tree.stack[ply], leaves.rows[first + k])
            in_flight.leaf_nodes[k] = node
            in_flight.known[k] = REPEATED if node != ROOT and repeats_path(tree, ply) else UNKNOWN
            counts[LEAVES] += 1
    return begun


@kernel()
def evaluate_share(in_flight, params, leaves, first, begin_at, end_at, model, scratch):
    """Judge and evaluate leaves ``begin_at`` to ``end_at`` of a round that stands in ``leaves[first:]``.

    Any thread may do it, with a model and scratch of its own.
    """
    for k in range(begin_at, end_at):
        if in_flight.known[k] == UNKNOWN:
            at_root = in_flight.leaf_nodes[k] == ROOT
            known, plies = judge(leaves, first + k, at_root, params.mate_in_one, scratch.row, scratch.moves)
            in_flight.known[k] = known
            in_flight.mate_plies[k] = plies
            if known == UNKNOWN:
                evaluate_leaf(model, leaves, first + k)


@kernel()
def run_visits(tree, in_flight, params, leaves, model, scratch, limit):
    """``limit`` visits, each applied before the next begins; fewer where the root is decided."""
    for _ in range(limit):
        if begin(tree, in_flight, params, leaves, np.int64(0), np.int64(1)) == 0:
            break
        evaluate_share(in_flight, params, leaves, np.int64(0), np.int64(0), in_flight.counts[LEAVES], model, scratch)
        apply(tree, in_flight, params, leaves, np.int64(0))
