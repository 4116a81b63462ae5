"""What an edge and a node tell of what lies behind them."""

import numpy as np
import pytest

from engine.search.tree.arrays import NO_NODE, SWEEP
from engine.search.tree.edges import draws_of, square_of
from engine.search.tree.priors import refresh_below
from tests.unit.search.trees import PARAMS, small_tree

pytestmark = pytest.mark.plain


def test_visits_of_an_edge_without_a_child_drew():
    """A draw on one path alone makes no node."""
    tree = small_tree([0.5, 0.5])
    edge = int(tree.first_edge[0])
    tree.edges["passes"][edge] = 3
    tree.child[edge] = NO_NODE
    assert (draws_of.py_func(tree, edge), square_of.py_func(tree, edge)) == (1.0, 0.0)


@pytest.mark.parametrize(("sweep", "is_refreshed"), [(5, False), (6, True)])
def test_priors_are_refreshed_once_in_a_pass(monkeypatch, sweep, is_refreshed):
    """Several ways lead to a node."""
    refreshed = []
    monkeypatch.setitem(
        refresh_below.py_func.__globals__, "refresh", lambda *given: refreshed.append(given[2])
    )
    tree = small_tree([0.5, 0.5])
    for number in (5, sweep):
        tree.counters[SWEEP] = number
        refresh_below.py_func(tree, PARAMS, np.int64(0), np.int64(0), np.int64(1))
    assert len(refreshed) == 1 + is_refreshed
