"""A full tree learns on: its least recently used subtrees give way to new visits.

A node that was not visited for long loses its moves and all below them, and keeps what it has learned: its visits, its
value and its bounds. Its next visit gives it moves again. So the tree forgets the details of what it no longer looks
at, a good part at a time, and its memory never grows. Which nodes these are depends on the tree alone.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.reroot import move_edges, move_nodes
from engine.search.tree import CANNOT_SHRINK, EXPANDED, NO_NODE, NODES, ROOT, SHRINKS, STUNTED, VALUED, Tree
from engine.search.walk import is_decided

SHARE: Final = 0.4  # Share of the nodes that gives way at once. Set by hand.
LEAST_SHARE: Final = 0.05  # If less than this can give way, the tree stays as it is. Set by hand.


def make_room(tree: Tree) -> None:
    """Let the least recently used subtrees of a tree without visits in flight give way.

    The root's own moves stay, and so do nodes whose result is known, because they are the proof of others.
    """
    tree.counters[SHRINKS] += 1
    used = int(tree.counters[NODES])
    oldest_first = np.sort(tree.used_at[tree.parent[1:used]])
    latest = np.int64(oldest_first[int(SHARE * len(oldest_first))])
    new_number = np.full(used, NO_NODE, np.int32)
    kept = mark_used(tree, latest, new_number)
    if kept > (1 - LEAST_SHARE) * used:
        tree.counters[CANNOT_SHRINK] = 1
        return
    order = np.flatnonzero(new_number >= 0)
    order = order[np.argsort(tree.first_edge[order], kind="stable")]
    move_edges(tree, order.astype(np.int32), new_number)
    move_nodes(tree, new_number)
    tree.counters[NODES] = kept


@kernel()
def mark_used(tree, latest, new_number):
    """Close the nodes last visited at ``latest`` or before, and number what is left; returns how many nodes that are.

    ``new_number`` int32 [NODES] is NO_NODE everywhere; what gives way stays so.
    """
    new_number[ROOT] = 0
    kept = 1
    for node in range(tree.counters[NODES]):
        if node != ROOT:
            parent = tree.parent[node]
            if new_number[parent] == NO_NODE or tree.state[parent] != EXPANDED:
                continue
            new_number[node] = kept
            kept += 1
        old = tree.state[node] == EXPANDED and tree.used_at[node] <= latest and not is_decided(tree, node)
        if tree.state[node] == STUNTED or (old and node != ROOT):
            tree.state[node] = VALUED
            tree.n_edges[node] = 0
            tree.looked_ahead[node] = 0
            tree.asked_at[node] = 0
            tree.advised[node] = NO_MOVE
    return kept
