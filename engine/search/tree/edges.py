"""What edges have of their children, as the last visit through them saw it. The owner's lock guards
an edge.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.tree.arrays import LOSS, LOST, NO_NODE, ROOT, UNVISITED, Tree


@kernel()
def q_of(nodes, child):
    """Q of a node for the side that moved into it, or what an edge has in its place."""
    visits = nodes[child].visits
    if visits == 0:
        return UNVISITED
    return LOST if nodes[child].upper == LOSS else np.float32(nodes[child].value_sum / visits)


@kernel()
def worth(edges, edge):
    """Return what an edge adds to the values of its node's mover: N times Q."""
    visits = np.float64(edges[edge].passes)
    return visits * max(np.float64(edges[edge].q), -1.0) if visits > 0.0 else 0.0


@kernel()
def value_below(tree, node):
    """Sum of what a node's edges add to the values of its mover."""
    total = 0.0
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        total += worth(tree.edges, edge)
    return total


def mean_draws(tree: Tree, children: np.ndarray) -> np.ndarray:
    """Mean draw probabilities of nodes, int32 [n]; 0 for NO_NODE and without visits."""
    nodes = tree.nodes[np.where(children == NO_NODE, ROOT, children)]
    return np.where(children == NO_NODE, 0.0, nodes["draw_sum"] / np.maximum(1, nodes["visits"]))
