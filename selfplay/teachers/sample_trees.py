"""The source `trees`: positions that Aino's own search looks at, from searches of games' positions.

A search asks its network about positions that games seldom reach. One call from Python grows a tree, in kernels;
another offers some of its nodes. The samples depend only on the space's random numbers and the evaluator.
"""

from __future__ import annotations

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.board.makemove import copy_row, make
from engine.evaluation.protocol import InKernelEvaluator
from engine.native.jit import kernel
from engine.search.session import Search
from engine.search.tree.arrays import MAX_DEPTH, NO_NODE, ROOT, ROOT_PLY, SWEEP, new_tree
from engine.search.tree.params import SearchParams
from selfplay.games.player import KernelVisits, TreePlayer
from selfplay.games.seats import SPARE_NODES
from selfplay.teachers.accumulators import start
from selfplay.teachers.sample_sources import TREES, Games, put_game_position
from selfplay.teachers.sampling import SampleSpace, below, offer, uniform
from selfplay.teachers.static_value import static_value

NODE_SHARE = 0.25  # share of a tree's nodes that are offered; set by hand
TREE_SIZES = (1, 2, 4)  # times half the visits asked for, sampled for each tree, so that trees of several ages are seen


class TreeSource:
    """One thread's searches, each of half, once or twice `visits` visits."""

    def __init__(self, evaluator: InKernelEvaluator, visits: int) -> None:
        self._visits = visits
        room = 2 * max(1, visits * max(TREE_SIZES) // 2) + SPARE_NODES
        self._search = Search(SearchParams(needs_planes=False), new_tree(room))
        self._player, self._kernels = TreePlayer(self._search), KernelVisits(evaluator)
        self._rows = np.zeros((MAX_DEPTH + 1, ROW_WORDS), np.uint64)  # positions from the root to a node

    def sample(self, space: SampleSpace, games: Games, most: int) -> None:
        """Grow trees and offer their positions until space.counts[0] is `most`, one tree per missing row at most."""
        space.counts[3] = most
        for _ in range(most - int(space.counts[0])):
            if space.counts[0] >= most:
                return
            root = put_game_position(space, games)
            size = TREE_SIZES[int(below(space.rng, np.int64(len(TREE_SIZES))))]
            self._search.clear()
            self._player.begin(space.teacher.rows[:1].copy(), max(1, self._visits * size // 2))
            self._kernels.search(self._player)
            offer_nodes(space, self._search.tree, self._rows, root)


@kernel()
def offer_nodes(space, tree, rows, root):
    """Offer some of the positions below a tree's root, each at most once."""
    copy_row(tree.stack[tree.counters[ROOT_PLY]], rows[0])
    tree.counters[SWEEP] += 1
    offer_below(space, tree, rows, np.int64(ROOT), np.int64(0), root)


@kernel()
def offer_below(space, tree, rows, node, depth, root):
    """Offer some of the positions below a node, whose position is in `rows[depth]`, if no other way led there yet."""
    teacher = space.teacher
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        child = np.int64(tree.edges[edge].child)
        if child == NO_NODE or tree.seen_in[child] == tree.counters[SWEEP] or depth == MAX_DEPTH:
            continue
        tree.seen_in[child] = tree.counters[SWEEP]
        make(rows[depth], tree.edges[edge].move, rows[depth + 1])
        if uniform(space.rng) < NODE_SHARE:
            row = teacher.rows[0]
            copy_row(rows[depth + 1], row)
            start(teacher.net, teacher.acc, np.int64(0), row)
            value = static_value(teacher.net, teacher.acc, np.int64(0), row)
            offer(space, np.int64(0), value, np.int64(TREES), root, np.int64(0))
        offer_below(space, tree, rows, child, depth + 1, root)
