"""Stints: visits in a row below one node leave the sums that visits from the root would, the same
every time.
"""

import chess
import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import EXPANDED, NO_NODE, NODES, new_tree
from engine.search.tree.params import STINT_SHARE, STINT_VISITS, SearchParams
from engine.search.tree.visits import new_walker, run_visits
from tests.unit.search.trees import POSITIONS, assert_whole, tree_fingerprint

VISITS = 3 * STINT_VISITS * STINT_VISITS * STINT_SHARE  # Enough for the longest stints.


def searched(fen, visits, call, transpositions=True):
    """A search of one thread with so many visits in each call of the kernel."""
    params = SearchParams(
        needs_planes=False, late_policy=True, avoid_busy=True, transpositions=transpositions
    )
    search = Search(params, new_tree(visits + 4000))
    search.set_position(stack_from_board(chess.Board(fen)))
    walker = new_walker(MaterialEvaluator().new_model())
    while search.visits < visits and not search.is_proven:
        run_visits(
            search.tree, search.params, walker, np.array([visits]), np.int64(call), np.int64(0)
        )
    return search


def test_sums_of_every_node_add_up():
    search = searched(POSITIONS[1], VISITS, VISITS, transpositions=False)
    assert search.visits == VISITS
    assert_whole(search)
    tree = search.tree
    count = int(search.tree.counters[NODES])
    nodes = tree.nodes[:count]
    visits = tree.visits[:count].astype(float)
    parents = np.full(count, -1)
    for node in range(count):
        children = tree.child[search.edges(node)]
        parents[children[children != NO_NODE]] = node
    inner = (nodes["state"] == EXPANDED) & (nodes["lower"] != nodes["upper"])
    has_parent = parents >= 0
    for field, step in (("draw_sum", 0.0), ("square_sum", 0.0), ("plies_sum", 1.0)):
        totals = nodes[field]
        below = np.bincount(parents[has_parent], (totals + step * visits)[has_parent], count)
        own = totals[inner] - below[inner]
        assert (own > -1e-3 * totals[inner] - 1e-3).all(), field
        assert (own < 300.0 + 1e-3 * totals[inner]).all(), field


@pytest.mark.parametrize("fen", [POSITIONS[1], POSITIONS[7]])
def test_the_tree_does_not_depend_on_the_visits_of_a_call(fen):
    prints = {tree_fingerprint(searched(fen, VISITS // 2, call)) for call in (1, 7, 1000, VISITS)}
    assert len(prints) == 1
