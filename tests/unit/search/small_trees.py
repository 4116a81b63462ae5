"""Trees small enough to count by hand, grown node by node with kernels as plain Python."""

import numpy as np

from engine.search.tree.arrays import IN_FLIGHT, new_tree
from engine.search.tree.backup import finish_known, finish_visit
from engine.search.tree.params import SearchParams
from engine.search.tree.priors import expand
from engine.search.tree.visit import new_node
from tests.unit.search.flat import ways_to

PARAMS = SearchParams(cpuct_factor=0.0, needs_planes=False)


def small_tree(priors):
    """A root with one visit of value 0 and edges of the given priors, none tried."""
    tree = new_tree(64)
    root = new_node.py_func(tree)
    grow(tree, root, priors)
    tree.visits[root] = 1
    return tree


def grow(tree, node, priors):
    """Give a node edges."""
    logits = np.log(np.array(priors, np.float32)) * np.float32(PARAMS.policy_temperature)
    moves = np.arange(len(priors), dtype=np.uint16)
    tree.state[node] = expand.py_func(tree, PARAMS, node, 0, moves, logits, len(priors))


def set_off(tree, node, place, child):
    """Send a visit through an edge to a child; returns the child's depth."""
    way = [*ways_to(tree)[node], int(tree.first_edge[node]) + place]
    tree.child[way[-1]] = child
    tree.way[: len(way)] = way
    tree.under_way[way] += 1
    tree.counters[IN_FLIGHT] += 1
    return len(way)


def add_child(tree, node, place):
    """A new child behind an edge, one visit on its way to it."""
    child = new_node.py_func(tree)
    set_off(tree, node, place, child)
    return child


def visit(tree, node, place, value, draw=0.0):
    """A new child, visited once with a value for the side that moved into it."""
    child = new_node.py_func(tree)
    depth = set_off(tree, node, place, child)
    finish_visit.py_func(tree, PARAMS, depth, child, tree.state[child], value, draw, 30.0)
    return child


def decide(tree, node, place, result, plies=0, params=PARAMS):
    """A new child that is decided."""
    child = new_node.py_func(tree)
    depth = set_off(tree, node, place, child)
    finish_known.py_func(tree, params, depth, child, result, plies)
    return child
