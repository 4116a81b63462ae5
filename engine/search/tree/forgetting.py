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

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.tree.arrays import (
    CANNOT_SHRINK,
    EDGES,
    EXPANDED,
    FREE,
    NO_NODE,
    NODES,
    ROOT,
    SHRINKS,
    STUNTED,
    SWEEP,
    VALUED,
    Tree,
    move_edge,
    move_node,
    reset_node,
)
from engine.search.tree.edges import edges_of
from engine.search.tree.proofs import is_decided
from engine.search.tree.transpositions import leave

SHARE = 0.4  # Share of the nodes that gives way at once. Set by hand.
# If less than this gave way, the tree stays as it is from then on. Set by hand.
LEAST_SHARE = 0.05
# Nodes, evenly spaced, from which the last use of a share of all is estimated. Set by hand.
SAMPLE = 65_536
SLICE = 4096  # Nodes of one slice. Set by hand.
FILL_SLICE = 2**20  # Numbers of one slice that are only written. Set by hand.
DENSE_SHARE = 1 / 16  # Share of a table's places from which it is cleared as a whole.
BUCKET = 64  # Edges whose nodes are sorted together. Set by hand.
NONE_IS_OLD = -1  # Value of `latest` at which no node is old.


def make_room(tree: Tree) -> Iterator[None]:
    """Let the least recently used subtrees of a tree without visits in flight give way, in slices.

    The root's own moves stay, and so do nodes whose result is known, because they are the proof of
    others. The tree may be read between two slices; visits wait until all are done.
    """
    tree.counters[SHRINKS] += 1
    used = int(tree.counters[NODES])
    sample = tree.order[1 : used : max(1, used // SAMPLE)]
    yield from forget_unreached(tree, last_use(tree, sample))
    nodes_left = int(tree.counters[NODES])
    if nodes_left > (1 - LEAST_SHARE) * used:
        tree.counters[CANNOT_SHRINK] = 1


def last_use(tree: Tree, sample: np.ndarray) -> int:
    """Return when those nodes were last used, at the latest, below which SHARE of a sample of nodes
    lies.
    """
    tried = np.zeros(len(sample), np.int64)
    count_tried(tree, sample, tried)
    if not len(sample):
        return NONE_IS_OLD
    order = np.argsort(tree.used_at[sample], kind="stable")
    below = np.cumsum(tried[order])
    at = min(np.searchsorted(below, SHARE * below[-1]), len(order) - 1)
    return int(tree.used_at[sample[order[at]]])


@kernel()
def count_tried(tree, nodes, counts):
    """Write how many edges of each node were tried."""
    for i in range(nodes.size):
        for edge in range(*edges_of(tree, nodes[i])):
            counts[i] += tree.edges[edge].child != NO_NODE


def reroot(tree: Tree, root: int) -> None:
    """Make node `root` the root of `tree`. What it does not lead to takes room until
    `forget_the_rest`.
    """
    become_root(tree, root)
    tree.counters[[SHRINKS, CANNOT_SHRINK, FREE]] = 0


@kernel()
def become_root(tree, root):
    """Move a node to the root's place. Edges that led to it lead to a fresh node."""
    leave(tree, root)
    move_node(tree, root, ROOT)
    reset_node(tree, root)


@kernel()
def reset_root(tree):
    """Make the root a node that nobody has visited. Python calls no kernel that was made of fields
    itself, because it would be compiled in every process.
    """
    reset_node(tree, ROOT)


def forget_own(tree: Tree) -> None:
    """Forget what one thread has found out by itself, and its stint."""
    tree.butterfly[:] = 0.0
    tree.stint[:] = 0
    tree.earned[:] = 0.0


def forget_the_rest(tree: Tree) -> Iterator[None]:
    """Forget the nodes to which no edge leads from the root, in slices."""
    return forget_unreached(tree, NONE_IS_OLD)


def forget_unreached(tree: Tree, latest: int) -> Iterator[None]:
    """Close nodes last visited at `latest` or before, and forget what the root does not lead to, in
    slices. Takes as long as the nodes in use need, however large the tree may grow.
    """
    work = begin_pass(tree)
    while not forget_some(tree, work, latest, SLICE):
        yield


def cleared_table(tree: Tree, used: int) -> Iterator[None]:
    """Take all of the `used` nodes of a tree that is forgotten out of the transposition table, in
    slices: no thread may find what another has not made anew.
    """
    if used > len(tree.table) * DENSE_SHARE:
        for begin in range(0, len(tree.table), FILL_SLICE):
            tree.table[begin : begin + FILL_SLICE] = 0
            yield
        return
    for begin in range(0, used, SLICE):
        leave_all(tree, begin, min(begin + SLICE, used))
        yield


@kernel()
def leave_all(tree, begin, end):
    """Take the nodes `tree.order[begin:end]` out of the table."""
    for i in range(begin, end):
        leave(tree, np.int64(tree.order[i]))


# ---- one pass ------------------------------------------------------------------------------------


class Pass(NamedTuple):
    """A pass over the n nodes in use, and how far it is."""

    queue: np.ndarray  # int32 [n]: nodes that are kept, as they are reached, then the others.
    by_edges: np.ndarray  # int32 [n]: those of the kept ones that have edges, by their first edge.
    # Int32 [n_edges // BUCKET + 2]: by bucket, the next free place in `by_edges`.
    place: np.ndarray
    progress: np.ndarray  # int64 [N_PROGRESS]


# Words of `progress`.
AT_PHASE = 0  # One of MARKING ... IS_OVER.
AT = 1  # How much of the phase is done.
KEPT = 2  # Number of nodes that the root leads to, as far as is known.
WITH_EDGES = 3  # Those of them that have edges.
KEPT_EDGES = 4  # Number of edges that were moved.
OTHERS = 5  # Number of nodes that are forgotten.
N_PROGRESS = 6

# Phases.
MARKING = 0
COUNTING = 1
ADDING_UP = 2
SORTING = 3
MOVING = 4
FORGETTING = 5
IS_OVER = 6


def begin_pass(tree: Tree) -> Pass:
    """Return a pass that has reached the root."""
    used, edges = int(tree.counters[NODES]), int(tree.counters[EDGES])
    work = Pass(
        queue=np.empty(used, np.int32),
        by_edges=np.full(used, NO_NODE, np.int32),
        place=np.zeros(edges // BUCKET + 2, np.int32),
        progress=np.zeros(N_PROGRESS, np.int64),
    )
    tree.counters[SWEEP] += 1
    tree.seen_in[ROOT] = tree.counters[SWEEP]
    work.queue[0] = ROOT
    work.progress[KEPT] = 1
    return work


@kernel()
def forget_some(tree, work, latest, left):
    """Do `left` steps of a pass, a node or an edge's bucket each; returns whether it is over."""
    progress = work.progress
    while left > 0 and progress[AT_PHASE] != IS_OVER:
        begin = progress[AT]
        end = min(begin + left, length_of_phase(work))
        do_phase(tree, work, latest, begin, end)
        left -= end - begin
        progress[AT] = end
        if end == length_of_phase(work):
            progress[AT_PHASE] += 1
            progress[AT] = 0
    if progress[AT_PHASE] != IS_OVER:
        return False
    for i in range(work.queue.size):
        tree.order[i] = work.queue[i]
    tree.counters[EDGES] = progress[KEPT_EDGES]
    tree.counters[NODES] = progress[KEPT]
    return True


@kernel()
def length_of_phase(work):
    """Return the steps of the phase, as far as is known."""
    phase = work.progress[AT_PHASE]
    if phase == ADDING_UP:
        return np.int64(work.place.size)
    if phase == MOVING:
        return work.progress[WITH_EDGES]
    if phase == FORGETTING:
        return np.int64(work.queue.size)
    return work.progress[KEPT]


@kernel()
def do_phase(tree, work, latest, begin, end):
    """Do the steps `begin` to `end` of the phase."""
    phase = work.progress[AT_PHASE]
    if phase == MARKING:
        mark(tree, work, latest, begin, end)
    elif phase == COUNTING:
        count_buckets(tree, work.queue[begin:end], work.place)
    elif phase == ADDING_UP:
        for bucket in range(max(begin, 1), end):
            work.place[bucket] += work.place[bucket - 1]
        work.progress[WITH_EDGES] = work.place[end - 1]
    elif phase == SORTING:
        fill_buckets(tree, work.queue[begin:end], work.place, work.by_edges)
    elif phase == MOVING:
        move_edges(tree, work, begin, end)
    else:
        forget_nodes(tree, work, begin, end)


@kernel()
def mark(tree, work, latest, begin, end):
    """Append to the queue the nodes to which edges lead from `queue[begin:end]`, each once.

    Those last visited at `latest` or before are closed, so that nothing below them is reached.
    """
    survivors, sweep = work.progress[KEPT], tree.counters[SWEEP]
    for i in range(begin, end):
        node = np.int64(work.queue[i])
        if gives_way(tree, node, latest):
            tree.nodes[node].state = VALUED
            tree.nodes[node].n_edges = 0
            tree.asked_at[node] = 0
            tree.hinted[node] = NO_MOVE
        for edge in range(*edges_of(tree, node)):
            child = np.int64(tree.edges[edge].child)
            if child != NO_NODE and tree.seen_in[child] != sweep:
                tree.seen_in[child] = sweep
                work.queue[survivors] = child
                survivors += 1
    work.progress[KEPT] = survivors


@kernel()
def gives_way(tree, node, latest):
    """Whether a node loses its edges: it is old and not the proof of others, or never got any."""
    its = tree.nodes[node]
    if its.state == STUNTED:
        return latest != NONE_IS_OLD
    if its.state != EXPANDED or its.used_at > latest:
        return False
    return node != ROOT and not is_decided(tree, node)


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
        while at > 0 and order[at - 1] != NO_NODE and tree.nodes[order[at - 1]].first_edge > first:
            order[at] = order[at - 1]
            at -= 1
        order[at] = node


@kernel()
def move_edges(tree, work, begin, end):
    """Move the edges of the nodes `by_edges[begin:end]` to the front."""
    to = work.progress[KEPT_EDGES]
    for k in range(begin, end):
        node = work.by_edges[k]
        edges = edges_of(tree, node)
        tree.nodes[node].first_edge = to
        for edge in range(*edges):
            move_edge(tree, edge, to)
            to += 1
    work.progress[KEPT_EDGES] = to


@kernel()
def forget_nodes(tree, work, begin, end):
    """Forget those of the nodes `tree.order[begin:end]` that were not reached."""
    forgotten = work.progress[OTHERS]
    for i in range(begin, end):
        node = np.int64(tree.order[i])
        if tree.seen_in[node] != tree.counters[SWEEP]:
            leave(tree, node)
            work.queue[work.progress[KEPT] + forgotten] = node
            forgotten += 1
    work.progress[OTHERS] = forgotten
