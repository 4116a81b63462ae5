"""Transpositions: nodes with the same position, reached by different moves. A new one learns from the one before it.

In trees of 50,000 nodes a third to three quarters of all positions were reached before. A new node of such a position
is not evaluated: it begins with the mean value of the other node, which knows more. When it gets moves, it takes them
and their priors from there. From then on each goes its own way, so the tree stays a tree and a proof is one for its
own path.

Positions that occurred before, in the game or on the path, and positions close to the fifty-move rule do not take part,
because their value depends on the way there. The table has one place for some keys each, and keeps the node that has
the most visits of those with one position; what it says is checked against the node's own key, because nodes move.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.board.layout import HALFMOVE, KEY, NO_MOVE, REPETITIONS
from engine.native.jit import kernel
from engine.native.ordering import lock, publish, unlock
from engine.search.tree.arrays import EXPANDED, NO_NODE, NODES, PATH_REPETITION, ROOT, TERMINAL

LATEST_HALFMOVE: Final = 60  # Plies since a capture or pawn move up to which a position takes part. Set by hand.


@kernel()
def note_position(tree, node, ply):
    """Give a new node the key of its position, `tree.stack[ply]`, if it may have others; else its key stays 0."""
    row = tree.stack[ply]
    if row[REPETITIONS] == np.uint64(0) and row[HALFMOVE] <= np.uint64(LATEST_HALFMOVE):
        tree.nodes[node].key = row[KEY]


@kernel()
def find_transposition(tree, node):
    """Return the node in the table with the position of `node`, if it is another one; else NO_NODE."""
    key = tree.nodes[node].key
    if key == np.uint64(0):
        return np.int64(NO_NODE)
    other = np.int64(tree.table[place_of(tree, key)])
    known = other != ROOT and other < tree.counters[NODES] and tree.nodes[other].key == key
    return other if known and other != node else np.int64(NO_NODE)


@kernel()
def place_of(tree, key):
    """Return the place of a key in the table."""
    return np.int64(key & np.uint64(tree.table.size - 1))


@kernel()
def enter(tree, node):
    """Enter a node into the table, unless a transposition has more visits."""
    if tree.nodes[node].key != np.uint64(0) and tree.nodes[node].state != PATH_REPETITION:
        other = find_transposition(tree, node)
        if other == NO_NODE or tree.nodes[other].visits < tree.nodes[node].visits:
            publish(tree.table, place_of(tree, tree.nodes[node].key), node)


@kernel()
def enter_all(tree, begin, end):
    """Enter nodes `begin` to `end`."""
    for node in range(begin, end):
        enter(tree, np.int64(node))


@kernel()
def teacher_of_value(tree, node):
    """Return a transposition from which a new node can learn its value, or NO_NODE."""
    other = find_transposition(tree, node)
    if other != NO_NODE and (tree.nodes[other].visits == 0 or tree.nodes[other].state == TERMINAL):
        return np.int64(NO_NODE)
    return other


@kernel()
def teacher_of_moves(tree, node):
    """Return a transposition whose moves and priors, sum 1, a node without moves can take, or NO_NODE."""
    other = find_transposition(tree, node)
    if other == NO_NODE:
        return other
    lock(tree.nodes, other)  # Its edges may be a moment old.
    is_expanded = tree.nodes[other].state == EXPANDED
    unlock(tree.nodes, other)
    return other if is_expanded and tree.hinted[other] == NO_MOVE else np.int64(NO_NODE)


@kernel()
def with_moves(tree, node):
    """`node`, or its transposition if that alone has moves, or more visits."""
    other = find_transposition(tree, node)
    if other == NO_NODE or tree.nodes[other].state != EXPANDED:
        return np.int64(node)
    if tree.nodes[node].state == EXPANDED and tree.nodes[node].visits >= tree.nodes[other].visits:
        return np.int64(node)
    return other
