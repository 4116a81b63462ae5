"""A round for a batched evaluator: leaves gathered by one thread, so that the tree never depends on how many evaluate.

Leaves whose result is certain are finished at once and take no place in the batch.
"""

from __future__ import annotations

import numpy as np

from engine.board.makemove import copy_row
from engine.native.jit import kernel
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.search.backup import finish_known
from engine.search.descend import begin_visit, is_finished, repeats_path
from engine.search.judge import judge
from engine.search.tree import COLLISIONS, LEAVES, NO_NODE, REPEATED, ROOT, UNKNOWN


@kernel()
def gather(tree, in_flight, params, leaves, first, limit, most_leaves):
    """Begin up to ``limit`` visits; returns how many leaves among them, in ``leaves[first:]``, need an evaluation.

    Stops early at ``most_leaves`` of these, after ``params.max_collisions`` collisions, or once the root is decided.
    The round ``in_flight`` must be empty; its leaves are to be applied (`backup.apply`) before it is used again.
    """
    counts = in_flight.counts
    begun = 0
    while begun < limit and counts[LEAVES] < most_leaves and counts[COLLISIONS] < params.max_collisions:
        if is_finished(tree, params):
            break
        begun += 1
        node, ply = begin_visit(tree, in_flight, params)
        if node == NO_NODE:
            continue
        leaf = first + counts[LEAVES]
        copy_row(tree.stack[ply], leaves.rows[leaf])
        known, plies = np.int64(REPEATED), np.int64(0)
        if node == ROOT or not repeats_path(tree, ply):
            known, plies = judge(leaves, leaf, node == ROOT, params.mate_in_one, tree.stack[-1], tree.scratch_moves)
        if known != UNKNOWN:
            finish_known(tree, params, node, known, plies)
            continue
        if params.needs_planes:
            encode(tree.stack, ply, 0, leaves.masks[leaf])
            for i in range(leaves.n_moves[leaf]):
                leaves.policy_index[leaf, i] = policy_index(leaves.rows[leaf], leaves.moves[leaf, i])
        in_flight.leaf_nodes[counts[LEAVES]] = node
        in_flight.known[counts[LEAVES]] = UNKNOWN
        counts[LEAVES] += 1
    return counts[LEAVES]
