"""Positions of a tree's nodes, for readers of a finished search. The tree itself keeps moves, no positions."""

from __future__ import annotations

import numpy as np

from engine.board.makemove import copy_row, make
from engine.native.jit import kernel
from engine.search.tree import MAX_DEPTH, NO_PARENT, ROOT_PLY


def new_path() -> np.ndarray:
    """Room for the moves from the root to a node, uint16 [MAX_DEPTH + 1]."""
    return np.zeros(MAX_DEPTH + 1, np.uint16)


@kernel()
def put_position(tree, node, path, row, scratch):
    """Write the position of ``node`` to ``row`` and the moves that lead to it, the last one first, to ``path``.

    ``row`` and ``scratch`` are uint64 [16]. Returns the number of moves. No visit may be in progress.
    """
    depth = np.int64(0)
    parent = np.int64(tree.nodes[node].parent)
    while parent != NO_PARENT:
        first = tree.nodes[parent].first_edge
        for edge in range(first, first + tree.nodes[parent].n_edges):
            if tree.child[edge] == node:
                path[depth] = tree.move[edge]
        depth += 1
        node = parent
        parent = np.int64(tree.nodes[node].parent)
    copy_row(tree.stack[tree.counters[ROOT_PLY]], row)
    for k in range(depth):
        make(row, path[depth - 1 - k], scratch)
        copy_row(scratch, row)
    return depth
