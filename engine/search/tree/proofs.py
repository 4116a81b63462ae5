"""Proven results: bounds on every node's result, and how they spread towards the root.

The rules or a tablebase decide leaves, and bounds on the ancestors follow. Every node keeps bounds
on its result (MCTS-solver, Winands et al. 2008; draws as in Lc0's sticky endgames). The lower
(upper) bound for its mover is the maximum of the children's lower (upper) bounds. Equal bounds
decide a node, and its past visits then count as that result. A draw by repetition within the search
path proves nothing, because it holds on that path only.

Bounds spread with the visit that found them, along its way. Other nodes above learn of them when a
visit comes by. Bounds only ever narrow, so that several threads may spread them at once. Readers
take no lock: equal bounds tell them that the distance to mate is there, so it is written first.
"""

import numpy as np

from engine.native.atomics import order_reads, order_writes
from engine.native.jit import kernel
from engine.search.tree.arrays import ASIDE, DRAW, LOSS, LOST, NO_NODE, ROOT, UNKNOWN_DISTANCE, WIN
from engine.search.tree.edges import edges_of, means_behind


@kernel()
def is_decided(tree, node):
    """Whether a node's result is known."""
    return tree.nodes[node].lower == tree.nodes[node].upper


@kernel()
def decide(tree, node, result, plies):
    """Mark a new leaf as decided, with `result` for the side that moved into it and mate in
    `plies`.
    """
    tree.mate_plies[node] = plies
    order_writes()
    tree.nodes[node].lower = result
    tree.nodes[node].upper = result


@kernel()
def narrow(tree, node):
    """Narrow the bounds of a node, which the caller has locked, by those of its children; returns
    whether it did.
    """
    its = tree.nodes[node]
    lower, upper = best_bounds(tree, node)
    lower = max(lower, -np.int64(its.upper))
    upper = min(upper, -np.int64(its.lower))
    if its.lower == -upper and its.upper == -lower:
        return False
    if lower == upper:
        tree.mate_plies[node] = mate_distance(tree, node, lower)
    order_writes()
    its.lower = -upper
    its.upper = -lower
    return True


@kernel()
def widen(tree, params, node):
    """Take the bounds of a node from its children anew, because some know less than before. Where
    the node was decided and is so no more, its value is the mean of its edges'.
    """
    if node == ROOT and not params.decide_root:
        return
    was_decided = is_decided(tree, node)
    set_bounds(tree, node)
    if is_decided(tree, node):
        tree.mate_plies[node] = mate_distance(tree, node, -np.int64(tree.nodes[node].lower))
        settle_past_visits(tree, node)
    elif was_decided:
        take_sums_from_edges(tree, node, 0.0, 0.0, 0.0)


@kernel()
def set_bounds(tree, node):
    """Give a node the bounds that follow from its children."""
    lower, upper = best_bounds(tree, node)
    tree.nodes[node].lower = -upper
    tree.nodes[node].upper = -lower


@kernel()
def take_sums_from_edges(tree, node, own, value, draw):
    """Take a node's sums from its edges, but for those aside and those that lose. `own` is 1.0
    where its own evaluation counts, which is `value` and `draw` for its side to move.
    """
    visits = own
    value_sum = -value
    draw_sum = draw
    square_sum = value * value
    for edge in range(*edges_of(tree, node)):
        its = tree.edges[edge]
        passes = np.float64(its.passes)
        if passes == 0.0 or its.q == LOST or its.barred == ASIDE:
            continue
        visits += passes
        value_sum -= passes * its.q
        draws, squares = means_behind(tree, edge)
        draw_sum += passes * draws
        square_sum += passes * squares
    sums = tree.nodes[node]
    scale = sums.visits / visits if visits > 0.0 else 0.0
    sums.value_sum = scale * value_sum
    sums.draw_sum = scale * draw_sum
    sums.square_sum = scale * square_sum


@kernel()
def best_bounds(tree, node):
    """Bounds (lower, upper) on the best result that the mover of `node` can reach."""
    lower, upper = np.int64(LOSS), np.int64(LOSS)
    for edge in range(*edges_of(tree, node)):
        child = tree.edges[edge].child
        if tree.edges[edge].barred == ASIDE:
            continue
        if child == NO_NODE:
            upper = np.int64(WIN)
        else:
            lower = max(lower, np.int64(tree.nodes[child].lower))
            upper = max(upper, np.int64(tree.nodes[child].upper))
        if lower == WIN:
            break
    return lower, upper


@kernel()
def mate_distance(tree, node, result):
    """Plies to mate at a node whose mover has the proven `result`: the shortest win, or the longest
    defence.
    """
    if result == DRAW:
        return 0
    distance = np.int64(UNKNOWN_DISTANCE)
    for edge in range(*edges_of(tree, node)):
        child = tree.edges[edge].child
        if (
            child == NO_NODE
            or tree.nodes[child].lower != result
            or tree.nodes[child].upper != result
        ):
            continue
        order_reads()
        plies = np.int64(tree.mate_plies[child])
        if plies == UNKNOWN_DISTANCE:
            if result == LOSS:
                return plies  # This defence may be the longest, and its length is unknown.
        elif distance == UNKNOWN_DISTANCE or (plies < distance) == (result == WIN):
            distance = plies
    if distance == UNKNOWN_DISTANCE:
        return distance
    return distance + 1


@kernel()
def settle_past_visits(tree, node):
    """Make all past visits of a decided node, which the caller has locked, count as its result."""
    its = tree.nodes[node]
    visits = its.visits
    its.square_sum = np.float64(abs(its.lower)) * visits
    its.value_sum = np.float64(its.lower) * visits
    its.draw_sum = np.float64(visits) if its.lower == DRAW else 0.0
