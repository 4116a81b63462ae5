"""Keep the subtree of the moves played: mark the nodes below the new root, then move them to the front, in place.

A parent always has a smaller number than its children. One pass in ascending order therefore finds a whole subtree, and
moving a node to its new, smaller number never overwrites a node that has not been moved yet.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.tree import (
    CANNOT_SHRINK,
    DRAW,
    EDGES,
    NO_NODE,
    NO_PARENT,
    NODES,
    PATH_REPETITION,
    PENDING,
    SHRINKS,
    Tree,
    move_edge,
    move_node,
)
from engine.search.walk import is_decided


def reroot(tree: Tree, root: int) -> None:
    """Make node ``root`` the root of ``tree`` and forget everything outside its subtree."""
    used = int(tree.counters[NODES])
    new_number = np.full(used, NO_NODE, np.int32)
    forget_path_repetitions(tree, root)
    kept = mark(tree, root, new_number)
    order = np.flatnonzero(new_number >= 0)
    order = order[np.argsort(tree.first_edge[order], kind="stable")]
    move_edges(tree, order.astype(np.int32), new_number)
    move_nodes(tree, new_number)
    tree.counters[NODES] = kept
    tree.counters[[SHRINKS, CANNOT_SHRINK]] = 0


@kernel()
def mark(tree, root, new_number):
    """Number ``root`` and the nodes below it in ascending order; returns how many there are."""
    new_number[root] = 0
    kept = 1
    for node in range(root + 1, tree.counters[NODES]):
        if new_number[tree.parent[node]] != NO_NODE:
            new_number[node] = kept
            kept += 1
    return kept


@kernel()
def forget_path_repetitions(tree, root):
    """Undo draws by path repetition, which may start before the new root, so that their nodes are visited again."""
    for node in range(root + 1, tree.counters[NODES]):
        if tree.state[node] == PATH_REPETITION:
            undo_visits(tree, np.int64(node))
            tree.state[node] = PENDING


@kernel()
def undo_visits(tree, node):
    """Undo all visits of a leaf in its ancestors."""
    visits = tree.visits[node]
    value = tree.value_sum[node]
    draws = tree.draw_sum[node]
    while node != NO_PARENT:
        if is_decided(tree, node):
            value = np.float64(tree.lower[node]) * visits
            draws = np.float64(visits) if tree.lower[node] == DRAW else 0.0
        tree.visits[node] -= visits
        tree.value_sum[node] -= value
        tree.draw_sum[node] -= draws
        value = -value
        node = np.int64(tree.parent[node])


@kernel()
def move_edges(tree, order, new_number):
    """Close the gaps between the edges of the kept nodes; ``order`` lists these nodes by ascending first edge."""
    end = np.int64(0)
    for k in range(order.size):
        node = order[k]
        first = np.int64(tree.first_edge[node])
        count = tree.n_edges[node]
        if count > 0:
            tree.first_edge[node] = end
        for i in range(count):
            move_edge(tree, first + i, end)
            if tree.child[end] != NO_NODE:
                tree.child[end] = new_number[tree.child[end]]
            end += 1
    tree.counters[EDGES] = end


@kernel()
def move_nodes(tree, new_number):
    """Move every kept node to its new number."""
    for node in range(new_number.size):
        to = new_number[node]
        if to == NO_NODE:
            continue
        parent = tree.parent[node]
        move_node(tree, node, to)
        tree.parent[to] = NO_PARENT if to == 0 else new_number[parent]
