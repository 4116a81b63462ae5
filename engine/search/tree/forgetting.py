"""What a tree forgets, to make room or because a move was played, and how the gaps close.

A full tree learns on: a node that was not visited for long loses its moves and all below them, and keeps what it has
learned: its visits, its value and its bounds. Its next visit gives it moves again. So the tree forgets the details of
what it no longer looks at, a good part at a time, and its memory never grows. Which nodes these are depends on the tree
alone. When a move is played, the top of its subtree becomes the root at once.

What is kept moves to the front, in place. A node belongs to the tree if edges lead to it from the root. A parent always
has a smaller number than its children. One pass in ascending order therefore finds all that the root leads to, and
moving a node to its new, smaller number never overwrites a node that has not been moved yet.

In a large tree this takes a good part of a second, so it is done in slices of a millisecond or two. After every slice
the links between nodes and edges are whole: a reader who starts at the root finds what was there before, and the rest
of the work may be dropped for another pass from the beginning.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.tree.arrays import (
    CANNOT_SHRINK,
    CLOCK,
    DRAW,
    EDGES,
    EXPANDED,
    NO_NODE,
    NO_PARENT,
    NODES,
    PATH_REPETITION,
    PENDING,
    ROOT,
    SHRINKS,
    STUNTED,
    VALUED,
    Tree,
    move_edge,
    move_node,
)
from engine.search.tree.proofs import is_decided
from engine.search.tree.transpositions import enter_all

SHARE: Final = 0.4  # Share of the nodes that gives way at once. Set by hand.
LEAST_SHARE: Final = 0.05  # If less than this gave way, the tree stays as it is from then on. Set by hand.
SAMPLE: Final = 65_536  # Nodes, evenly spaced, from which the last use of a share of all is estimated. Set by hand.
LATEST_CLOCK: Final = 2**30  # From here the clock is set back: `Tree.used_at` has 31 bits.
SLICE: Final = 4096  # Nodes of one slice. Set by hand.
FILL_SLICE: Final = 2**20  # Numbers of one slice that are only written. Set by hand.
BUCKET: Final = 64  # Edges whose nodes are sorted together. Set by hand.
REACHED: Final = -2  # Value of `new_number` for a node to which an edge leads, and which has no number yet.


# ---- a full tree -----------------------------------------------------------------------------------------------------


def make_room(tree: Tree) -> Iterator[None]:
    """Let the least recently used subtrees of a tree without visits in flight give way, in slices.

    The root's own moves stay, and so do nodes whose result is known, because they are the proof of others. The tree may
    be read between two slices; visits wait until all are done.
    """
    tree.counters[SHRINKS] += 1
    used = int(tree.counters[NODES])
    sample = tree.used_at[tree.parent[1 : used : max(1, used // SAMPLE)]]
    latest = np.int64(np.partition(sample, rank := int(SHARE * len(sample)))[rank])
    new_number, kept = (yield from numbers(used)), 0
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
    """Give numbers to those of the nodes `begin` to `end` that are REACHED, and close those last visited at `latest`
    or before, so that nothing below them is reached.

    `kept` nodes were numbered before; returns how many are now.
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


# ---- a new root ------------------------------------------------------------------------------------------------------


def reroot(tree: Tree, root: int) -> None:
    """Make node `root` the root of `tree`. What it does not lead to takes room until `forget_the_rest`."""
    become_root(tree, np.int64(root))
    tree.counters[[SHRINKS, CANNOT_SHRINK]] = 0


@kernel()
def become_root(tree, root):
    """Move a node to the root's place."""
    renumber(tree, root, np.int32(ROOT))
    move_node(tree, root, np.int32(ROOT))


def forget_the_rest(tree: Tree) -> Iterator[None]:
    """Forget the nodes to which no edge leads from the root, in slices.

    Undoes draws by path repetition, which may start before the root, so that their nodes are visited again.
    """
    used, kept = int(tree.counters[NODES]), 0
    new_number = yield from numbers(used)
    for begin, end in slices(used):
        kept = int(mark(tree, new_number, begin, end, np.int64(kept)))
        yield
    yield from compact(tree, new_number)


@kernel()
def mark(tree, new_number, begin, end, kept):
    """Give numbers to the nodes `begin` to `end` that are REACHED, and undo draws by path repetition among them.

    `kept` nodes were numbered before; returns how many are now.
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


# ---- the gaps --------------------------------------------------------------------------------------------------------


def compact(tree: Tree, new_number: np.ndarray) -> Iterator[None]:
    """Keep the nodes with a `new_number` (int32 [NODES], ascending from 0, NO_NODE for the others), in slices.

    A node is kept only with its parent, and the root stays the root. Nothing may be in flight. The tree may be read
    between two slices; visits wait until all are done.
    """
    used, kept, kept_edges = len(new_number), int(new_number.max()) + 1, 0
    yield from filled(tree.table, ROOT)
    order = yield from nodes_by_edges(tree, new_number)
    for first, last in slices(len(order)):
        kept_edges = int(move_edges(tree, order, first, last, np.int64(kept_edges)))
        yield
    for begin, end in slices(used):
        move_nodes(tree, new_number, begin, end)
        yield
    tree.counters[EDGES] = kept_edges
    tree.counters[NODES] = kept
    for begin, end in slices(kept):
        enter_all(tree, begin, end)
        yield


def numbers(used: int) -> Generator[None, None, np.ndarray]:
    """Return new numbers, int32 [used], before the first pass: the root is REACHED, and no other node has a number."""
    new_number = yield from filled(np.empty(used, np.int32), NO_NODE)
    new_number[ROOT] = REACHED
    return new_number


def filled(words: np.ndarray, number: int) -> Generator[None, None, np.ndarray]:
    """Write a number to all words of an array, in slices, and return the array."""
    for begin in range(0, len(words), FILL_SLICE):
        words[begin : begin + FILL_SLICE] = number
        yield
    return words


@kernel()
def reach_children(tree, node, new_number):
    """Mark the children of `node` as REACHED."""
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        if tree.child[edge] == NO_NODE:
            break  # Edges that were tried come first.
        new_number[tree.child[edge]] = REACHED


def slices(count: int) -> Iterator[tuple[np.int64, np.int64]]:
    """Yield the ranges (begin, end) of the slices of so many nodes."""
    for begin in range(0, count, SLICE):
        yield np.int64(begin), np.int64(min(begin + SLICE, count))


def nodes_by_edges(tree: Tree, new_number: np.ndarray) -> Generator[None, None, np.ndarray]:
    """Return int32 [n]: the kept nodes that have edges, by ascending first edge (a counting sort), in slices."""
    place = np.zeros(int(tree.counters[EDGES]) // BUCKET + 2, np.int32)
    for begin, end in slices(len(new_number)):
        count_buckets(tree, new_number, begin, end, place)
        yield
    for first in range(0, len(place), FILL_SLICE):
        part = place[max(0, first - 1) : first + FILL_SLICE]  # From the last sum on.
        np.cumsum(part, out=part)
        yield
    order = yield from filled(np.empty(place[-1], np.int32), NO_NODE)
    for begin, end in slices(len(new_number)):
        fill_buckets(tree, new_number, begin, end, place, order)
        yield
    return order


@kernel()
def count_buckets(tree, new_number, begin, end, count):
    """Count the kept nodes with edges in each bucket; those of bucket b are added to `count[b + 1]`."""
    for node in range(begin, end):
        if new_number[node] != NO_NODE and tree.nodes[node].n_edges > 0:
            count[tree.nodes[node].first_edge // BUCKET + 1] += 1


@kernel()
def fill_buckets(tree, new_number, begin, end, place, order):
    """Insert the kept nodes with edges into `order`; `place[b]` is the next free place of bucket b."""
    for node in range(begin, end):
        if new_number[node] == NO_NODE or tree.nodes[node].n_edges == 0:
            continue
        first = tree.nodes[node].first_edge
        at = np.int64(place[first // BUCKET])
        place[first // BUCKET] += 1
        while at > 0 and order[at - 1] != NO_NODE and tree.nodes[order[at - 1]].first_edge > first:
            order[at] = order[at - 1]
            at -= 1
        order[at] = node


@kernel()
def move_edges(tree, order, begin, end, to):
    """Move the edges of `order[begin:end]` to edge `to` and behind; returns where the next ones go."""
    for k in range(begin, end):
        node = order[k]
        first = np.int64(tree.nodes[node].first_edge)
        tree.nodes[node].first_edge = to
        for edge in range(first, first + tree.nodes[node].n_edges):
            move_edge(tree, edge, to)
            to += 1
    return to


@kernel()
def move_nodes(tree, new_number, begin, end):
    """Move the kept nodes among `begin` to `end` to their new numbers."""
    for node in range(begin, end):
        to = new_number[node]
        if to != NO_NODE and to < node:
            renumber(tree, np.int64(node), to)
            move_node(tree, node, to)


@kernel()
def renumber(tree, node, to):
    """Tell the parent of `node`, which has moved already, and its children its new number; 0 is the root's."""
    if to == ROOT:
        tree.nodes[node].parent = NO_PARENT
    else:
        own = np.int64(tree.nodes[tree.nodes[node].parent].first_edge)
        while tree.child[own] != node:
            own += 1
        tree.child[own] = to
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        if tree.child[edge] == NO_NODE:
            break  # Edges that were tried come first.
        tree.nodes[tree.child[edge]].parent = to
