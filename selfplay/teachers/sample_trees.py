"""The source `trees`: positions that Aino's own search looks at, from searches of games' positions.

A search asks its network about positions that games seldom reach. One call from Python grows a tree, in kernels;
another offers some of its nodes. The samples depend only on the space's random numbers and the evaluator.
"""

from __future__ import annotations

import numpy as np

from engine.board.makemove import copy_row, make
from engine.evaluation.protocol import InKernelEvaluator
from engine.native.jit import kernel
from engine.search.session import Search
from engine.search.tree.arrays import MAX_DEPTH, NO_PARENT, NODES, ROOT_PLY, new_tree
from engine.search.tree.edges import edge_to
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
        self._path = np.zeros(MAX_DEPTH + 1, np.uint16)  # moves from the root to a node

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
            offer_nodes(space, self._search.tree, self._path, root)


@kernel()
def offer_nodes(space, tree, path, root):
    """Offer some of the positions below a tree's root."""
    teacher = space.teacher
    row = teacher.rows[0]
    for node in range(1, tree.counters[NODES]):
        if uniform(space.rng) >= NODE_SHARE:
            continue
        put_position(tree, np.int64(node), path, row, teacher.rows[1])
        start(teacher.net, teacher.acc, np.int64(0), row)
        value = static_value(teacher.net, teacher.acc, np.int64(0), row)
        offer(space, np.int64(0), value, np.int64(TREES), root, np.int64(0))


@kernel()
def put_position(tree, node, path, row, scratch):
    """Write the position of `node` to `row` and the moves that lead to it, the last one first, to `path`.

    `row` and `scratch` are uint64 [16]. Returns the number of moves. No visit may be in progress.
    """
    depth = np.int64(0)
    parent = np.int64(tree.nodes[node].parent)
    while parent != NO_PARENT:
        path[depth] = tree.edges[edge_to(tree.nodes, node)].move
        depth += 1
        node = parent
        parent = np.int64(tree.nodes[node].parent)
    copy_row(tree.stack[tree.counters[ROOT_PLY]], row)
    for k in range(depth):
        make(row, path[depth - 1 - k], scratch)
        copy_row(scratch, row)
    return depth
