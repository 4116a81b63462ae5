"""What edges have of their children. Whoever changes a child writes its edge, too, and holds the child's lock."""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.tree.arrays import BUSY, LOSS, LOST, NO_PARENT, UNVISITED


@kernel()
def note_child(nodes, edges, child):
    """Write what the edge to a node has of it; the root has no edge."""
    if nodes[child].parent != NO_PARENT:
        edge = edge_to(nodes, child)
        edges[edge].q = q_of(nodes, child)
        edges[edge].divisor = divisor_of(nodes, child)


@kernel()
def note_flight(nodes, edges, child):
    """`note_child` for a node of which only the visits in flight and the state have changed."""
    if nodes[child].parent != NO_PARENT:
        edges[edge_to(nodes, child)].divisor = divisor_of(nodes, child)


@kernel()
def set_first_edge(nodes, edges, node, first):
    """Let the edges of a node begin at `first`."""
    nodes[node].first_edge = first
    if nodes[node].parent != NO_PARENT:
        edges[edge_to(nodes, node)].below = first


@kernel()
def edge_to(nodes, node):
    """Return the edge that leads to a node, which is not the root."""
    return np.int64(nodes[nodes[node].parent].first_edge) + np.int64(nodes[node].place)


@kernel()
def q_of(nodes, child):
    """Q of a node for the side that moved into it, or what an edge has in its place."""
    visits = nodes[child].visits
    if visits == 0:
        return UNVISITED
    return LOST if nodes[child].upper == LOSS else np.float32(nodes[child].value_sum / visits)


@kernel()
def divisor_of(nodes, child):
    """Return what U of the edge to a node is divided by; the negative while the node is BUSY."""
    divisor = np.float32(1 + nodes[child].visits + nodes[child].in_flight)
    return -divisor if nodes[child].state == BUSY else divisor
