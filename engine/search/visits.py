"""Visits in bulk: batches of leaves for a batched evaluator, or whole visits inside kernels without Python in between.

Both go the way of `visit`. A batched evaluator answers many leaves at once: visits begin together (`gather`), form a
`Round`, and are finished together in the order they began (`apply`). The visits of a batch that collide stay in flight
until then, so that the others spread, and are taken back.

If the evaluator is itself a kernel (`evaluation.in_kernel`), every thread carries out one whole visit after the other,
some in a row below one node (`stint`), and any number of threads do so on one tree (`run_visits`). A visit passes by
leaves that other threads are evaluating (`puct`). Where there is nothing else it waits for one, some microseconds, and
goes on from there.

More than half of all leaves get no second visit, and need no policy and no edges. With ``params.late_policy`` a leaf's
first visit computes its value alone; the second computes its policy on the way down, gives it edges and goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, WHITE
from engine.board.makemove import copy_row
from engine.board.movegen import generate
from engine.evaluation.in_kernel import evaluate_leaf, evaluate_policy, evaluate_value
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.native.bits import popcount
from engine.native.jit import kernel
from engine.native.ordering import give_way, lock, relax, unlock
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.search.params import COLLISION_LOOKS, LOOK_PAUSES
from engine.search.proofs import is_decided
from engine.search.stint import begin_stint, end_stint
from engine.search.transpositions import teacher_of_moves
from engine.search.tree import (
    BASE,
    BASE_DEPTH,
    BUSY,
    COLLISIONS,
    EXPANDED,
    LEAVES,
    LEFT,
    NO_NODE,
    NO_PARENT,
    NODES,
    ROOT,
    ROOT_PLY,
    UNKNOWN,
    VALUED,
)
from engine.search.visit import (
    ask_rules,
    claim,
    descend,
    expand,
    finish_at_once,
    finish_evaluated,
    finish_known,
    is_finished,
    needs_room,
    new_node,
    note_depth,
    reach,
    take_back,
    take_moves,
)

if TYPE_CHECKING:  # The kernel cache reads these imports: a change in a family recompiles all leaf evaluation.
    from engine.evaluation.material import MaterialModel
    from engine.evaluation.sparse import SparseModel, TwoTrunkModel

    FamilyModel = MaterialModel | SparseModel | TwoTrunkModel  # The type of `Walker.model`.


# ---- batched evaluators ----------------------------------------------------------------------------------------------


@kernel()
def gather(tree, in_flight, params, leaves, first, limit, most_leaves):
    """Begin up to ``limit`` visits; returns the number of leaves, in ``leaves[first:]``, that need an evaluation.

    Leaves whose result is certain are finished at once and take no place in the batch. Stops early at ``most_leaves``
    leaves, after ``params.max_collisions`` collisions, or once the root is decided. ``in_flight`` must be empty; call
    `apply` before using it again.
    """
    counts = in_flight.counts
    begun = 0
    while begun < limit and counts[LEAVES] < most_leaves and counts[COLLISIONS] < params.max_collisions:
        if is_finished(tree, params):
            break
        begun += 1
        make_root(tree)
        node, depth, state = descend(tree, params, np.int64(ROOT), np.int64(0), reach(tree, np.int64(ROOT)))
        note_depth(tree, depth)
        if state == BUSY:
            in_flight.collision_nodes[counts[COLLISIONS]] = node
            counts[COLLISIONS] += 1
            continue
        if finish_at_once(tree, params, node, state):
            continue
        leaf, ply = first + counts[LEAVES], tree.counters[ROOT_PLY] + depth
        known, plies = ask_rules(tree, params, node, ply, leaves, leaf)
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


@kernel()
def make_root(tree):
    """Make the root if there is none."""
    if tree.counters[NODES] == 0:
        new_node(tree, np.int64(NO_PARENT))


@kernel()
def apply(tree, in_flight, params, leaves, first):
    """Expand and back up the leaves of ``in_flight`` in the order gathered.

    Their evaluations are in ``leaves[first:]``.
    """
    for k in range(in_flight.counts[LEAVES]):
        node, known = np.int64(in_flight.leaf_nodes[k]), np.int64(in_flight.known[k])
        if known == UNKNOWN:
            expand_and_finish(tree, params, node, leaves, first + k)
        else:
            finish_known(tree, params, node, known, np.int64(in_flight.mate_plies[k]))
    for k in range(in_flight.counts[COLLISIONS]):
        take_back(tree, np.int64(in_flight.collision_nodes[k]), np.int64(NO_PARENT))
    in_flight.counts[LEAVES] = 0
    in_flight.counts[COLLISIONS] = 0


@kernel()
def expand_and_finish(tree, params, node, leaves, leaf):
    """Finish a visit whose policy and value are in ``leaves[leaf]``."""
    state = expand(tree, params, node, leaves.moves[leaf], leaves.logits[leaf], leaves.n_moves[leaf])
    finish_evaluated(tree, params, node, state, leaves, leaf)


# ---- evaluators inside kernels --------------------------------------------------------------------------------------

# Words of `Walker.leaf`.
NODE: Final = 0  # The leaf's node, or NO_NODE while there is none.
KNOWN: Final = 1  # Its result for the side that moved into it, as in `Round`.
PLIES: Final = 2  # Plies to mate, or UNKNOWN_DISTANCE.


class Walker(NamedTuple):
    """What one thread needs besides its tree."""

    model: FamilyModel
    leaves: LeafBatch  # The leaf of its visit.
    leaf: np.ndarray  # int64 [3]: what is known of that leaf.


def new_walker(model: FamilyModel) -> Walker:
    """A walker at rest."""
    return Walker(model, new_leaf_batch(1), np.array([NO_NODE, UNKNOWN, 0], np.int64))


@kernel()
def run_visits(tree, params, walker, until, limit, most_men):
    """Carry out ``limit`` visits on this thread, and those that end a stint; fewer if all threads together reach
    ``until[0]`` visits of the root, the root is decided, the tree is full, or endgame tables may know the leaf, which
    has at most ``most_men`` pieces.

    Such a leaf stays in ``walker.leaf``: write there what tables know, and call again with what is left of ``limit``,
    which is returned.
    """
    make_root(tree)
    while walker.leaf[NODE] != NO_NODE or may_begin(tree, params, until, limit):
        if walker.leaf[NODE] == NO_NODE:
            limit -= 1
            begin_visit(tree, params, walker)
            if walker.leaf[NODE] != NO_NODE and may_be_in_tables(walker, most_men):
                break
        if walker.leaf[NODE] != NO_NODE:
            finish_leaf(tree, params, walker)
        if tree.stint[LEFT] == 0 or is_decided(tree, tree.stint[BASE]):
            end_stint(tree, params)
    return limit


@kernel()
def may_begin(tree, params, until, limit):
    """Whether the next visit may begin: one of the stint, or the first of a new one, which begins here."""
    if tree.stint[LEFT] > 0:
        return True
    return limit > 0 and not is_finished(tree, params) and not needs_room(tree) and begin_stint(tree, params, until)


@kernel()
def begin_visit(tree, params, walker):
    """Begin a visit of the stint, and finish it if it needs no evaluation; else its leaf is in ``walker.leaf``."""
    base, depth = tree.stint[BASE], tree.stint[BASE_DEPTH]
    tree.stint[LEFT] -= 1
    state = np.int64(tree.nodes[base].state)
    if state != EXPANDED:
        lock(tree.nodes, base)
        state = claim(tree, base)
        unlock(tree.nodes, base)
    node, depth, state = walk_down(tree, params, walker, base, depth, state)
    note_depth(tree, depth)
    if state == BUSY:
        take_back(tree, node, base)
        give_way()
    elif not finish_at_once(tree, params, node, state):
        ply = tree.counters[ROOT_PLY] + depth
        walker.leaf[KNOWN], walker.leaf[PLIES] = ask_rules(tree, params, node, ply, walker.leaves, np.int64(0))
        walker.leaf[NODE] = node


@kernel()
def walk_down(tree, params, walker, node, depth, state):
    """Walk down from a node, whose state the visit has found; give edges to a VALUED node on the way, and wait for a
    BUSY one. Returns what `visit.descend` returns; BUSY if that took too long.
    """
    looks = COLLISION_LOOKS
    node, depth, state = descend(tree, params, node, depth, state)
    while state == VALUED or (state == BUSY and looks > 0):
        if state == VALUED:
            state = give_edges(tree, params, node, tree.counters[ROOT_PLY] + depth, walker)
        else:
            looks -= 1
            state = look_again(tree, node)
        node, depth, state = descend(tree, params, node, depth, state)
    return node, depth, state


@kernel()
def look_again(tree, node):
    """A node's state after some hundred nanoseconds; the visit claims it if it can."""
    for _ in range(LOOK_PAUSES):
        relax()
    lock(tree.nodes, node)
    state = claim(tree, node)
    unlock(tree.nodes, node)
    return state


@kernel()
def give_edges(tree, params, node, ply, walker):
    """Expand a node that was VALUED, whose position is in ``tree.stack[ply]``, by a transposition's moves or its own.

    Returns its new state.
    """
    leaves = walker.leaves
    other = teacher_of_moves(tree, node) if params.transpositions else np.int64(NO_NODE)
    if other != NO_NODE:
        state = take_moves(tree, node, other)
    else:
        copy_row(tree.stack[ply], leaves.rows[0])
        leaves.quiet_level[0] = tree.nodes[node].quiet_level
        leaves.n_moves[0] = generate(leaves.rows[0], leaves.moves[0])
        evaluate_policy(walker.model, leaves, np.int64(0))
        state = expand(tree, params, node, leaves.moves[0], leaves.logits[0], leaves.n_moves[0])
    lock(tree.nodes, node)
    tree.nodes[node].state = state
    unlock(tree.nodes, node)
    return state


@kernel()
def may_be_in_tables(walker, most_men):
    """Whether the walker's leaf is one that endgame tables with up to ``most_men`` pieces may know: it may not castle,
    and a capture or a pawn move leads to it.
    """
    row = walker.leaves.rows[0]
    if walker.leaf[KNOWN] != UNKNOWN or walker.leaf[NODE] == ROOT or popcount(row[WHITE] | row[BLACK]) > most_men:
        return False
    return row[CASTLING] == np.uint64(0) and row[HALFMOVE] == np.uint64(0)


@kernel()
def finish_leaf(tree, params, walker):
    """Evaluate the walker's leaf if its result is not known, and finish the visit."""
    node, known = walker.leaf[NODE], walker.leaf[KNOWN]
    walker.leaf[NODE] = NO_NODE
    if known != UNKNOWN:
        finish_known(tree, params, node, known, walker.leaf[PLIES])
    elif params.late_policy and node != ROOT:
        evaluate_value(walker.model, walker.leaves, np.int64(0))
        finish_evaluated(tree, params, node, np.int64(VALUED), walker.leaves, np.int64(0))
    else:
        evaluate_leaf(walker.model, walker.leaves, np.int64(0))
        expand_and_finish(tree, params, node, walker.leaves, np.int64(0))
