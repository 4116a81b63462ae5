"""The table of fields, and the sizes that a tree can have."""

import numpy as np
import pytest

from engine.native.aligned_arrays import CACHE_LINE
from engine.options import OPTIONS
from engine.search.tree import arrays
from engine.search.tree.arrays import (
    move_edge,
    move_node,
    new_tree,
    nodes_for,
    reset_edge,
    reset_node,
)

pytestmark = pytest.mark.plain


def test_nodes_edges_and_buckets_begin_on_cache_lines():
    """Buckets of the table lay across two."""
    for nodes in (1, 7, 64, 1000, 100_000):
        tree = new_tree(nodes)
        assert tree.nodes.itemsize == CACHE_LINE
        for array in (tree.nodes, tree.edges, tree.table):
            assert array.__array_interface__["data"][0] % CACHE_LINE == 0


def test_the_largest_hash_can_be_numbered():
    largest = max(int(option.bounds["most"]) for option in OPTIONS if option.field == "hash_mib")
    tree = new_tree(1)
    for mebibytes in (largest, 10**9):
        nodes = nodes_for(mebibytes)
        assert nodes <= min(np.iinfo(field.dtype).max for field in (tree.child, tree.order))
        edges = nodes * arrays.EDGES_PER_NODE
        assert edges <= min(np.iinfo(field.dtype).max for field in (tree.first_edge, tree.way))


@pytest.mark.parametrize(
    ("fields", "reset", "move"),
    [(arrays.NODE_FIELDS, reset_node, move_node), (arrays.EDGE_FIELDS, reset_edge, move_edge)],
)
def test_every_field_of_the_table_is_moved(fields, reset, move):
    tree = new_tree(8)
    assert all(getattr(tree, name).dtype == field.dtype for name, field in fields.items())
    for name in fields:
        getattr(tree, name)[3] = 77
    move.py_func(tree, 3, 2)
    reset.py_func(tree, 3)
    for name, field in fields.items():
        assert (getattr(tree, name)[2], getattr(tree, name)[3]) == (77, field.reset)


def test_an_edge_costs_at_most_forty_bytes_all_in():
    assert arrays.BYTES_PER_NODE / arrays.EDGES_PER_NODE + arrays.BYTES_PER_EDGE <= 40
