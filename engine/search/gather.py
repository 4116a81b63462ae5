"""The way down: descend from the root along the best edges and collect a round of leaves.

A round is gathered by one thread, so that the tree never depends on how many threads evaluate it. Visits in flight
lower a child's U (virtual loss), which spreads the leaves; a descent that ends on a leaf already in the round is a
collision: its visits stay in flight until the round is applied, then they are taken back.
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import in_check
from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.layout import KEY, REPETITIONS
from engine.board.makemove import copy_row, make, push
from engine.board.movegen import generate
from engine.jit import kernel
from engine.network.planes import encode
from engine.network.policy_map import policy_index
from engine.search.backup import finish_visit, prove
from engine.search.select import select_edge
from engine.search.tree import (
    COLLISIONS,
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    EXPANDED,
    LEAVES,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NO_PARENT,
    NODES,
    OPEN,
    PATH_REPETITION,
    PENDING,
    ROOT,
    ROOT_PLY,
    TERMINAL,
    WIN,
)


@kernel()
def gather(tree, params, leaves, first, limit):
    """Begin up to ``limit`` visits; returns how many leaves among them, in ``leaves[first:]``, need an evaluation.

    The other visits end where the rules decide the game and are finished at once. Stops early after ``limit``
    collisions, or once the root is proven. Gathered leaves must be applied (`backup.apply`) before the next round.
    """
    tree.counters[LEAVES] = 0
    tree.counters[COLLISIONS] = 0
    finished = 0
    while tree.counters[LEAVES] + finished < limit and tree.counters[COLLISIONS] < limit:
        if tree.counters[NODES] > 0 and tree.proven[ROOT] != OPEN:
            break
        node, depth = descend(tree, params)
        tree.counters[DESCENTS] += 1
        tree.counters[DEPTH_SUM] += depth
        tree.counters[DEEPEST] = max(tree.counters[DEEPEST], depth)
        if tree.state[node] == PENDING and tree.visits[node] == 0 and tree.in_flight[node] == 1:
            if not settle(tree, params, leaves, first + tree.counters[LEAVES], node, depth):
                tree.leaf_nodes[tree.counters[LEAVES]] = node
                tree.counters[LEAVES] += 1
                continue
            finished += 1
        elif tree.state[node] == PENDING:
            tree.collision_nodes[tree.counters[COLLISIONS]] = node
            tree.counters[COLLISIONS] += 1
        else:
            repeat_visit(tree, node)
            finished += 1
    return tree.counters[LEAVES]


@kernel()
def descend(tree, params):
    """Walk from the root to a node that cannot be passed, one visit in flight on every node; returns (node, depth)."""
    ply = tree.counters[ROOT_PLY]
    node = np.int64(ROOT)
    if tree.counters[NODES] == 0:
        node = new_node(tree, np.int64(NO_PARENT))
    tree.in_flight[node] += 1
    depth = 0
    while tree.state[node] == EXPANDED and depth < MAX_DEPTH and (tree.proven[node] == OPEN or node == ROOT):
        edge = select_edge(tree, params, node)
        child = np.int64(tree.child[edge])
        if child == NO_NODE:
            if tree.counters[NODES] >= tree.parent.size:
                break  # the tree is full: count the visit here
            child = new_node(tree, node)
            tree.child[edge] = child
        push(tree.stack, ply + depth, tree.move[edge])
        depth += 1
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
    tree.proven[node] = OPEN
    return node


@kernel()
def settle(tree, params, leaves, leaf, node, depth):
    """Handle a new node: True where the rules decide it at once, else it stands in ``leaves[leaf]`` to be evaluated."""
    ply = tree.counters[ROOT_PLY] + depth
    row = tree.stack[ply]
    count = generate(row, leaves.moves[leaf])
    end = game_end(row, count)
    if end == CHECKMATE:
        tree.state[node] = TERMINAL
        finish_visit(tree, node, 1.0, 0.0, 0.0)
        prove(tree, node, np.int64(WIN), np.int64(0))
        return True
    if node != ROOT:
        drawn = end != ONGOING
        if drawn or repeats_path(tree, ply):
            tree.state[node] = TERMINAL if drawn else PATH_REPETITION
            finish_visit(tree, node, 0.0, 1.0, 0.0)
            return True
        scratch = tree.stack[-1]
        if params.mate_in_one and mating_move(row, leaves.moves[leaf], count, scratch, tree.scratch_moves[0]) >= 0:
            tree.state[node] = TERMINAL
            finish_visit(tree, node, -1.0, 0.0, 1.0)
            prove(tree, node, np.int64(LOSS), np.int64(1))
            return True
    copy_row(row, leaves.rows[leaf])
    leaves.n_moves[leaf] = count
    if params.needs_planes:
        encode(tree.stack, ply, 0, leaves.masks[leaf])
        for i in range(count):
            leaves.policy_index[leaf, i] = policy_index(row, leaves.moves[leaf, i])
    return False


@kernel()
def repeats_path(tree, ply):
    """Whether the position at ``ply`` occurred before at or after the root: a cycle that the search itself made."""
    if tree.stack[ply, REPETITIONS] == np.uint64(0):
        return False
    earlier = ply - 4
    while earlier >= tree.counters[ROOT_PLY]:
        if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
            return True
        earlier -= 2
    return False


@kernel()
def mating_move(row, moves, count, scratch_row, scratch_moves):
    """Index of the first legal move that gives checkmate, -1 if none does."""
    for i in range(count):
        make(row, moves[i], scratch_row)
        if in_check(scratch_row) and generate(scratch_row, scratch_moves) == 0:
            return i
    return -1


@kernel()
def repeat_visit(tree, node):
    """Visit a node again that yields nothing new: proven, drawn, too deep, or without room for its children."""
    visits = tree.visits[node]
    if tree.proven[node] != OPEN:
        finish_visit(tree, node, np.float64(tree.proven[node]), 0.0, np.float64(tree.mate_plies[node]))
    else:
        moves_left = np.float64(tree.moves_left[node])
        finish_visit(tree, node, tree.value_sum[node] / visits, tree.draw_sum[node] / visits, moves_left)
