"""The table of fields, and the sizes that a tree can have."""

import mmap
import sys

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
from engine.search.tree.visit import new_node
from tests.unit.search.trees import grow, visit

pytestmark = pytest.mark.plain


def test_nodes_edges_and_buckets_begin_on_cache_lines():
    """Buckets of the table lay across two."""
    for nodes in (1, 7, 64, 1000, 100_000):
        tree = new_tree(nodes)
        assert tree.nodes.itemsize == CACHE_LINE
        for array in (tree.nodes, tree.edges, tree.table):
            assert array.__array_interface__["data"][0] % CACHE_LINE == 0


MAP_NORESERVE = 0x4000  # Linux's; the module mmap knows it from Python 3.13 on


def far_array(used, size):
    """As `used`, but `size` long: memory that is not touched takes no room."""
    memory = mmap.mmap(
        -1, size * used.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    )
    return np.frombuffer(memory, used.dtype)


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is only reserved")
def test_edges_beyond_two_to_the_31_are_found_again():
    tree = new_tree(64)
    size = 2**31 + 4096
    tree = tree._replace(edges=far_array(tree.edges, size))
    root = new_node.py_func(tree)
    tree.counters[arrays.EDGES] = 2**31 - 2
    tree.counters[arrays.IN_FLIGHT] = tree.visits[root] = 1
    grow(tree, root, [0.4, 0.3, 0.2, 0.1])
    assert tree.first_edge[root] + tree.n_edges[root] == 2**31 + 2
    child = visit(tree, root, 3, 0.5)
    grow(tree, child, [0.6, 0.4])
    assert tree.first_edge[child] == 2**31 + 2
    assert tree.move[tree.first_edge[child] :][:2].tolist() == [0, 1]


def test_the_largest_hash_can_be_numbered():
    largest = max(int(option.bounds["most"]) for option in OPTIONS if option.field == "hash_mib")
    tree = new_tree(1)
    for mebibytes in (largest, 10**9):
        nodes = nodes_for(mebibytes)
        assert nodes <= min(np.iinfo(field.dtype).max for field in (tree.child, tree.order))
        assert nodes * arrays.EDGES_PER_NODE <= np.iinfo(tree.first_edge.dtype).max


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
    assert (
        arrays.BYTES_PER_NODE + arrays.EDGES_PER_NODE * arrays.BYTES_PER_EDGE
    ) / arrays.EDGES_PER_NODE <= 40
