"""A full tree learns on: its least recently used subtrees give way to new visits.

A node that was not visited for long loses its moves and all below them, and keeps what it has learned: its visits, its
value and its bounds. Its next visit gives it moves again. So the tree forgets the details of what it no longer looks
at, a good part at a time, and its memory never grows. Which nodes these are depends on the tree alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.compaction import compact, numbers, reach_children, slices
from engine.search.proofs import is_decided
from engine.search.tree import (
    CANNOT_SHRINK,
    CLOCK,
    EXPANDED,
    NO_NODE,
    NODES,
    ROOT,
    SHRINKS,
    STUNTED,
    VALUED,
    Tree,
)

SHARE: Final = 0.4  # Share of the nodes that gives way at once. Set by hand.
LEAST_SHARE: Final = 0.05  # If less than this gave way, the tree stays as it is from then on. Set by hand.
SAMPLE: Final = 65_536  # Nodes, evenly spaced, from which the last use of a share of all is estimated. Set by hand.
LATEST_CLOCK: Final = 2**30  # From here the clock is set back: `Tree.used_at` has 31 bits.


def make_room(tree: Tree) -> Iterator[None]:
    """Let the least recently used subtrees of a tree without visits in flight give way, in slices (`compaction`).

    The root's own moves stay, and so do nodes whose result is known, because they are the proof of others. The tree may
    be read between two slices; visits wait until all are done.
    """
    tree.counters[SHRINKS] += 1
    used = int(tree.counters[NODES])
    sample = tree.used_at[tree.parent[1 : used : max(1, used // SAMPLE)]]
    latest = np.int64(np.partition(sample, rank := int(SHARE * len(sample)))[rank])
    new_number, kept = numbers(used), 0
    for begin, end in slices(used):
        kept = int(mark_used(tree, latest, new_number, begin, end, np.int64(kept)))
        yield
    yield from compact(tree, new_number)
    if tree.counters[CLOCK] > LATEST_CLOCK:
        tree.counters[CLOCK] -= latest
        tree.used_at[:kept] = np.maximum(0, tree.used_at[:kept] - np.int32(latest))
    if kept > (1 - LEAST_SHARE) * used:
        tree.counters[CANNOT_SHRINK] = 1


@kernel()
def mark_used(tree, latest, new_number, begin, end, kept):
    """Number those of the nodes ``begin`` to ``end`` that are REACHED, and close those last visited at ``latest`` or
    before, so that nothing below them is reached.

    ``kept`` nodes were numbered before; returns how many are now.
    """
    for node in range(begin, end):
        if new_number[node] == NO_NODE:
            continue
        new_number[node] = kept
        kept += 1
        old = tree.nodes[node].state == EXPANDED and tree.nodes[node].used_at <= latest and not is_decided(tree, node)
        if tree.nodes[node].state == STUNTED or (old and node != ROOT):
            tree.nodes[node].state = VALUED
            tree.nodes[node].n_edges = 0
            tree.asked_at[node] = 0
            tree.hinted[node] = NO_MOVE
        reach_children(tree, np.int64(node), new_number)
    return kept
