"""Visits whose evaluation happens inside kernels: what the families `material` and `sparse` share.

A visit is three steps, each a kernel of its own so that they can be spread over threads: `begin` walks down (one thread
at a time), `prepare` asks the rules about the leaf (any thread), and after the family's evaluation `backup.apply` walks
up. The families' loops are `material_loop` and `sparse_loop`: Numba caches no functions passed as arguments.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import copy_row
from engine.native.jit import kernel
from engine.search.descend import begin_visit, is_finished, repeats_path
from engine.search.judge import judge
from engine.search.tree import COLLISIONS, LEAVES, NO_NODE, REPEATED, ROOT, UNKNOWN


class Scratch(NamedTuple):
    """Scratch of one thread."""

    row: np.ndarray  # uint64 [16]
    moves: np.ndarray  # uint16 [218]


def new_scratch() -> Scratch:
    """Fresh scratch for one thread."""
    return Scratch(np.zeros(ROW_WORDS, np.uint64), np.zeros(MAX_MOVES, np.uint16))


@kernel()
def begin(tree, in_flight, params, leaves, first, limit):
    """Begin up to ``limit`` visits; their positions go to ``leaves.rows[first:]``. Returns how many visits that were.

    Stops early as `gather.gather` does.
    """
    counts = in_flight.counts
    begun = np.int64(0)
    while begun < limit and counts[COLLISIONS] < params.max_collisions and not is_finished(tree, params):
        begun += 1
        node, ply = begin_visit(tree, in_flight, params)
        if node != NO_NODE:
            k = counts[LEAVES]
            copy_row(tree.stack[ply], leaves.rows[first + k])
            in_flight.leaf_nodes[k] = node
            in_flight.known[k] = REPEATED if node != ROOT and repeats_path(tree, ply) else UNKNOWN
            counts[LEAVES] += 1
    return begun


@kernel()
def prepare(in_flight, k, params, leaves, leaf, scratch):
    """Ask the rules about leaf ``k`` of a round, at ``leaves[leaf]``; returns whether it needs an evaluation."""
    if in_flight.known[k] != UNKNOWN:
        return False
    at_root = in_flight.leaf_nodes[k] == ROOT
    known, plies = judge(leaves, leaf, at_root, params.mate_in_one, scratch.row, scratch.moves)
    in_flight.known[k] = known
    in_flight.mate_plies[k] = plies
    return known == UNKNOWN
