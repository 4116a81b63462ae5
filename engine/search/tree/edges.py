"""What edges have of their children, as the last visit through them saw it. The owner's lock guards
an edge.
"""

import numpy as np

from engine.native.jit import kernel
from engine.search.tree.arrays import LOSS, LOST, NO_NODE, ROOT, UNVISITED


@kernel()
def edges_of(tree, node):
    """Return the first of a node's edges, and the one behind the last."""
    first = tree.nodes[node].first_edge
    return first, first + np.int64(tree.nodes[node].n_edges)


@kernel()
def q_of(nodes, child):
    """Q of a node for the side that moved into it, or what an edge has in its place."""
    visits = nodes[child].visits
    if visits == 0:
        return UNVISITED
    return LOST if nodes[child].upper == LOSS else np.float32(nodes[child].value_sum / visits)


@kernel()
def worth(edges, edge):
    """Return what an edge adds to the values of its node's mover: N times Q. Each visit to a move
    that is proven to lose counts as a loss, -1.
    """
    visits = np.float64(edges[edge].passes)
    if visits <= 0.0:
        return 0.0
    # LOST is minus infinity; any other Q is at least -1.
    return visits * max(np.float64(edges[edge].q), -1.0)


@kernel()
def value_below(tree, node):
    """Sum of what a node's edges add to the values of its mover."""
    total = 0.0
    for edge in range(*edges_of(tree, node)):
        total += worth(tree.edges, edge)
    return total


@kernel()
def means_behind(tree, edge):
    """Mean draw probability and mean square of the values behind an edge that was visited; without
    a child all visits drew.
    """
    child = np.int64(tree.edges[edge].child)
    if child == NO_NODE or tree.nodes[child].visits == 0:
        return 1.0, 0.0
    sums = tree.nodes[child]
    return sums.draw_sum / sums.visits, sums.square_sum / sums.visits


@kernel()
def draws_below_root(tree):
    """Sum of what the root's edges add to its draw probabilities."""
    total = 0.0
    for edge in range(*edges_of(tree, ROOT)):
        if tree.edges[edge].passes > 0:
            total += tree.edges[edge].passes * means_behind(tree, edge)[0]
    return total
