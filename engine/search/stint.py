"""Stints: a thread makes some visits in a row below one node, far from the root, before it looks at the root again.

The nodes near the root have so many visits that one more changes little, yet walking through them takes much of a
visit's time, and their lines of the processor's cache travel between all threads. So a thread follows the best edges
only as far as the nodes have many visits, to the base of its stint, and reserves some visits there: all nodes from the
root to the base count them as in flight. It makes them from the base, and then adds what they brought to the ancestors
of the base at once. In a small tree every visit begins at the root.
"""

from __future__ import annotations

import numpy as np

from engine.board.makemove import push
from engine.native.jit import kernel
from engine.native.ordering import give_way, lock, observe, unlock
from engine.search.params import STINT_SHARE, STINT_VISITS, VISITS_PER_VISIT
from engine.search.proofs import is_decided
from engine.search.puct import select_edge
from engine.search.transpositions import enter
from engine.search.tree import (
    BASE,
    BASE_DEPTH,
    CLOCK,
    DONE,
    DRAW,
    DRAWS,
    EXPANDED,
    LEFT,
    MAX_DEPTH,
    NO_NODE,
    NO_PARENT,
    PLIES_LEFT,
    RESERVED,
    ROOT,
    ROOT_PLY,
    SQUARES,
    VALUES,
)


@kernel()
def begin_stint(tree, params, until):
    """Reserve some visits at a base, unless ``until[0]`` visits are done or under way; returns whether it did.

    In a small tree few may be under way, because each needs what others find: waits for these.
    """
    while True:
        lock(tree.nodes, np.int64(ROOT))
        visits, under_way = np.int64(tree.nodes[ROOT].visits), np.int64(tree.nodes[ROOT].in_flight)
        left = observe(until, np.int64(0)) - visits - under_way
        count = min(np.int64(STINT_VISITS), max(np.int64(1), visits // (STINT_VISITS * STINT_SHARE)), left)
        begins = left > 0 and under_way * VISITS_PER_VISIT <= visits
        if begins:
            tree.nodes[ROOT].in_flight += count
        unlock(tree.nodes, np.int64(ROOT))
        if begins:
            tree.stint[RESERVED] = count
            tree.stint[LEFT] = count
            tree.stint[DONE] = 0
            tree.earned[:] = 0.0
            find_base(tree, params, count)
        if begins or left <= 0:
            return begins
        give_way()


@kernel()
def find_base(tree, params, count):
    """Follow the best edges from the root while ``count`` visits are few for a node, and reserve them there."""
    node, depth, ply = np.int64(ROOT), np.int64(0), tree.counters[ROOT_PLY]
    draw_score = params.draw_score
    while count > 1 and depth < MAX_DEPTH:
        edge = select_edge(tree, params, node, draw_score)
        child = np.int64(tree.child[edge])
        if child == NO_NODE or tree.nodes[child].visits < count * STINT_SHARE:
            break
        if tree.nodes[child].state != EXPANDED or is_decided(tree, child):
            break
        push(tree.stack, ply + depth, tree.move[edge])
        lock(tree.nodes, child)
        tree.nodes[child].in_flight += count
        unlock(tree.nodes, child)
        node, depth, draw_score = child, depth + 1, -draw_score
    tree.stint[BASE] = node
    tree.stint[BASE_DEPTH] = depth


@kernel()
def end_stint(tree, params):
    """Count the visits of a stint in the ancestors of its base, and give back those that it did not make."""
    node, count, reserved = tree.stint[BASE], tree.stint[DONE], tree.stint[RESERVED]
    value, draw, square = tree.earned[VALUES], tree.earned[DRAWS], tree.earned[SQUARES]
    moves_left = tree.earned[PLIES_LEFT]
    lock(tree.nodes, node)
    tree.nodes[node].in_flight -= reserved - count
    parent = np.int64(tree.nodes[node].parent)
    unlock(tree.nodes, node)
    while parent != NO_PARENT:
        node = parent
        value, moves_left = -value, moves_left + count
        lock(tree.nodes, node)
        if is_decided(tree, node):
            value = np.float64(tree.nodes[node].lower) * count
            draw = np.float64(count) if tree.nodes[node].lower == DRAW else 0.0
            square = abs(value)
        before = tree.nodes[node].visits
        visits = before + count
        tree.nodes[node].in_flight -= reserved
        tree.nodes[node].visits = visits
        tree.nodes[node].value_sum += value
        tree.nodes[node].draw_sum += draw
        tree.nodes[node].square += np.float32((square - count * tree.nodes[node].square) / visits)
        tree.nodes[node].moves_left += np.float32((moves_left - count * tree.nodes[node].moves_left) / visits)
        if node == ROOT:
            tree.counters[CLOCK] += count
        tree.nodes[node].used_at = tree.counters[CLOCK]
        parent = np.int64(tree.nodes[node].parent)
        unlock(tree.nodes, node)
        if params.transpositions and before ^ visits > before:
            enter(tree, node)  # As in `visit.descend`: whenever its visits have doubled.
    tree.stint[BASE] = ROOT
    tree.stint[BASE_DEPTH] = 0
    tree.stint[LEFT] = 0
