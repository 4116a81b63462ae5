"""Visits in bulk: gather leaves for a batched evaluator, or run whole visits in kernels without Python in between.

A visit walks down to a leaf (`walk`), the rules judge the leaf, an evaluator evaluates it, and `apply` backs its value
up. Visits that begin together form a batch (`Round`), which is applied in the order they began. If the evaluator is
itself a kernel (`evaluation.in_kernel`), only kernels run between two leaves.

More than half of all leaves get no second visit, and need no policy and no edges. With ``params.late_policy`` a leaf's
first visit computes its value alone; the second computes its policy on the way down, gives it edges and goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import copy_row
from engine.board.movegen import generate
from engine.evaluation.in_kernel import evaluate_leaf, evaluate_policy, evaluate_value
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.native.jit import kernel
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.search.tree import COLLISIONS, LEAVES, NO_NODE, REPEATED, ROOT, ROOT_PLY, UNKNOWN, VALUE_ONLY, VALUED
from engine.search.twins import teacher_of_moves
from engine.search.walk import (
    apply,
    arrive,
    begin_visit,
    descend,
    enter_root,
    expand,
    finish_known,
    is_finished,
    judge,
    needs_room,
    repeats_path,
    take_moves,
)

if TYPE_CHECKING:  # The kernel cache reads these imports: a change in a family recompiles all leaf evaluation.
    from engine.evaluation.material import MaterialModel
    from engine.evaluation.sparse import SparseModel, TwoTrunkModel

    FamilyModel = MaterialModel | SparseModel | TwoTrunkModel  # The type of `model` below.


class Scratch(NamedTuple):
    """One thread's scratch arrays."""

    row: np.ndarray  # uint64 [16]: a position.
    moves: np.ndarray  # uint16 [218]: its legal moves.
    leaf: LeafBatch  # One leaf.


def new_scratch() -> Scratch:
    """Fresh scratch for one thread."""
    return Scratch(np.zeros(ROW_WORDS, np.uint64), np.zeros(MAX_MOVES, np.uint16), new_leaf_batch(1))


@kernel()
def gather(tree, in_flight, params, leaves, first, limit, most_leaves):
    """Begin up to ``limit`` visits; returns the number of leaves, in ``leaves[first:]``, that need an evaluation.

    Leaves whose result is certain are finished at once and take no place in the batch. Stops early at ``most_leaves``
    leaves, after ``params.max_collisions`` collisions, or once the root is decided. ``in_flight`` must be empty; call
    `walk.apply` before using it again.
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
def begin(tree, in_flight, params, leaves, first, limit, model, scratch):
    """Begin up to ``limit`` visits and copy their positions to ``leaves.rows[first:]``; returns how many it began.

    Stops early after ``params.max_collisions`` collisions or once the root is decided. `evaluate_share` later applies
    the rules to the leaves. ``model`` and ``scratch`` belong to the calling thread.
    """
    counts = in_flight.counts
    begun = np.int64(0)
    while begun < limit and counts[COLLISIONS] < params.max_collisions and not is_finished(tree, params):
        begun += 1
        node, ply = walk_down(tree, in_flight, params, model, scratch)
        if node != NO_NODE:
            k = counts[LEAVES]
            copy_row(tree.stack[ply], leaves.rows[first + k])
            in_flight.leaf_nodes[k] = node
            in_flight.known[k] = REPEATED if node != ROOT and repeats_path(tree, ply) else UNKNOWN
            counts[LEAVES] += 1
    return begun


@kernel()
def walk_down(tree, in_flight, params, model, scratch):
    """`walk.begin_visit` for an evaluator inside kernels: a VALUED node on its way gets its edges."""
    node, depth = descend(tree, params, enter_root(tree), np.int64(0))
    if tree.nodes[node].state == VALUED:
        give_edges(tree, params, node, tree.counters[ROOT_PLY] + depth, model, scratch.leaf)
        node, depth = descend(tree, params, node, depth)
    return arrive(tree, in_flight, params, node, depth)


@kernel()
def give_edges(tree, params, node, ply, model, leaves):
    """Expand a VALUED node, whose position is in ``tree.stack[ply]``, by its twin's moves or by its own policy."""
    twin = teacher_of_moves(tree, node) if params.twins else np.int64(NO_NODE)
    if twin != NO_NODE:
        take_moves(tree, node, twin)
        return
    copy_row(tree.stack[ply], leaves.rows[0])
    leaves.memo[0] = tree.nodes[node].memo
    leaves.n_moves[0] = generate(leaves.rows[0], leaves.moves[0])
    evaluate_policy(model, leaves, np.int64(0))
    expand(tree, params, node, leaves.moves[0], leaves.logits[0], leaves.n_moves[0])


@kernel()
def evaluate_share(in_flight, params, leaves, first, begin_at, end_at, model, scratch):
    """Judge and evaluate leaves ``begin_at`` to ``end_at`` (exclusive) of a batch stored in ``leaves[first:]``.

    Any thread may call this with its own model and scratch.
    """
    for k in range(begin_at, end_at):
        if in_flight.known[k] == UNKNOWN:
            at_root = in_flight.leaf_nodes[k] == ROOT
            known, plies = judge(leaves, first + k, at_root, params.mate_in_one, scratch.row, scratch.moves)
            in_flight.mate_plies[k] = plies
            if known == UNKNOWN:
                if params.late_policy and not at_root:
                    evaluate_value(model, leaves, first + k)
                    known = np.int64(VALUE_ONLY)
                else:
                    evaluate_leaf(model, leaves, first + k)
            in_flight.known[k] = known


@kernel()
def run_visits(tree, in_flight, params, leaves, model, scratch, limit):
    """Carry out ``limit`` visits, applying each before the next begins; stops early once the root is decided, and when
    the tree is full.
    """
    for _ in range(limit):
        if needs_room(tree):
            break
        if begin(tree, in_flight, params, leaves, np.int64(0), np.int64(1), model, scratch) == 0:
            break
        evaluate_share(in_flight, params, leaves, np.int64(0), np.int64(0), in_flight.counts[LEAVES], model, scratch)
        apply(tree, in_flight, params, leaves, np.int64(0))
