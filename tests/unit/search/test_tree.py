"""The table of fields, and the sizes that a tree can have."""

import mmap
import sys

import numpy as np
import pytest

from engine.options import OPTIONS
from engine.search.tree.arrays import (
    BYTES_PER_EDGE,
    BYTES_PER_NODE,
    CACHE_LINE,
    EDGE_FIELDS,
    EDGES,
    EDGES_PER_NODE,
    NO_PARENT,
    NODE_FIELDS,
    RECORD_FIELDS,
    Tree,
    move_edge,
    move_node,
    new_tree,
    nodes_for,
    reset_edge,
    reset_node,
)
from engine.search.tree.visit import new_node
from tests.unit.search.small_trees import grow, visit

pytestmark = pytest.mark.plain


MAP_NORESERVE = 0x4000  # Linux's; the module mmap knows it from Python 3.13 on


def far_array(used: np.ndarray, size: int) -> np.ndarray:
    """As `used`, but `size` long: memory that is not touched takes no room."""
    memory = mmap.mmap(-1, size * used.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    return np.frombuffer(memory, used.dtype)


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is only reserved")
def test_edges_beyond_two_to_the_31_are_found_again():
    tree, size = new_tree(64), 2**31 + 4096
    tree = tree._replace(**{name: far_array(getattr(tree, name), size) for name in EDGE_FIELDS})
    root = new_node.py_func(tree, NO_PARENT)
    tree.counters[EDGES] = 2**31 - 2
    tree.in_flight[root] = tree.visits[root] = 1
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
        assert nodes <= min(np.iinfo(field.dtype).max for field in (tree.parent, tree.child))
        assert nodes * EDGES_PER_NODE <= np.iinfo(tree.first_edge.dtype).max


def test_every_field_of_the_table_is_allocated_reset_and_moved():
    tree = new_tree(8)
    for fields, count in ((NODE_FIELDS, 8), (EDGE_FIELDS, 8 * EDGES_PER_NODE)):
        assert all(getattr(tree, name).shape == (count,) for name in fields)
        assert all(getattr(tree, name).dtype == field.dtype for name, field in fields.items())
    loose = set(NODE_FIELDS) - set(RECORD_FIELDS)
    others = {"nodes", "table", "counters", "stack", "stint", "earned", "path", "butterfly", "depths"}
    scratch = {"scratch_moves", "scratch_priors", "scratch_bonuses"}
    assert {*loose, *EDGE_FIELDS, *others, *scratch} == set(Tree._fields)
    assert set(tree.nodes.dtype.names) == set(RECORD_FIELDS)
    for fields, reset, move in ((NODE_FIELDS, reset_node, move_node), (EDGE_FIELDS, reset_edge, move_edge)):
        for name in fields:
            getattr(tree, name)[3] = 77
        move.py_func(tree, 3, 2)
        reset.py_func(tree, 3)
        for name, field in fields.items():
            assert (getattr(tree, name)[2], getattr(tree, name)[3]) == (77, field.reset)


def test_a_node_begins_with_a_line_of_the_cache():
    for count in (1, 7, 100_000):
        nodes = new_tree(count).nodes
        assert nodes.itemsize == CACHE_LINE
        assert nodes.ctypes.data % CACHE_LINE == 0


def test_an_edge_costs_at_most_forty_bytes_all_in():
    assert (BYTES_PER_NODE + EDGES_PER_NODE * BYTES_PER_EDGE) / EDGES_PER_NODE <= 40
