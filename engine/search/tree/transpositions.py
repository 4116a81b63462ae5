"""Transpositions: one node for one position, whatever moves lead there.

The table finds the node of a position. It has a bucket of places for some keys each; an entry is a
node with half of its key, so that other positions are known without a look at the node. What it
says is checked against the node's own key, because nodes are forgotten. Where a bucket is full, a
node gives way to the new one and can no longer be found.

Positions that occurred before in the game, and positions close to the fifty-move rule, do not take
part, because their value depends on the way there. Draws that hold on one path only are no nodes at
all (`visit`).
"""

import numpy as np

from engine.board.layout import HALFMOVE, KEY, REPETITIONS
from engine.native.atomics import order_reads, publish
from engine.native.jit import kernel
from engine.search.tree.arrays import NO_NODE, ROOT

# Bits of an entry that are its key's; the others number the node.
KEY_BITS = np.uint64(0xFFFFFFFF << 32)
BUCKET_PLACES = 8  # Places that a key may have: a line of the processor's cache.
# Plies since a capture or pawn move up to which a position takes part. Set by hand.
LATEST_HALFMOVE = 60


@kernel()
def key_of(row):
    """Return the key of a position that may have a transposition; else 0."""
    if row[REPETITIONS] == np.uint64(0) and row[HALFMOVE] <= np.uint64(LATEST_HALFMOVE):
        return row[KEY]
    return np.uint64(0)


@kernel()
def first_place(tree, key):
    """Return the first of a key's places in the table."""
    return np.int64(key & np.uint64(tree.table.size - BUCKET_PLACES))


@kernel()
def find_node(tree, key):
    """Return the node of a position, or NO_NODE."""
    first = first_place(tree, key)
    for place in range(first, first + BUCKET_PLACES):
        entry = tree.table[place]
        if (entry ^ key) & KEY_BITS == np.uint64(0):
            node = np.int64(entry & ~KEY_BITS)
            order_reads()
            if node != ROOT and tree.key[node] == key:
                return node
    return NO_NODE


@kernel()
def enter(tree, node):
    """Enter a node into the table."""
    key = tree.key[node]
    if key == np.uint64(0) or node == ROOT:
        return
    first = first_place(tree, key)
    chosen = first + np.int64(key >> np.uint64(24) & np.uint64(BUCKET_PLACES - 1))
    for place in range(first, first + BUCKET_PLACES):
        if tree.table[place] == np.uint64(0):
            chosen = place
            break
    publish(tree.table, chosen, key & KEY_BITS | np.uint64(node))


@kernel()
def leave(tree, node):
    """Take a node that is forgotten out of the table."""
    key = tree.key[node]
    if key == np.uint64(0):
        return
    first = first_place(tree, key)
    for place in range(first, first + BUCKET_PLACES):
        if tree.table[place] == key & KEY_BITS | np.uint64(node):
            tree.table[place] = np.uint64(0)
