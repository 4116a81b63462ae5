"""The way down: from the root along the best edges to a leaf.

Visits in flight lower a child's U (virtual loss), which spreads the leaves of a round; a descent that ends on a leaf
already in flight is a collision: its visits stay in flight until the round is applied, then they are taken back.
"""

from __future__ import annotations

import numpy as np

from engine.board.layout import KEY, NO_MOVE, REPETITIONS
from engine.board.makemove import push
from engine.native.jit import kernel
from engine.search.backup import finish_visit
from engine.search.proofs import is_decided
from engine.search.select import select_edge
from engine.search.tree import (
    COLLISIONS,
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    EXPANDED,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NO_PARENT,
    NODES,
    PENDING,
    ROOT,
    ROOT_PLY,
    WIN,
)


@kernel()
def is_finished(tree, params):
    """Whether the root is decided, so that no visit can tell more."""
    return tree.counters[NODES] > 0 and params.decide_root and is_decided(tree, ROOT)


@kernel()
def begin_visit(tree, in_flight, params):
    """Begin one visit: (node, ply) of a new leaf, its position in ``tree.stack[ply]``, or (NO_NODE, 0).

    Without a new leaf the visit was finished at once, or it is a collision.
    """
    node, depth = descend(tree, params)
    tree.counters[DESCENTS] += 1
    tree.counters[DEPTH_SUM] += depth
    tree.counters[DEEPEST] = max(tree.counters[DEEPEST], depth)
    if tree.state[node] != PENDING:
        repeat_visit(tree, node)
    elif tree.visits[node] == 0 and tree.in_flight[node] == 1:
        return node, tree.counters[ROOT_PLY] + depth
    else:
        in_flight.collision_nodes[in_flight.counts[COLLISIONS]] = node
        in_flight.counts[COLLISIONS] += 1
    return np.int64(NO_NODE), np.int64(0)


@kernel()
def descend(tree, params):
    """Walk from the root to a node that cannot be passed, one visit in flight on every node; returns (node, depth)."""
    ply = tree.counters[ROOT_PLY]
    node = np.int64(ROOT)
    if tree.counters[NODES] == 0:
        node = new_node(tree, np.int64(NO_PARENT))
    tree.in_flight[node] += 1
    depth = np.int64(0)
    draw_score = params.draw_score
    while tree.state[node] == EXPANDED and depth < MAX_DEPTH and (not is_decided(tree, node) or node == ROOT):
        edge = select_edge(tree, params, node, draw_score)
        child = np.int64(tree.child[edge])
        if child == NO_NODE:
            if tree.counters[NODES] >= tree.parent.size:
                break  # the tree is full: count the visit here
            child = new_node(tree, node)
            tree.child[edge] = child
        push(tree.stack, ply + depth, tree.move[edge])
        depth += 1
        draw_score = -draw_score
        node = child
        tree.in_flight[node] += 1
    return node, depth


@kernel()
def new_node(tree, parent):
    """A fresh node without edges, waiting for its evaluation."""
    node = tree.counters[NODES]
    tree.counters[NODES] += 1
    tree.parent[node] = parent
    tree.first_edge[node] = 0
    tree.n_edges[node] = 0
    tree.visits[node] = 0
    tree.in_flight[node] = 0
    tree.value_sum[node] = 0.0
    tree.draw_sum[node] = 0.0
    tree.moves_left[node] = 0.0
    tree.mate_plies[node] = 0
    tree.state[node] = PENDING
    tree.lower[node] = LOSS
    tree.upper[node] = WIN
    tree.asked_at[node] = 0
    tree.advised[node] = NO_MOVE
    tree.own_prior[node] = 0.0
    return node


@kernel()
def repeat_visit(tree, node):
    """Visit a node again that yields nothing new: decided, drawn, too deep, or without room for its children."""
    visits = tree.visits[node]
    moves_left = np.float64(tree.moves_left[node])
    finish_visit(tree, node, tree.value_sum[node] / visits, tree.draw_sum[node] / visits, moves_left)


@kernel()
def repeats_path(tree, ply):
    """Whether the position at ``ply`` occurred once before, at or after the root: a cycle made by the search."""
    if tree.stack[ply, REPETITIONS] != np.uint64(1):
        return False  # a third occurrence is a draw by the rules
    earlier = ply - 4
    while earlier >= tree.counters[ROOT_PLY]:
        if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
            return True
        earlier -= 2
    return False
