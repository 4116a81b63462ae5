"""One visit on its way from the root to a leaf. `backup` is its way back.

Down: a visit follows the best edges from the root to a leaf. Visits in flight lower a child's U
(virtual loss), which spreads the visits of several threads and the leaves of a batch. The first
visit to reach a leaf claims it, by making it BUSY. One that reaches a leaf that another visit has
claimed is a collision. Where the best edge has few of its child's visits, because other ways led
there, it gets a free one: it takes the child's value, and the walk chooses anew.

A position that occurred before on the path, or fifty moves without progress that began there, is a
draw for this visit alone (`repetitions`). It is no node, because other paths may lead to the same
position. So no walk goes round a cycle twice.

At the leaf: the rules, or a mate in one, may decide the position without an evaluation.
"""

import numpy as np

from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.layout import KEY
from engine.board.makemove import copy_row, push
from engine.board.movegen import has_move
from engine.native.atomics import add, lock, order_reads, order_writes, unlock
from engine.native.jit import kernel
from engine.native.prefetch import prefetch
from engine.search.tree.arrays import (
    BUSY,
    CHILD_BUSY,
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    DRAW,
    EDGES_PER_LINE,
    EXPANDED,
    FREE_LEFT,
    LAGGING,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NODES,
    PATH_DRAW,
    PENDING,
    ROOT,
    ROOT_PLY,
    UNKNOWN,
    VALUED,
    WIN,
    reset_node,
)
from engine.search.tree.backup import News, catch_up, finish_visit, go_up, mean_of
from engine.search.tree.edges import worth
from engine.search.tree.params import CATCH_UP_SHARE
from engine.search.tree.proofs import is_decided
from engine.search.tree.puct import NO_EDGE, select_edge
from engine.search.tree.repetitions import is_drawn_by_game, is_drawn_by_path, settle_as_draw
from engine.search.tree.transpositions import enter, find_node, first_place, key_of
from engine.tactics.mates import can_mate
from engine.tactics.small_endings import has_few_pieces, is_certain_draw

LINES_AHEAD = 3  # Lines of the processor's cache that are fetched of a node's edges. Set by hand.

# ---- down ----------------------------------------------------------------------------------------


@kernel()
def is_finished(tree, params):
    """Whether the root is decided, so that more visits cannot change the result."""
    return tree.counters[NODES] > 0 and params.decide_root and is_decided(tree, ROOT)


@kernel()
def reach(tree, node):
    """Claim one of a tree's nodes: make it BUSY if it is to be evaluated, or is to get its edges.
    Returns its state before.
    """
    nodes = tree.nodes
    state = np.int64(nodes[node].state)
    order_reads()
    if state != PENDING and state != VALUED:
        return state
    lock(nodes, node)
    state = np.int64(nodes[node].state)
    if state == PENDING or state == VALUED:
        nodes[node].state = BUSY
    unlock(nodes, node)
    return state


@kernel()
def descend(tree, params, node, depth, state):
    """Walk down from `node` at `depth`, which had this state when the visit reached it, until the
    walk must stop.

    Returns (node, depth, state). PENDING and VALUED: the visit has claimed the node. BUSY: another
    one has. PATH_DRAW: the last edge's move draws on this path. The edges are in `tree.way`, the
    last position is in `tree.stack[ROOT_PLY + depth]`. On the way, edges whose children have more
    visits catch up.
    """
    root_ply = tree.counters[ROOT_PLY]
    draw_score = params.draw_score if depth % 2 == 0 else -params.draw_score
    pushed = np.int64(NO_EDGE)
    while state == EXPANDED and depth < MAX_DEPTH and (not is_decided(tree, node) or node == ROOT):
        edge = select_edge(tree, params, node, draw_score)
        its = tree.edges[edge]
        child = np.int64(its.child)
        if child != NO_NODE:
            prefetch_below(tree, edge, child)
        ply = root_ply + depth + 1
        if edge != pushed:
            tree.path[depth] = its.move
            tree.way[depth] = edge
            push(tree.stack, ply - 1, its.move)
            if child == NO_NODE:
                prefetch(tree.table, first_place(tree, tree.stack[ply, KEY]))
            if is_drawn_by_path(tree, ply, depth + 1):
                set_off(tree, node, edge, np.int64(1))
                return node, depth + 1, PATH_DRAW
            if child != NO_NODE and is_drawn_by_game(tree, ply):
                settle_as_draw(tree, node, edge, child)
        child, state = step(tree, params, node, edge, ply)
        if child == NO_NODE:
            return node, depth, state  # The tree is full, so the visit ends at this node.
        if state == LAGGING:
            catch_up(tree, params, node, edge, child)
            state, pushed = np.int64(EXPANDED), edge
            continue
        depth += 1
        draw_score = -draw_score
        node = child
        pushed = np.int64(NO_EDGE)
    return node, depth, state


@kernel()
def set_off(tree, node, edge, visits):
    """Count visits in flight at an edge of a node."""
    lock(tree.nodes, node)
    tree.edges[edge].under_way += visits
    unlock(tree.nodes, node)


@kernel()
def step(tree, params, node, edge, ply):
    """Go through an edge to its child, whose position is in `tree.stack[ply]`, and which may be
    new.

    Returns (child, its state), (child, LAGGING) if the edge is to have a free visit, or (NO_NODE,
    EXPANDED) if the tree is full.
    """
    its = tree.edges[edge]
    child = np.int64(its.child)
    if child == NO_NODE:
        child, is_new = add_child(tree, params, node, edge, ply)
        if child == NO_NODE:
            return child, EXPANDED
        if is_new:
            return child, PENDING
    if is_behind(tree, edge, child):
        return child, LAGGING
    set_off(tree, node, edge, np.int64(1))
    its.below = tree.nodes[child].first_edge
    state = reach(tree, child)
    if state == PENDING or state == VALUED:
        its.barred = CHILD_BUSY
    return child, state


@kernel()
def is_behind(tree, edge, child):
    """Whether an edge has less than its part of its child's visits, and free ones are left."""
    visits = tree.edges[edge].passes + tree.edges[edge].under_way
    child_visits = tree.nodes[child].visits
    return (
        tree.stint[FREE_LEFT] > 0
        and child_visits > 0
        and (visits == 0 or child_visits * CATCH_UP_SHARE > visits)
    )


@kernel()
def prefetch_below(tree, edge, child):
    """Fetch what the walk reads next behind an edge, the child and its edges, while the move is
    made.
    """
    prefetch(tree.nodes, child)
    below = np.int64(tree.edges[edge].below)
    for first in range(below, below + LINES_AHEAD * EDGES_PER_LINE, EDGES_PER_LINE):
        prefetch(tree.edges, first)


@kernel()
def add_child(tree, params, node, edge, ply):
    """Give an edge its child, whose position is in `tree.stack[ply]`: the node of this position, or
    a new one, which the visit has claimed and is on its way to. Another thread may just have done
    so.

    Returns (child, whether it is new), or (NO_NODE, False) if the tree is full. Two threads that
    reach a new position at the same moment make two nodes of it.
    """
    its = tree.edges[edge]
    lock(tree.nodes, node)
    child = np.int64(its.child)
    is_new = False
    if child == NO_NODE:
        key = np.uint64(0)
        if params.transpositions:
            key = key_of(tree.stack[ply])
        if key != np.uint64(0):
            child = find_node(tree, key)
        if child == NO_NODE:
            child = new_node(tree)
            is_new = child != NO_NODE
        if is_new:
            tree.nodes[child].state = BUSY
            tree.key[child] = key
            its.under_way += 1
            its.barred = CHILD_BUSY
            order_writes()
            enter(tree, child)
        if child != NO_NODE:
            its.child = child
    unlock(tree.nodes, node)
    return child, is_new


@kernel()
def new_node(tree):
    """Add a node without edges; returns its number, or NO_NODE if the tree is full."""
    place = add(tree.counters, np.int64(NODES), np.int64(1))
    if place >= tree.nodes.size:
        add(tree.counters, np.int64(NODES), np.int64(-1))
        return NO_NODE
    node = np.int64(tree.order[place])
    reset_node(tree, node)
    return node


@kernel()
def note_depth(tree, depth):
    """Count a descent."""
    tree.depths[DESCENTS] += 1
    tree.depths[DEPTH_SUM] += depth
    tree.depths[DEEPEST] = max(tree.depths[DEEPEST], depth)


# ---- at the leaf ---------------------------------------------------------------------------------


@kernel()
def finish_at_once(tree, params, node, depth, state):
    """Finish a visit that needs no evaluation, whose walk ended in this state; returns whether it
    did.
    """
    if state == PENDING or state == VALUED:
        return False
    if state == PATH_DRAW:
        before = np.float64(tree.edges[tree.way[depth - 1]].passes)
        q = worth(tree.edges, tree.way[depth - 1]) / (before + 1.0)
        go_up(tree, params, depth, News(q, 0.0, 1.0, 0.0, 0.0, np.bool_(False)))
        return True
    means = mean_of(tree, node)
    finish_visit(tree, params, depth, node, state, means.value, means.draw, means.plies)
    return True


@kernel()
def ask_rules(tree, params, node, ply, leaves, leaf):
    """Copy the position in `tree.stack[ply]` to a leaf and ask the rules; returns (known,
    mate_plies) as in `Round`.

    The root is checked for checkmate only: the search must find a move there, even if a draw can be
    claimed. `leaves.moves` is scratch: who computes a policy generates the moves.
    """
    row, moves = leaves.rows[leaf], leaves.moves[leaf]
    copy_row(tree.stack[ply], row)
    end = game_end(row, np.int64(has_move(row, moves)))
    if end == CHECKMATE:
        return WIN, 0
    if node != ROOT:
        if end != ONGOING:
            return DRAW, 0
        scratch = tree.stack[len(tree.stack) - 1]
        if params.mate_in_one and can_mate(row, moves, scratch, tree.scratch_moves):
            return LOSS, 1
        if params.small_endings and has_few_pieces(row) and is_certain_draw(row):
            return DRAW, 0
    return UNKNOWN, 0
