"""Keep the subtree of the moves played: mark the nodes below the new root, then close the gaps (`compaction`)."""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.compaction import compact
from engine.search.tree import CANNOT_SHRINK, DRAW, NO_NODE, NO_PARENT, NODES, PATH_REPETITION, PENDING, SHRINKS, Tree
from engine.search.walk import is_decided


def reroot(tree: Tree, root: int) -> None:
    """Make node ``root`` the root of ``tree`` and forget everything outside its subtree."""
    used = int(tree.counters[NODES])
    new_number = np.full(used, NO_NODE, np.int32)
    forget_path_repetitions(tree, root)
    mark(tree, root, new_number)
    for _ in compact(tree, new_number):
        pass
    tree.counters[[SHRINKS, CANNOT_SHRINK]] = 0


@kernel()
def mark(tree, root, new_number):
    """Number ``root`` and the nodes below it in ascending order."""
    new_number[root] = 0
    kept = 1
    for node in range(root + 1, tree.counters[NODES]):
        if new_number[tree.nodes[node].parent] != NO_NODE:
            new_number[node] = kept
            kept += 1


@kernel()
def forget_path_repetitions(tree, root):
    """Undo draws by path repetition, which may start before the new root, so that their nodes are visited again."""
    for node in range(root + 1, tree.counters[NODES]):
        if tree.nodes[node].state == PATH_REPETITION:
            undo_visits(tree, np.int64(node))
            tree.nodes[node].state = PENDING


@kernel()
def undo_visits(tree, node):
    """Undo all visits of a leaf in its ancestors."""
    visits = tree.nodes[node].visits
    value = tree.nodes[node].value_sum
    draws = tree.nodes[node].draw_sum
    while node != NO_PARENT:
        if is_decided(tree, node):
            value = np.float64(tree.nodes[node].lower) * visits
            draws = np.float64(visits) if tree.nodes[node].lower == DRAW else 0.0
        tree.nodes[node].visits -= visits
        tree.nodes[node].value_sum -= value
        tree.nodes[node].draw_sum -= draws
        value = -value
        node = np.int64(tree.nodes[node].parent)
