"""What an edge and a node tell of what lies behind them."""

import pytest

from engine.search.tree.arrays import NO_NODE
from engine.search.tree.edges import means_behind
from tests.unit.search.trees import small_tree

pytestmark = pytest.mark.plain


def test_visits_of_an_edge_without_a_child_drew():
    """A draw on one path alone makes no node."""
    tree = small_tree([0.5, 0.5])
    edge = int(tree.first_edge[0])
    tree.edges["passes"][edge] = 3
    tree.child[edge] = NO_NODE
    assert means_behind.py_func(tree, edge) == (1.0, 0.0)
