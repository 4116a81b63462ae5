"""The way up: apply a round's evaluations, average values towards the root, and spread proofs.

Proofs (MCTS-solver, Winands et al. 2008): a node whose mover has a winning child is lost for the side that moved into
it; a node all of whose children lose is won for it. Draws are averaged, never proven: a repetition is a draw only on
its path.
"""

from __future__ import annotations

import numpy as np

from engine.jit import kernel
from engine.search.tree import (
    COLLISIONS,
    EDGES,
    EXPANDED,
    LEAVES,
    LOSS,
    NO_NODE,
    NO_PARENT,
    OPEN,
    STUNTED,
    WIN,
)


@kernel()
def apply(tree, params, leaves, first):
    """Expand and back up the round's leaves, whose evaluations stand in ``leaves[first:]``, in the order gathered."""
    for k in range(tree.counters[LEAVES]):
        node = np.int64(tree.leaf_nodes[k])
        leaf = first + k
        expand(tree, params, node, leaves.moves[leaf], leaves.logits[leaf], leaves.n_moves[leaf])
        value = np.float64(leaves.wdl[leaf, 2]) - np.float64(leaves.wdl[leaf, 0])
        finish_visit(tree, node, value, np.float64(leaves.wdl[leaf, 1]), np.float64(leaves.moves_left[leaf]))
    for k in range(tree.counters[COLLISIONS]):
        node = np.int64(tree.collision_nodes[k])
        while node != NO_PARENT:
            tree.in_flight[node] -= 1
            node = np.int64(tree.parent[node])
    tree.counters[LEAVES] = 0
    tree.counters[COLLISIONS] = 0


@kernel()
def expand(tree, params, node, moves, logits, count):
    """Give a node its edges, priors = softmax(logits / temperature), sorted; or mark it stunted where there is no room.
    """
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
def finish_visit(tree, node, value, draw, moves_left):
    """Count a visit on ``node`` and all its ancestors; ``value`` is for the side that moved into ``node``."""
    while node != NO_PARENT:
        tree.in_flight[node] -= 1
        tree.visits[node] += 1
        tree.value_sum[node] += value
        tree.draw_sum[node] += draw
        tree.moves_left[node] += np.float32((moves_left - tree.moves_left[node]) / tree.visits[node])
        value = -value
        moves_left += 1.0
        node = np.int64(tree.parent[node])


@kernel()
def prove(tree, node, result, plies):
    """Record that ``node`` is a WIN or LOSS for the side that moved into it, mate in ``plies``, and tell its ancestors.
    """
    while node != NO_PARENT and tree.proven[node] == OPEN:
        tree.proven[node] = result
        tree.mate_plies[node] = plies
        correct_values(tree, node, np.float64(result) * tree.visits[node])
        node = np.int64(tree.parent[node])
        if node == NO_PARENT:
            return
        if result == LOSS:
            plies = longest_defence(tree, node)
            if plies < 0:
                return
            result = WIN
        else:
            result = LOSS
        plies += 1


@kernel()
def longest_defence(tree, node):
    """Plies to mate where every move of ``node`` is known to lose, -1 where one is not."""
    longest = -1
    first = tree.first_edge[node]
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        if child == NO_NODE or tree.proven[child] != LOSS:
            return -1
        longest = max(longest, tree.mate_plies[child])
    return longest


@kernel()
def correct_values(tree, node, value_sum):
    """Replace a node's value sum and carry the difference to its ancestors: past visits now count as the proven result.
    """
    difference = value_sum - tree.value_sum[node]
    while node != NO_PARENT:
        tree.value_sum[node] += difference
        difference = -difference
        node = np.int64(tree.parent[node])
