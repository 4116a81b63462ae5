"""What a tree forgets, to make room or because a move was played, and how the gaps close.

A full tree learns on: a node that was not visited for long loses its moves, and keeps what it has
learned: visits, value and bounds. Its next visit gives it moves again. So the tree forgets the
details of what it no longer looks at, a good part at a time, and its memory never grows. Which
nodes these are depends on the tree alone. When a move is played, the top of its subtree becomes the
root at once.

The nodes to which edges lead from the root are kept. They keep their numbers, and `Tree.order`
lists them first, and behind them the others, which are taken into use again. Edges move to the
front, in place.

In a large tree this takes a good part of a second, so it is done in slices of a millisecond or two.
After every slice the links between nodes and edges are whole: a reader who starts at the root finds
what was there before, and the rest of the work may be dropped for another pass from the beginning.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.tree import arrays
from engine.search.tree.arrays import Tree, move_edge, move_node, reset_node
from engine.search.tree.proofs import is_decided
from engine.search.tree.transpositions import enter_all

SHARE: Final = 0.4  # Share of the nodes that gives way at once. Set by hand.
LEAST_SHARE: Final = (
    0.05  # If less than this gave way, the tree stays as it is from then on. Set by hand.
)
# Nodes, evenly spaced, from which the last use of a share of all is estimated. Set by hand.
SAMPLE: Final = 65_536
LATEST_CLOCK: Final = 2**30  # From here the clock is set back: `Tree.used_at` has 31 bits.
SLICE: Final = 4096  # Nodes of one slice. Set by hand.
FILL_SLICE: Final = 2**20  # Numbers of one slice that are only written. Set by hand.
BUCKET: Final = 64  # Edges whose nodes are sorted together. Set by hand.
NONE_IS_OLD: Final = -1  # Value of `latest` at which no node is old.


def make_room(tree: Tree) -> Iterator[None]:
    """Let the least recently used subtrees of a tree without visits in flight give way, in slices.

    The root's own moves stay, and so do nodes whose result is known, because they are the proof of
    others. The tree may be read between two slices; visits wait until all are done.
    """
    tree.counters[arrays.SHRINKS] += 1
    used = int(tree.counters[arrays.NODES])
    sample = tree.order[1 : used : max(1, used // SAMPLE)]
    latest = last_use(tree, sample, SHARE)
    yield from forget_unreached(tree, latest)
    kept = int(tree.counters[arrays.NODES])
    if tree.counters[arrays.CLOCK] > LATEST_CLOCK:
        tree.counters[arrays.CLOCK] -= latest
        tree.used_at[:] = np.maximum(0, tree.used_at - np.int32(latest))
    if kept > (1 - LEAST_SHARE) * used:
        tree.counters[arrays.CANNOT_SHRINK] = 1


def last_use(tree: Tree, sample: np.ndarray, share: float) -> np.int64:
    """Return when those nodes were last used, at the latest, below which this share of a sample of
    nodes lies.
    """
    tried = np.zeros(len(sample), np.int64)
    count_tried(tree, sample, tried)
    order = np.argsort(tree.used_at[sample], kind="stable")
    below = np.cumsum(tried[order])
    at = int(np.searchsorted(below, share * below[-1])) if len(order) else 0
    return (
        np.int64(tree.used_at[sample[order[min(at, len(order) - 1)]]])
        if len(order)
        else np.int64(NONE_IS_OLD)
    )


@kernel()
def count_tried(tree, nodes, counts):
    """Write how many edges of each node were tried."""
    for i in range(nodes.size):
        first = np.int64(tree.nodes[nodes[i]].first_edge)
        for edge in range(first, first + tree.nodes[nodes[i]].n_edges):
            counts[i] += tree.edges[edge].child != arrays.NO_NODE


def reroot(tree: Tree, root: int) -> None:
    """Make node `root` the root of `tree`. What it does not lead to takes room until
    `forget_the_rest`.
    """
    become_root(tree, np.int64(root))
    tree.counters[[arrays.SHRINKS, arrays.CANNOT_SHRINK, arrays.FREE]] = 0


@kernel()
def become_root(tree, root):
    """Move a node to the root's place. Edges that led to it lead to a fresh node."""
    move_node(tree, root, np.int64(arrays.ROOT))
    reset_node(tree, root)


def forget_the_rest(tree: Tree) -> Iterator[None]:
    """Forget the nodes to which no edge leads from the root, in slices."""
    return forget_unreached(tree, np.int64(NONE_IS_OLD))


def forget_unreached(tree: Tree, latest: np.int64) -> Iterator[None]:
    """Close nodes last visited at `latest` or before, and forget what the root does not lead to, in
    slices.
    """
    used = int(tree.counters[arrays.NODES])
    reached = yield from filled(np.empty(len(tree.nodes), np.bool_), False)
    queue = np.empty(used, np.int32)
    reached[arrays.ROOT], queue[0] = True, arrays.ROOT
    done, kept, kept_edges = 0, 1, 0
    while done < kept:
        last = min(kept, done + SLICE)
        kept = int(
            mark(tree, latest, reached, queue, np.int64(done), np.int64(last), np.int64(kept))
        )
        done = last
        yield
    yield from filled(tree.table, arrays.ROOT)
    order = yield from nodes_by_edges(tree, queue[:kept])
    for first, end in slices(len(order)):
        kept_edges = int(move_edges(tree, order, first, end, np.int64(kept_edges)))
        yield
    forgotten = tree.order[:used][~reached[tree.order[:used]]]
    tree.order[:kept], tree.order[kept:used] = queue[:kept], forgotten
    tree.counters[arrays.EDGES] = kept_edges
    tree.counters[arrays.NODES] = kept
    for first, end in slices(kept):
        enter_all(tree, first, end)
        yield


@kernel()
def mark(tree, latest, reached, queue, begin, last, end):
    """Append to `queue[:end]` the nodes to which edges lead from `queue[begin:last]`, each once;
    returns the new end.

    Those last visited at `latest` or before are closed, so that nothing below them is reached.
    """
    for i in range(begin, last):
        node = np.int64(queue[i])
        old = (
            tree.nodes[node].state == arrays.EXPANDED
            and tree.nodes[node].used_at <= latest
            and not is_decided(tree, node)
        )
        stunted = latest != NONE_IS_OLD and tree.nodes[node].state == arrays.STUNTED
        if stunted or (old and node != arrays.ROOT):
            tree.nodes[node].state = arrays.VALUED
            tree.nodes[node].n_edges = 0
            tree.asked_at[node] = 0
            tree.hinted[node] = NO_MOVE
        first = np.int64(tree.nodes[node].first_edge)
        for edge in range(first, first + tree.nodes[node].n_edges):
            child = np.int64(tree.edges[edge].child)
            if child != arrays.NO_NODE and not reached[child]:
                reached[child] = True
                queue[end] = child
                end += 1
    return end


def filled(words: np.ndarray, number: int) -> Generator[None, None, np.ndarray]:
    """Write a number to all words of an array, in slices, and return the array."""
    for begin in range(0, len(words), FILL_SLICE):
        words[begin : begin + FILL_SLICE] = number
        yield
    return words


def slices(count: int) -> Iterator[tuple[np.int64, np.int64]]:
    """Yield the ranges (begin, end) of the slices of so many nodes."""
    for begin in range(0, count, SLICE):
        yield np.int64(begin), np.int64(min(begin + SLICE, count))


def nodes_by_edges(tree: Tree, nodes: np.ndarray) -> Generator[None, None, np.ndarray]:
    """Return int32 [n]: those of the nodes that have edges, by ascending first edge (a counting
    sort), in slices.
    """
    place = np.zeros(int(tree.counters[arrays.EDGES]) // BUCKET + 2, np.int32)
    for begin, end in slices(len(nodes)):
        count_buckets(tree, nodes[begin:end], place)
        yield
    for first in range(0, len(place), FILL_SLICE):
        part = place[max(0, first - 1) : first + FILL_SLICE]  # From the last sum on.
        np.cumsum(part, out=part)
        yield
    order = yield from filled(np.empty(place[-1], np.int32), arrays.NO_NODE)
    for begin, end in slices(len(nodes)):
        fill_buckets(tree, nodes[begin:end], place, order)
        yield
    return order


@kernel()
def count_buckets(tree, nodes, count):
    """Count the nodes with edges in each bucket; those of bucket b are added to `count[b + 1]`."""
    for node in nodes:
        if tree.nodes[node].n_edges > 0:
            count[tree.nodes[node].first_edge // BUCKET + 1] += 1


@kernel()
def fill_buckets(tree, nodes, place, order):
    """Insert the nodes with edges into `order`; `place[b]` is the next free place of bucket b."""
    for node in nodes:
        if tree.nodes[node].n_edges == 0:
            continue
        first = tree.nodes[node].first_edge
        at = np.int64(place[first // BUCKET])
        place[first // BUCKET] += 1
        while (
            at > 0
            and order[at - 1] != arrays.NO_NODE
            and tree.nodes[order[at - 1]].first_edge > first
        ):
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
