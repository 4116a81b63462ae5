"""What a visit leaves behind on its way up: the values of its edges and nodes, and proofs.

A node's value follows from its own evaluation u(n) and from its edges, each as its child stands
(`arrays`):

    N(n) = 1 + sum of N(n, a)        Q(n) = (u(n) - sum of N(n, a) Q(c(n, a))) / N(n)

A visit changes one edge of each node on its way. So every node takes what this edge gave so far out
of its sum, and adds what the edge gives now: it reads none of the other edges, and the children's Q
are as old as the last visits through these edges.
"""

from __future__ import annotations

import numpy as np

from engine.board.layout import SIDE
from engine.native.jit import kernel
from engine.native.ordering import add, lock, unlock
from engine.search.tree import arrays
from engine.search.tree.edges import q_of, worth
from engine.search.tree.heuristics import note
from engine.search.tree.proofs import decide, is_decided, narrow, settle_past_visits
from engine.tactics.small_endings import has_few_pieces, judge_small_ending, share_of_value

# ---- the leaf ------------------------------------------------------------------------------------


@kernel()
def finish_known(tree, params, depth, node, known, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; `Round` lists the values of
    `known`.
    """
    decide(tree, node, known, mate_plies)
    moves_left, draw = (
        np.float64(max(mate_plies, np.int64(0))),
        1.0 if known == arrays.DRAW else 0.0,
    )
    finish_visit(
        tree, params, depth, node, np.int64(arrays.TERMINAL), np.float64(known), draw, moves_left
    )


@kernel()
def finish_evaluated(tree, params, depth, node, state, leaves, leaf):
    """Finish a visit whose evaluation is in `leaves[leaf]`; its node is in `state` from now on."""
    tree.nodes[node].quiet_level = leaves.quiet_level[leaf]
    value, draw = (
        np.float64(leaves.wdl[leaf, 0]) - np.float64(leaves.wdl[leaf, 2]),
        np.float64(leaves.wdl[leaf, 1]),
    )
    value = without_tempo(params, value)
    if params.fading_endings:
        part = share_of_value(leaves.rows[leaf], value)
        value, draw = part * value, 1.0 - part * (1.0 - draw)
    moves_left = np.float64(leaves.moves_left[leaf])
    if params.small_endings and has_few_pieces(leaves.rows[leaf]):
        value, draw, moves_left = judge_small_ending(
            leaves.rows[leaf], tree.stack[tree.counters[arrays.ROOT_PLY]], value, draw, moves_left
        )
    finish_visit(tree, params, depth, node, state, -value, draw, moves_left)


@kernel()
def without_tempo(params, value):
    """Return an evaluation as a search would judge it, for the side to move: it moves, and the
    reply is not yet known, so evaluations are higher than the mean of the positions below. Left as
    they are, Q would depend on whether most lines end after an odd or an even number of plies.
    """
    return value - params.tempo * (1.0 - value * value)


@kernel()
def finish_visit(tree, params, depth, node, state, value, draw, moves_left):
    """Count a visit on a leaf, which is in `state` from now on, and on the edges and nodes of its
    way.

    `value` is for the side that moved into `node`.
    """
    nodes = tree.nodes
    lock(nodes, node)
    visits = nodes[node].visits + 1
    square = value * value
    nodes[node].state = state
    nodes[node].visits = visits
    nodes[node].used_at = tree.counters[arrays.CLOCK] + 1
    nodes[node].value_sum += value
    nodes[node].draw_sum += draw
    nodes[node].square += np.float32((square - nodes[node].square) / visits)
    nodes[node].moves_left += np.float32((moves_left - nodes[node].moves_left) / visits)
    q = q_of(nodes, node)
    unlock(nodes, node)
    go_up(tree, params, depth, q, (value, draw, square, moves_left), is_decided(tree, node))


@kernel()
def mean_of(tree, node):
    """Return what edges have of a visited node, and its mean value, draw probability, square and
    plies left.
    """
    lock(tree.nodes, node)
    q, visits = q_of(tree.nodes, node), tree.nodes[node].visits
    value, draw = tree.nodes[node].value_sum / visits, tree.nodes[node].draw_sum / visits
    square, moves_left = (
        np.float64(tree.nodes[node].square),
        np.float64(tree.nodes[node].moves_left),
    )
    unlock(tree.nodes, node)
    return q, (value, draw, square, moves_left)


# ---- the way up ----------------------------------------------------------------------------------


@kernel()
def go_up(tree, params, depth, q, sums, proves):
    """Count a visit on the edges and nodes of its way, from its end up to the stint's base, and let
    proofs spread.

    `q` is what the last edge has from now on, `sums` what the visit brought (`pass_by`). `proves`:
    whether bounds of the last edge's child may be news to the node above.
    """
    clock, base_depth, one = (
        tree.counters[arrays.CLOCK] + 1,
        tree.stint[arrays.BASE_DEPTH],
        np.int64(1),
    )
    learns = tree.stint[arrays.LEAF_DEPTH] > 0
    side = np.int64(tree.stack[tree.counters[arrays.ROOT_PLY], SIDE]) ^ depth & one  # of the leaf
    while depth > base_depth:
        depth, side = depth - 1, side ^ one
        node = node_on(tree, depth)
        if learns:
            note(tree, node, depth, side, sums[0])
        q, sums, proves = pass_by(
            tree, params, node, tree.way[depth], one, one, clock, q, sums, proves
        )
    tree.stint[arrays.DONE] += 1
    if base_depth == 0:
        add(tree.counters, np.int64(arrays.CLOCK), one)
        land(tree, one)
    tree.earned[arrays.DRAWS] += sums[1]
    tree.earned[arrays.SQUARES] += sums[2]
    tree.earned[arrays.PLIES_LEFT] += sums[3]
    sums = (0.0, 0.0, 0.0, 0.0)
    while proves and depth > 0:
        depth -= 1
        none, node = np.int64(0), node_on(tree, depth)
        q, sums, proves = pass_by(
            tree, params, node, tree.way[depth], none, none, clock, q, sums, proves
        )


@kernel()
def pass_by(tree, params, node, edge, count, reserved, clock, q, sums, proves):
    """Count `count` finished visits through one of a node's edges, where `reserved` are in flight
    no more. The node's value follows what the edge has now, its visits and the child's `q`, in
    place of what it had.

    `sums` are value, draw, square and plies left over the visits, for the side that moved into the
    child; at a decided node they count as its result. Returns (what edges to the node have of it
    now, the sums for the side that moved into the node, whether its bounds are narrower).
    """
    nodes, edges = tree.nodes, tree.edges
    value, draw, square, moves_left = -sums[0], sums[1], sums[2], sums[3] + count
    lock(nodes, node)
    before = worth(edges, edge)
    edges[edge].passes += count
    edges[edge].under_way -= reserved
    if reserved > 0:
        edges[edge].barred = 0
    if edges[edge].passes > 0:
        edges[edge].q = q
    gain = before - worth(edges, edge)
    if is_decided(tree, node):
        value = gain = np.float64(nodes[node].lower) * count
        draw = np.float64(count) if nodes[node].lower == arrays.DRAW else 0.0
        square = abs(value)
    visits = nodes[node].visits + count
    nodes[node].visits = visits
    nodes[node].used_at = clock
    nodes[node].value_sum += gain
    nodes[node].draw_sum += draw
    nodes[node].square += np.float32((square - count * nodes[node].square) / visits)
    nodes[node].moves_left += np.float32((moves_left - count * nodes[node].moves_left) / visits)
    if proves:
        proves = (
            not is_decided(tree, node)
            and (node != arrays.ROOT or params.decide_root)
            and narrow(tree, node)
        )
        if proves and is_decided(tree, node):
            settle_past_visits(tree, node)
    q = q_of(nodes, node)
    unlock(nodes, node)
    return q, (value, draw, square, moves_left), proves


@kernel()
def catch_up(tree, params, node, edge, child):
    """Count a free visit through an edge of a node, whose child has more visits than the edge."""
    tree.stint[arrays.FREE_LEFT] -= 1
    clock, one, none = tree.counters[arrays.CLOCK] + 1, np.int64(1), np.int64(0)
    q, sums = mean_of(tree, child)
    pass_by(tree, params, node, edge, one, none, clock, q, sums, is_decided(tree, child))
    if node == arrays.ROOT:
        add(tree.counters, np.int64(arrays.FREE), one)


@kernel()
def take_back(tree, depth):
    """Undo a visit in flight that went so far down `tree.way`, from the stint's base, which keeps
    it, or the root.
    """
    while depth > tree.stint[arrays.BASE_DEPTH]:
        depth -= 1
        node = node_on(tree, depth)
        lock(tree.nodes, node)
        tree.edges[tree.way[depth]].under_way -= 1
        unlock(tree.nodes, node)
    if tree.stint[arrays.RESERVED] == 0:
        land(tree, np.int64(1))


@kernel()
def node_on(tree, depth):
    """Return the node at a depth of `tree.way`."""
    return np.int64(tree.edges[tree.way[depth - 1]].child) if depth > 0 else np.int64(arrays.ROOT)


@kernel()
def land(tree, visits):
    """Count visits of the root that are in flight no more."""
    lock(tree.nodes, np.int64(arrays.ROOT))
    tree.nodes[arrays.ROOT].in_flight -= visits
    unlock(tree.nodes, np.int64(arrays.ROOT))
