"""Visits in bulk: batches of leaves for a batched evaluator, or whole visits inside kernels without
Python in between.

Both go the way of `visit`, and hold the visits that wait for an evaluation in a `Round`. A batched
evaluator answers many leaves at once: visits begin together (`gather`) and are finished together in
the order they began (`apply`). The visits of a batch that collide stay in flight until then, so
that the others spread, and are taken back.

If the evaluator is itself a kernel (`evaluation.in_kernel`), every thread carries out one whole
visit after the other, and any number of threads do so on one tree (`run_visits`). A visit passes by
leaves that other threads are evaluating (`puct`). Where there is nothing else it waits for one,
some microseconds, and goes on from there.

More than half of all leaves get no second visit, and need no policy and no edges. With
`params.late_policy` a leaf's first visit computes its value alone; the second computes its policy
on the way down, gives it edges and goes on.

Stints: nodes near the root have so many visits that one more changes little, yet walking through
them takes much of a visit's time, and their lines of the processor's cache travel between all
threads. So a thread follows the best edges only as far as the nodes have many visits, to the base
of its stint, and reserves some visits there: all nodes from the root to the base count them as in
flight. It makes them from the base, and then adds what they brought to the ancestors of the base at
once. In a small tree every visit begins at the root.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.board.layout import BLACK, CASTLING, HALFMOVE, SIDE, WHITE
from engine.board.makemove import copy_row, push
from engine.board.movegen import generate
from engine.evaluation.in_kernel import evaluate_leaf, evaluate_policy, evaluate_value
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.native.atomics import add, give_way, lock, observe, relax, unlock
from engine.native.bits import popcount
from engine.native.jit import kernel
from engine.network.input_formats import encode_as
from engine.network.policy_map import policy_index
from engine.search.tree import backup, visit
from engine.search.tree.arrays import (
    BASE,
    BASE_DEPTH,
    BUSY,
    CANNOT_SHRINK,
    CLOCK,
    COLLISIONS,
    DONE,
    DRAWS,
    EDGES,
    EXPANDED,
    FREE,
    FREE_LEFT,
    IN_FLIGHT,
    LEAF_DEPTH,
    LEAVES,
    LEFT,
    MAX_DEPTH,
    NO_NODE,
    NODES,
    PLIES_LEFT,
    RESERVED,
    ROOM_EDGES,
    ROOM_NODES,
    ROOM_SHARE,
    ROOT,
    ROOT_PLY,
    SQUARES,
    UNKNOWN,
    VALUE_ONLY,
    VALUED,
    Round,
    new_round,
)
from engine.search.tree.butterfly import learns
from engine.search.tree.params import (
    COLLISION_LOOKS,
    FREE_VISITS,
    LOOK_PAUSES,
    STINT_SHARE,
    STINT_VISITS,
    VISITS_PER_VISIT,
)
from engine.search.tree.priors import expand
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import select_edge
from engine.search.tree.repetitions import is_drawn_by_game, is_drawn_by_path

# ---- every visit ---------------------------------------------------------------------------------


@kernel()
def begin(tree, in_flight, params, node, depth, state, leaves, first):
    """Begin a visit that walked down to a node, which it found in this state. It collides, is
    finished at once, or is the next leaf of `in_flight`, whose position is in
    `leaves[first + its number]`.
    """
    counts = in_flight.counts
    leaf = counts[LEAVES]
    visit.note_depth(tree, depth)
    if state == BUSY:
        in_flight.depths[COLLISIONS, counts[COLLISIONS]] = depth
        counts[COLLISIONS] += 1
    elif not visit.finish_at_once(tree, params, node, depth, state):
        ply = tree.counters[ROOT_PLY] + depth
        result, plies = visit.ask_rules(tree, params, node, ply, leaves, first + leaf)
        if result != UNKNOWN:
            backup.finish_known(tree, params, depth, node, result, plies)
        else:
            in_flight.leaf_nodes[leaf] = node
            in_flight.known[leaf] = UNKNOWN
            in_flight.depths[LEAVES, leaf] = depth
            counts[LEAVES] += 1


@kernel()
def finish_leaf(tree, in_flight, params, k, leaves, leaf):
    """Finish the visit of leaf `k` in flight, which went down `tree.way`; its evaluation is in
    `leaves[leaf]`.
    """
    node, result = np.int64(in_flight.leaf_nodes[k]), np.int64(in_flight.known[k])
    depth = in_flight.depths[LEAVES, k]
    if result == VALUE_ONLY:
        backup.finish_evaluated(tree, params, depth, node, np.int64(VALUED), leaves, leaf)
    elif result == UNKNOWN:
        side = np.int64(leaves.rows[leaf, SIDE])
        count = leaves.n_moves[leaf]
        state = expand(tree, params, node, side, leaves.moves[leaf], leaves.logits[leaf], count)
        backup.finish_evaluated(tree, params, depth, node, state, leaves, leaf)
    else:
        backup.finish_known(tree, params, depth, node, result, np.int64(in_flight.mate_plies[k]))


@kernel()
def needs_room(tree):
    """Whether so little room is left that old parts of the tree give way (`forgetting`) before the
    next visit.
    """
    if tree.counters[CANNOT_SHRINK] != 0:
        return False
    nodes_left = tree.nodes.size - tree.counters[NODES]
    edges_left = tree.edges.size - tree.counters[EDGES]
    return nodes_left < min(ROOM_NODES, tree.nodes.size // ROOM_SHARE) or edges_left < min(
        ROOM_EDGES, tree.edges.size // ROOM_SHARE
    )


@kernel()
def make_root(tree):
    """Make the root if there is none."""
    if tree.counters[NODES] == 0:
        visit.new_node(tree)


# ---- batched evaluators --------------------------------------------------------------------------


@kernel()
def gather(tree, in_flight, params, leaves, first, limit, most_leaves):
    """Begin up to `limit` visits; returns the number of leaves, in `leaves[first:]`, that need an
    evaluation.

    Leaves whose result is certain are finished at once and take no place in the batch. Stops early
    at `most_leaves` leaves, after `params.max_collisions` collisions, or once the root is decided.
    `in_flight` must be empty; call `apply` before using it again.
    """
    counts = in_flight.counts
    while limit > 0 and counts[LEAVES] < most_leaves and counts[COLLISIONS] < params.max_collisions:
        if visit.is_finished(tree, params):
            break
        limit -= 1
        make_root(tree)
        leaf = first + counts[LEAVES]
        tree.counters[IN_FLIGHT] += 1
        tree.stint[FREE_LEFT] = FREE_VISITS
        node, depth, state = visit.descend(tree, params, ROOT, np.int64(0), visit.reach(tree, ROOT))
        places = counts[LEAVES], counts[COLLISIONS]
        begin(tree, in_flight, params, node, depth, state, leaves, first)
        for kind in range(2):
            if counts[kind] > places[kind]:
                note_way(tree, in_flight.ways[kind, places[kind]], depth)
        if leaf == first + counts[LEAVES]:
            continue
        leaves.n_moves[leaf] = generate(leaves.rows[leaf], leaves.moves[leaf])
        if params.needs_planes:
            encode_as(
                params.input_format,
                tree.stack,
                tree.counters[ROOT_PLY] + depth,
                leaves.masks[leaf],
            )
            for i in range(leaves.n_moves[leaf]):
                leaves.policy_index[leaf, i] = policy_index(
                    leaves.rows[leaf], leaves.moves[leaf, i]
                )
    return counts[LEAVES]


@kernel()
def apply(tree, in_flight, params, leaves, first):
    """Expand and back up the leaves of `in_flight` in the order they began, and take back what
    collided.

    Their evaluations are in `leaves[first:]`.
    """
    for kind in (LEAVES, COLLISIONS):
        for k in range(in_flight.counts[kind]):
            retrace(tree, in_flight.ways[kind, k], in_flight.depths[kind, k])
            if kind == LEAVES:
                finish_leaf(tree, in_flight, params, k, leaves, first + k)
            else:
                backup.take_back(tree, in_flight.depths[kind, k])
    in_flight.counts[:] = 0


@kernel()
def note_way(tree, nodes, depth):
    """Write the nodes of `tree.way` down to a depth."""
    for k in range(depth + 1):
        nodes[k] = backup.node_on(tree, k)


@kernel()
def retrace(tree, nodes, depth):
    """Write the edges between nodes to `tree.way`; they may have changed places since a visit went
    there.
    """
    for k in range(depth):
        edge = np.int64(tree.nodes[nodes[k]].first_edge)
        while tree.edges[edge].child != nodes[k + 1]:
            edge += 1
        tree.way[k] = edge


# ---- evaluators inside kernels -------------------------------------------------------------------


class Walker(NamedTuple):
    """What one thread needs besides its tree."""

    model: Any  # A record of arrays, of the evaluator's family (`evaluation.in_kernel`).
    leaves: LeafBatch  # The leaf of its visit.
    in_flight: Round  # Its visit.


def new_walker(model: Any) -> Walker:
    """Return a walker at rest."""
    return Walker(model, new_leaf_batch(1), new_round(1))


@kernel()
def run_visits(tree, params, walker, until, limit, most_pieces):
    """Carry out `limit` visits on this thread, and those that end a stint; fewer if all threads
    together reach `until[0]` visits of the root, the root is decided, the tree is full, or endgame
    tables may know the leaf, which has at most `most_pieces` pieces.

    Such a leaf stays in `walker.in_flight`: write there what tables know, and call again with what
    is left of `limit`, which is returned.
    """
    make_root(tree)
    counts = walker.in_flight.counts
    while counts[LEAVES] > 0 or may_begin(tree, params, until, limit):
        if counts[LEAVES] == 0:
            limit -= 1
            begin_visit(tree, params, walker)
            if counts[LEAVES] > 0 and may_be_in_tables(walker, most_pieces):
                break
        evaluate(params, walker)
        if counts[LEAVES] > 0:
            finish_leaf(tree, walker.in_flight, params, np.int64(0), walker.leaves, np.int64(0))
        elif counts[COLLISIONS] > 0:
            backup.take_back(tree, walker.in_flight.depths[COLLISIONS, 0])
            give_way()
        counts[:] = 0
        if tree.stint[LEFT] == 0 or is_decided(tree, tree.stint[BASE]):
            end_stint(tree, params)
    return limit


@kernel()
def may_begin(tree, params, until, limit):
    """Whether the next visit may begin: one of the stint, or the first of a new one, which begins
    here.
    """
    if tree.stint[LEFT] > 0:
        return True
    if limit <= 0 or visit.is_finished(tree, params) or needs_room(tree):
        return False
    return begin_stint(tree, params, until)


@kernel()
def begin_visit(tree, params, walker):
    """Begin a visit of the stint. Gives edges to a VALUED node on the way down, and waits for a
    BUSY one, but not for long.
    """
    node = tree.stint[BASE]
    depth = tree.stint[BASE_DEPTH]
    looks = COLLISION_LOOKS
    tree.stint[LEFT] -= 1
    tree.stint[FREE_LEFT] = FREE_VISITS
    state = np.int64(tree.nodes[node].state)
    if state != EXPANDED:
        state = visit.reach(tree, node)
    node, depth, state = visit.descend(tree, params, node, depth, state)
    while state == VALUED or (state == BUSY and looks > 0):
        if state == VALUED:
            state = give_edges(tree, params, node, tree.counters[ROOT_PLY] + depth, walker)
            if depth > 0:
                tree.edges[tree.way[depth - 1]].barred = 0
        else:
            looks -= 1
            for _ in range(LOOK_PAUSES):
                relax()
            state = visit.reach(tree, node)
        node, depth, state = visit.descend(tree, params, node, depth, state)
    tree.stint[LEAF_DEPTH] = depth if learns(params) else 0
    begin(tree, walker.in_flight, params, node, depth, state, walker.leaves, np.int64(0))


@kernel()
def give_edges(tree, params, node, ply, walker):
    """Expand a node that was VALUED, whose position is in `tree.stack[ply]`. Returns its new state."""
    leaves = walker.leaves
    copy_row(tree.stack[ply], leaves.rows[0])
    leaves.quiet_level[0] = tree.nodes[node].quiet_level
    leaves.n_moves[0] = generate(leaves.rows[0], leaves.moves[0])
    evaluate_policy(walker.model, leaves, np.int64(0))
    side = np.int64(leaves.rows[0, SIDE])
    count = leaves.n_moves[0]
    state = expand(tree, params, node, side, leaves.moves[0], leaves.logits[0], count)
    lock(tree.nodes, node)
    tree.nodes[node].state = state
    unlock(tree.nodes, node)
    return state


@kernel()
def may_be_in_tables(walker, most_pieces):
    """Whether the walker's leaf is one that endgame tables with up to `most_pieces` pieces may
    know: it may not castle, and a capture or a pawn move leads to it.
    """
    row = walker.leaves.rows[0]
    if walker.in_flight.leaf_nodes[0] == ROOT or popcount(row[WHITE] | row[BLACK]) > most_pieces:
        return False
    return row[CASTLING] == np.uint64(0) and row[HALFMOVE] == np.uint64(0)


@kernel()
def evaluate(params, walker):
    """Evaluate the walker's leaf, if it has one whose result is not known."""
    in_flight = walker.in_flight
    if in_flight.counts[LEAVES] == 0 or in_flight.known[0] != UNKNOWN:
        return
    if params.late_policy and in_flight.leaf_nodes[0] != ROOT:
        evaluate_value(walker.model, walker.leaves, np.int64(0))
        in_flight.known[0] = VALUE_ONLY
    else:
        leaves = walker.leaves
        leaves.n_moves[0] = generate(leaves.rows[0], leaves.moves[0])
        evaluate_leaf(walker.model, leaves, np.int64(0))


# ---- stints --------------------------------------------------------------------------------------


@kernel()
def begin_stint(tree, params, until):
    """Reserve some visits at a base, unless `until[0]` visits are done or under way; returns
    whether it did.

    In a small tree few may be under way, because each needs what others find: waits for these.
    """
    while True:
        lock(tree.nodes, ROOT)
        visits = tree.nodes[ROOT].visits - tree.counters[FREE]
        under_way = tree.counters[IN_FLIGHT]
        left = observe(until, np.int64(0)) - visits - under_way
        share = max(1, visits // (STINT_VISITS * STINT_SHARE))
        count = min(min(STINT_VISITS, share), left)
        begins = left > 0 and under_way * VISITS_PER_VISIT <= visits
        if begins:
            tree.counters[IN_FLIGHT] += count
        unlock(tree.nodes, ROOT)
        if begins:
            tree.stint[RESERVED] = count
            tree.stint[LEFT] = count
            tree.stint[DONE] = 0
            tree.earned[:] = 0.0
            find_base(tree, params, count)
        if begins or left <= 0:
            return begins
        give_way()


@kernel()
def find_base(tree, params, count):
    """Follow the best edges from the root while `count` visits are few for a node, and reserve them
    there.
    """
    node = ROOT
    depth = np.int64(0)
    root_ply = tree.counters[ROOT_PLY]
    draw_score = params.draw_score
    tree.stint[FREE_LEFT] = FREE_VISITS
    while count > 1 and depth < MAX_DEPTH:
        edge = select_edge(tree, params, node, draw_score)
        its = tree.edges[edge]
        child = np.int64(its.child)
        if child == NO_NODE or its.passes < count * STINT_SHARE:
            break
        if tree.nodes[child].state != EXPANDED or is_decided(tree, child):
            break
        ply = root_ply + depth + 1
        push(tree.stack, ply - 1, its.move)
        if is_drawn_by_path(tree, ply, depth + 1) or is_drawn_by_game(tree, ply):
            break
        if visit.is_behind(tree, edge, child):
            backup.catch_up(tree, params, node, edge, child)
            continue
        tree.path[depth] = its.move
        tree.way[depth] = edge
        visit.set_off(tree, node, edge, count)
        node = child
        depth = depth + 1
        draw_score = -draw_score
    tree.stint[BASE] = node
    tree.stint[BASE_DEPTH] = depth


@kernel()
def end_stint(tree, params):
    """Count the visits of a stint in the ancestors of its base, and give back those that it did not
    make.
    """
    count, reserved = tree.stint[DONE], tree.stint[RESERVED]
    depth = tree.stint[BASE_DEPTH]
    if depth > 0:
        clock = add(tree.counters, np.int64(CLOCK), count) + count
        counted = backup.Counted(count, reserved, clock)
        news = backup.News(
            backup.mean_of(tree, tree.stint[BASE]).q,
            0.0,
            tree.earned[DRAWS],
            tree.earned[SQUARES],
            tree.earned[PLIES_LEFT],
            np.bool_(False),  # Each visit has told of its proofs.
        )
        while depth > 0:
            depth -= 1
            node = backup.node_on(tree, depth)
            news = backup.pass_by(tree, params, node, tree.way[depth], counted, news)
        backup.land(tree, reserved)
    else:
        backup.land(tree, reserved - count)
    tree.stint[BASE] = ROOT
    tree.stint[BASE_DEPTH] = 0
    tree.stint[RESERVED] = 0
    tree.stint[LEFT] = 0
