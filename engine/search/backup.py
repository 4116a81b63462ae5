"""The way up: apply a round's evaluations and average values towards the root."""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.proofs import decide, is_decided, spread
from engine.search.tree import (
    COLLISIONS,
    DRAW,
    EDGES,
    EXPANDED,
    LEAVES,
    NO_NODE,
    NO_PARENT,
    PATH_REPETITION,
    REPEATED,
    STUNTED,
    UNKNOWN,
)


@kernel()
def apply(tree, in_flight, params, leaves, first):
    """Expand and back up the leaves of the round ``in_flight``, whose evaluations stand in ``leaves[first:]``, in the
    order gathered.
    """
    for k in range(in_flight.counts[LEAVES]):
        node = np.int64(in_flight.leaf_nodes[k])
        leaf = first + k
        moves_left = np.float64(leaves.moves_left[leaf])
        if in_flight.known[k] != UNKNOWN:
            finish_known(tree, params, node, np.int64(in_flight.known[k]), np.int64(in_flight.mate_plies[k]))
            continue
        expand(tree, params, node, leaves.moves[leaf], leaves.logits[leaf], leaves.n_moves[leaf])
        value = np.float64(leaves.wdl[leaf, 2]) - np.float64(leaves.wdl[leaf, 0])
        finish_visit(tree, node, value, np.float64(leaves.wdl[leaf, 1]), moves_left)
    for k in range(in_flight.counts[COLLISIONS]):
        node = np.int64(in_flight.collision_nodes[k])
        while node != NO_PARENT:
            tree.in_flight[node] -= 1
            node = np.int64(tree.parent[node])
    in_flight.counts[LEAVES] = 0
    in_flight.counts[COLLISIONS] = 0


@kernel()
def expand(tree, params, node, moves, logits, count):
    """Give a node its edges, priors = softmax(logits / temperature), sorted; or call it stunted for want of room."""
    first = tree.counters[EDGES]
    if first + count > tree.move.size:
        tree.state[node] = STUNTED
        return
    tree.counters[EDGES] += count
    highest = logits[0]
    for i in range(1, count):
        highest = max(highest, logits[i])
    total = 0.0
    for i in range(count):
        weight = np.exp((np.float64(logits[i]) - np.float64(highest)) / params.policy_temperature)
        total += weight
        insert_edge(tree, first, first + i, moves[i], np.float32(weight))
    for edge in range(first, first + count):
        tree.prior[edge] /= np.float32(total)
    tree.first_edge[node] = first
    tree.n_edges[node] = count
    tree.state[node] = EXPANDED


@kernel()
def insert_edge(tree, first, end, move, prior):
    """Put an edge into the sorted edges [first, end), behind those of equal prior."""
    edge = end
    while edge > first and tree.prior[edge - 1] < prior:
        tree.prior[edge] = tree.prior[edge - 1]
        tree.move[edge] = tree.move[edge - 1]
        edge -= 1
    tree.prior[edge] = prior
    tree.move[edge] = move
    tree.child[end] = NO_NODE


@kernel()
def finish_known(tree, params, node, known, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; ``known`` as in `Round`."""
    if known == REPEATED:
        tree.state[node] = PATH_REPETITION
        finish_visit(tree, node, 0.0, 1.0, 0.0)
        return
    decide(tree, node, known, mate_plies)
    moves_left = np.float64(max(mate_plies, np.int64(0)))
    finish_visit(tree, node, np.float64(known), 1.0 if known == DRAW else 0.0, moves_left)
    spread(tree, params, node)


@kernel()
def finish_visit(tree, node, value, draw, moves_left):
    """Count a visit on ``node`` and all its ancestors; ``value`` is for the side that moved into ``node``.

    A decided ancestor counts as what it is, whatever this visit found.
    """
    while node != NO_PARENT:
        if is_decided(tree, node):
            value = np.float64(tree.lower[node])
            draw = 1.0 if tree.lower[node] == DRAW else 0.0
        tree.in_flight[node] -= 1
        tree.visits[node] += 1
        tree.value_sum[node] += value
        tree.draw_sum[node] += draw
        tree.moves_left[node] += np.float32((moves_left - tree.moves_left[node]) / tree.visits[node])
        value = -value
        moves_left += 1.0
        node = np.int64(tree.parent[node])
