"""Visits over several threads for an evaluator inside kernels: a stream of leaves with a fixed delay.

The calling thread alone walks the tree. It hands the leaf of every visit to the helpers and goes on with the next
visit; a visit is backed up when a fixed number of younger ones have begun, neither sooner nor later. So the tree
depends on this delay alone, and the delay on the visits of the root and the number of threads: the same tree, whoever
evaluated what. A delay of a few visits harms a tree little, where whole rounds of leaves, begun before any of them is
backed up, harm it much.

No Python runs between two visits. Threads pass leaves on by words that each of them sees in order (`native.ordering`):
a leaf is OPEN, then TAKEN by the thread that claims it, then READY. A caller who must wait takes open leaves itself.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, wait
from typing import Final, NamedTuple

import numpy as np

from engine.board.makemove import copy_row
from engine.evaluation.protocol import InKernelEvaluator, LeafBatch, new_leaf_batch
from engine.native.jit import kernel
from engine.native.ordering import SPACING, claim, observe, publish
from engine.native.pool import ThreadPool
from engine.search.params import STREAM_DELAY, STREAM_GROWTH, STREAM_PATIENCE
from engine.search.session import Search
from engine.search.tree import (
    COLLISIONS,
    MAX_VISITS,
    NO_NODE,
    NO_PARENT,
    NODES,
    REPEATED,
    ROOT,
    UNKNOWN,
    Round,
    new_round,
)
from engine.search.visits import evaluate_share, new_scratch, walk_down
from engine.search.walk import apply_leaf, is_finished, needs_room, repeats_path

# States of a place, in `Stream.words`.
FREE: Final = 0
OPEN: Final = 1
TAKEN: Final = 2
READY: Final = 3

# Words of `Stream.counts`.
BEGUN: Final = 0  # Visits begun, without those that ended at once.
APPLIED: Final = 1  # Of these the ones backed up or taken back.
LEAVES_UNDER_WAY: Final = 2  # Visits under way that will count at the root.

SERVE: Final = -1  # In place of the visits to reach, for a thread that helps.

COLLIDED: Final = -1  # Value of `Stream.leaf` for a visit that ended on a leaf under way.


class Stream(NamedTuple):
    """Visits under way, in a ring of P places."""

    visits: Round  # Nodes and results of the leaves, by place.
    leaf: np.ndarray  # int64 [P]: the place, or COLLIDED.
    words: np.ndarray  # int64 [SPACING * P]: the state of each place.
    halt: np.ndarray  # int64 [SPACING]: not 0 once the helpers are to go.
    counts: np.ndarray  # int64 [3]: BEGUN, APPLIED and LEAVES_UNDER_WAY; the calling thread's alone.


def new_stream(places: int) -> Stream:
    """No visits under way, and room for so many."""
    return Stream(
        visits=new_round(),
        leaf=np.zeros(places, np.int64),
        words=np.zeros(SPACING * places, np.int64),
        halt=np.zeros(SPACING, np.int64),
        counts=np.zeros(3, np.int64),
    )


@kernel()
def take_part(tree, stream, params, leaves, model, scratch, until, most, patience):
    """Run the stream (`run_stream`), or serve it (`serve`) where ``until`` is SERVE.

    One kernel, because two would both contain the evaluator, and compiling that takes seconds.
    """
    if until == SERVE:
        return serve(stream, params, leaves, model, scratch, patience)
    return run_stream(tree, stream, params, leaves, model, scratch, until, most, patience)


@kernel()
def run_stream(tree, stream, params, leaves, model, scratch, until, most, patience):
    """Carry out visits until the root has ``until``, and begin none beyond ``most``; ``most`` = 0 ends all under way.

    Returns False if it gave up waiting for a helper, after ``patience`` looks; call it again then.
    """
    counts = stream.counts
    while tree.counters[NODES] == 0 or tree.nodes[ROOT].visits < until:
        visits = np.int64(tree.nodes[ROOT].visits) if tree.counters[NODES] > 0 else np.int64(0)
        under_way = counts[BEGUN] - counts[APPLIED]
        is_open = visits + counts[LEAVES_UNDER_WAY] < most and not is_finished(tree, params) and not needs_room(tree)
        if is_open and under_way < min(np.int64(stream.leaf.size), 1 + visits // STREAM_GROWTH):
            begin_leaf(tree, stream, params, leaves, model, scratch)
        elif under_way == 0:
            break
        elif not await_oldest(stream, params, leaves, model, scratch, patience):
            return False
        else:
            apply_oldest(tree, stream, params, leaves)
    return True


@kernel()
def begin_leaf(tree, stream, params, leaves, model, scratch):
    """Begin one visit, and open its leaf to the helpers."""
    place = stream.counts[BEGUN] % stream.leaf.size
    visits = stream.visits
    node, ply = walk_down(tree, visits, params, model, scratch)
    if node != NO_NODE:
        copy_row(tree.stack[ply], leaves.rows[place])
        visits.leaf_nodes[place] = node
        visits.known[place] = REPEATED if node != ROOT and repeats_path(tree, ply) else UNKNOWN
        stream.leaf[place] = place
        stream.counts[LEAVES_UNDER_WAY] += 1
        stream.counts[BEGUN] += 1
        publish(stream.words, place * SPACING, np.int64(OPEN))
    elif visits.counts[COLLISIONS] > 0:
        visits.leaf_nodes[place] = visits.collision_nodes[0]
        visits.counts[COLLISIONS] = 0
        stream.leaf[place] = COLLIDED
        stream.counts[BEGUN] += 1
        publish(stream.words, place * SPACING, np.int64(READY))


@kernel()
def await_oldest(stream, params, leaves, model, scratch, patience):
    """Wait until the oldest visit under way is evaluated, and take open leaves meanwhile, the oldest first."""
    oldest = stream.counts[APPLIED]
    word = oldest % stream.leaf.size * SPACING
    for _ in range(patience):
        if observe(stream.words, word) == READY:
            return True
        for number in range(oldest, stream.counts[BEGUN]):
            if evaluate_if_open(stream, params, leaves, model, scratch, number % stream.leaf.size):
                break
    return False


@kernel()
def evaluate_if_open(stream, params, leaves, model, scratch, place):
    """Evaluate the leaf at a place if nobody else does; returns whether this thread did."""
    word = place * SPACING
    if observe(stream.words, word) != OPEN or not claim(stream.words, word, np.int64(OPEN), np.int64(TAKEN)):
        return False
    evaluate_share(stream.visits, params, leaves, np.int64(0), place, place + 1, model, scratch)
    publish(stream.words, word, np.int64(READY))
    return True


@kernel()
def apply_oldest(tree, stream, params, leaves):
    """Back up the oldest visit under way, or take it back if it met a leaf under way."""
    place = stream.counts[APPLIED] % stream.leaf.size
    stream.counts[APPLIED] += 1
    publish(stream.words, place * SPACING, np.int64(FREE))
    if stream.leaf[place] != COLLIDED:
        stream.counts[LEAVES_UNDER_WAY] -= 1
        apply_leaf(tree, stream.visits, params, leaves, place, place)
        return
    node = np.int64(stream.visits.leaf_nodes[place])
    while node != NO_PARENT:
        tree.nodes[node].in_flight -= 1
        node = np.int64(tree.nodes[node].parent)


@kernel()
def serve(stream, params, leaves, model, scratch, patience):
    """Evaluate open leaves until there were none for a while, or until the stream halts; returns whether it halts."""
    idle = 0
    while observe(stream.halt, np.int64(0)) == 0:
        idle += 1
        for place in range(stream.leaf.size):
            if evaluate_if_open(stream, params, leaves, model, scratch, np.int64(place)):
                idle = 0
        if idle > patience:
            return False
    return True


class StreamRunner:
    """Carries out the visits of one search after the other, over ``threads`` threads, the calling one included."""

    def __init__(self, search: Search, evaluator: InKernelEvaluator, threads: int) -> None:
        self._search = search
        places = max(STREAM_DELAY, 2 * threads)
        self._stream = new_stream(places)
        self._leaves: LeafBatch = new_leaf_batch(places)
        self._workers = [(evaluator.new_model(), new_scratch()) for _ in range(threads)]
        self._pool = ThreadPool(threads, "stream")
        self._busy: list[Future[None]] = []

    def run(self, visits: int, limit: int) -> None:
        """Carry out ``visits`` visits, of which ``limit`` are left in this search."""
        stream, before = self._stream, self._search.visits
        if not self._busy and before > 0:  # The first visit may compile: helpers would only wait.
            stream.halt[0] = 0
            self._busy = [self._pool.start(self._help, worker) for worker in range(1, len(self._workers))]
        self._walk(before + visits, before + limit)

    def finish(self) -> None:
        """Back up the visits under way, and let the helpers go."""
        self._walk(MAX_VISITS, 0)
        self.rest()

    def rest(self) -> None:
        """Let the helpers go."""
        self._stream.halt[0] = 1
        wait(self._busy)
        self._busy = []

    def close(self) -> None:
        """End all threads, also in the middle of a search."""
        self.rest()
        self._pool.close()

    def _walk(self, until: int, most: int) -> None:
        while not self._take_part(0, until, most):
            time.sleep(0)
            for helper in self._busy:
                if helper.done():
                    helper.result()  # Raises what the helper met.

    def _help(self, worker: int) -> None:
        while not self._take_part(worker, SERVE, 0):
            time.sleep(0)

    def _take_part(self, worker: int, until: int, most: int) -> bool:
        search = self._search
        return bool(
            take_part(
                search.tree, self._stream, search.params, self._leaves, *self._workers[worker],
                np.int64(until), np.int64(most), np.int64(STREAM_PATIENCE),
            )
        )  # fmt: skip
