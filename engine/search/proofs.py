"""What is certain: leaves decided by the rules or a tablebase, and the bounds that follow for their ancestors.

Every node keeps bounds on its result (MCTS-solver, Winands et al. 2008; with draws as in Lc0's sticky endgames): the
worst and the best that its mover can still reach are the maxima over the children of theirs. Equal bounds decide a
node, and its past visits then count as that result. Draws by a repetition of the search path are no proofs: they hold
on that path only.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.tree import DRAW, LOSS, NO_NODE, NO_PARENT, ROOT, TERMINAL, UNKNOWN_DISTANCE, WIN


@kernel()
def is_decided(tree, node):
    """Whether a node's result is known."""
    return tree.lower[node] == tree.upper[node]


@kernel()
def decide(tree, node, result, plies):
    """Make a new leaf a decided one: ``result`` for the side that moved into it, mate in ``plies``."""
    tree.state[node] = TERMINAL
    tree.lower[node] = result
    tree.upper[node] = result
    tree.mate_plies[node] = plies


@kernel()
def spread(tree, params, node):
    """Tell the ancestors of a node whose bounds are new."""
    node = np.int64(tree.parent[node])
    while node != NO_PARENT and (node != ROOT or params.decide_root) and not is_decided(tree, node):
        lower, upper = best_bounds(tree, node)
        if tree.lower[node] == -upper and tree.upper[node] == -lower:
            return
        tree.lower[node] = -upper
        tree.upper[node] = -lower
        if lower == upper:
            tree.mate_plies[node] = mate_distance(tree, node, lower)
            settle_past_visits(tree, node)
        node = np.int64(tree.parent[node])


@kernel()
def best_bounds(tree, node):
    """(lower, upper) of the best that the mover of ``node`` can reach."""
    lower, upper = np.int64(LOSS), np.int64(LOSS)
    first = tree.first_edge[node]
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        if child == NO_NODE:
            upper = np.int64(WIN)
        else:
            lower = max(lower, np.int64(tree.lower[child]))
            upper = max(upper, np.int64(tree.upper[child]))
        if lower == WIN:
            break
    return lower, upper


@kernel()
def mate_distance(tree, node, result):
    """Plies to mate at a node that its mover wins or loses (``result``): the shortest win, the longest defence."""
    if result == DRAW:
        return np.int64(0)
    found = np.int64(UNKNOWN_DISTANCE)
    first = tree.first_edge[node]
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        if child == NO_NODE or tree.lower[child] != result or tree.upper[child] != result:
            continue
        plies = np.int64(tree.mate_plies[child])
        if plies == UNKNOWN_DISTANCE:
            if result == LOSS:
                return plies  # a defence that nobody has counted
        elif found == UNKNOWN_DISTANCE or (plies < found) == (result == WIN):
            found = plies
    return found + 1 if found != UNKNOWN_DISTANCE else found


@kernel()
def settle_past_visits(tree, node):
    """Count all past visits of a decided node as its result, in all its ancestors too."""
    visits = tree.visits[node]
    difference = np.float64(tree.lower[node]) * visits - tree.value_sum[node]
    draws = (visits if tree.lower[node] == DRAW else 0.0) - tree.draw_sum[node]
    while node != NO_PARENT:
        tree.value_sum[node] += difference
        tree.draw_sum[node] += draws
        difference = -difference
        node = np.int64(tree.parent[node])
        if node != NO_PARENT and is_decided(tree, node):
            return
