"""Keep the subtree of the moves played: its top becomes the root at once, and the rest is forgotten in slices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.native.jit import kernel
from engine.search.compaction import compact, numbers, reach_children, renumber, slices
from engine.search.proofs import is_decided
from engine.search.tree import (
    CANNOT_SHRINK,
    DRAW,
    NO_NODE,
    NO_PARENT,
    NODES,
    PATH_REPETITION,
    PENDING,
    ROOT,
    SHRINKS,
    Tree,
    move_node,
)


def reroot(tree: Tree, root: int) -> None:
    """Make node ``root`` the root of ``tree``. What it does not lead to takes room until `forget_the_rest`."""
    become_root(tree, np.int64(root))
    tree.counters[[SHRINKS, CANNOT_SHRINK]] = 0


@kernel()
def become_root(tree, root):
    """Move a node to the root's place."""
    renumber(tree, root, np.int32(ROOT))
    move_node(tree, root, np.int32(ROOT))


def forget_the_rest(tree: Tree) -> Iterator[None]:
    """Forget the nodes to which no edge leads from the root, in slices (`compaction`).

    Undoes draws by path repetition, which may start before the root, so that their nodes are visited again.
    """
    used, kept = int(tree.counters[NODES]), 0
    new_number = numbers(used)
    for begin, end in slices(used):
        kept = int(mark(tree, new_number, begin, end, np.int64(kept)))
        yield
    yield from compact(tree, new_number)


@kernel()
def mark(tree, new_number, begin, end, kept):
    """Number those of the nodes ``begin`` to ``end`` that are REACHED, and undo draws by path repetition among them.

    ``kept`` nodes were numbered before; returns how many are now.
    """
    for node in range(begin, end):
        if new_number[node] == NO_NODE:
            continue
        new_number[node] = kept
        kept += 1
        reach_children(tree, np.int64(node), new_number)
        if tree.nodes[node].state == PATH_REPETITION:
            undo_visits(tree, np.int64(node))
            tree.nodes[node].state = PENDING
    return kept


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
