"""Root moves that are proven to win and are set aside, so that a search goes on beside them.

Their edges keep what is known of them, and their nodes, to which other ways may lead, stay as they
are. Visits pass them by (`puct`), and the root's own record tells of its other moves until they are
brought back. No visits may be in flight when a kernel of this page is called.
"""

import numpy as np

from engine.native.jit import kernel
from engine.search.tree.arrays import ASIDE, LOSS, NO_NODE, ROOT, UNKNOWN_DISTANCE, WIN
from engine.search.tree.edges import edges_of
from engine.search.tree.proofs import (
    is_decided,
    set_bounds,
    settle_past_visits,
    take_sums_from_edges,
)


@kernel()
def put_wins_aside(tree, most, value, draw):
    """Set aside the root moves that are proven to win, `most` at most, and take the root's record
    from the others; `value` and `draw` are the evaluator's own for the root's side to move.

    Returns whether there is more to search.
    """
    count, fresh = np.int64(0), np.int64(0)
    for edge in range(*edges_of(tree, ROOT)):
        if is_winning(tree, edge):
            count += 1
            fresh += tree.edges[edge].barred != ASIDE
    if fresh == 0 or count > most:
        return False
    for edge in range(*edges_of(tree, ROOT)):
        if is_winning(tree, edge):
            tree.edges[edge].barred = ASIDE
    take_sums_from_edges(tree, ROOT, 1.0, value, draw)
    set_bounds(tree, ROOT)
    return not is_decided(tree, ROOT)


@kernel()
def is_winning(tree, edge):
    """Whether a move is proven to win."""
    child = np.int64(tree.edges[edge].child)
    return child != NO_NODE and tree.nodes[child].lower == WIN


@kernel()
def bring_back_wins(tree):
    """Bring back what was set aside: the root is won."""
    plies = np.int64(UNKNOWN_DISTANCE)
    count = 0
    for edge in range(*edges_of(tree, ROOT)):
        its = tree.edges[edge]
        if its.barred != ASIDE:
            continue
        count += 1
        its.barred = 0
        child_plies = np.int64(tree.mate_plies[its.child])
        if child_plies != UNKNOWN_DISTANCE and (
            plies == UNKNOWN_DISTANCE or child_plies + 1 < plies
        ):
            plies = child_plies + 1
    if count > 0:
        tree.nodes[ROOT].lower = LOSS
        tree.nodes[ROOT].upper = LOSS
        tree.mate_plies[ROOT] = plies
        settle_past_visits(tree, ROOT)
