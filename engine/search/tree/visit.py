"""One visit, from the root to a leaf and back: walk down, ask the rules, back up. The phases, in their order.

Down: a visit follows the best edges from the root to a leaf. Visits in flight lower a child's U (virtual loss), which
spreads the visits of several threads and the leaves of a batch. The first visit to reach a leaf claims it, by making it
BUSY. One that reaches a leaf that another visit has claimed is a collision.

At the leaf: the rules, or a mate in one, may decide the position without an evaluation.

Up: the visit expands its leaf, unless only its value was evaluated, and averages the evaluation into every node up to
the root. Then proofs spread (`proofs`).
"""

from __future__ import annotations

import numpy as np

from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.layout import KEY, REPETITIONS, SIDE
from engine.board.makemove import copy_row, push
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.native.ordering import add, lock, order_writes, unlock
from engine.native.prefetch import prefetch
from engine.search.tree import arrays
from engine.search.tree.arrays import reset_node
from engine.search.tree.edges import note_child, note_flight
from engine.search.tree.heuristics import note
from engine.search.tree.proofs import decide, is_decided, update_ancestors
from engine.search.tree.puct import select_edge
from engine.search.tree.transpositions import enter, note_position, place_of, teacher_of_value
from engine.tactics.mates import mating_move
from engine.tactics.small_endings import has_few_men, is_certain_draw, judge_small_ending, share_of_value

LINES_AHEAD = 3  # Lines of the processor's cache that are fetched of a node's edges. Set by hand.

# ---- down ------------------------------------------------------------------------------------------------------------


@kernel()
def is_finished(tree, params):
    """Whether the root is decided, so that more visits cannot change the result."""
    return tree.counters[arrays.NODES] > 0 and params.decide_root and is_decided(tree, arrays.ROOT)


@kernel()
def reach(tree, node, visits):
    """Count more visits in flight at one of a tree's nodes, and claim it: make it BUSY if it is to be evaluated, or is
    to get its edges. Returns its state before.
    """
    nodes = tree.nodes
    lock(nodes, node)
    nodes[node].in_flight += visits
    state = np.int64(nodes[node].state)
    if state in (arrays.PENDING, arrays.VALUED):
        nodes[node].state = arrays.BUSY
    note_flight(nodes, tree.edges, node)
    unlock(nodes, node)
    return state


@kernel()
def descend(tree, params, node, depth, state):
    """Walk down from `node` at `depth`, which had this state when the visit reached it, until the walk must stop.

    Returns (node, depth, state) of the last node. PENDING and VALUED: the visit has claimed it. BUSY: another one has.
    The node's position is in `tree.stack[ROOT_PLY + depth]`.
    """
    ply = tree.counters[arrays.ROOT_PLY]
    draw_score = params.draw_score if depth % 2 == 0 else -params.draw_score
    while state == arrays.EXPANDED and depth < arrays.MAX_DEPTH and (not is_decided(tree, node) or node == arrays.ROOT):
        edge = select_edge(tree, params, node, draw_score)
        child = np.int64(tree.edges[edge].child)
        if child != arrays.NO_NODE:
            prefetch_below(tree, edge, child)
        tree.path[depth] = tree.edges[edge].move
        push(tree.stack, ply + depth, tree.edges[edge].move)
        if child == arrays.NO_NODE:
            prefetch(tree.table, place_of(tree, tree.stack[ply + depth + 1, KEY]))
        child = np.int64(tree.edges[edge].child)
        if child != arrays.NO_NODE:
            state = reach(tree, child, np.int64(1))
        else:
            child, state = add_child(tree, params, node, edge, ply + depth + 1)
            if child == arrays.NO_NODE:
                break  # The tree is full, so the visit ends at this node.
        depth += 1
        draw_score = -draw_score
        node = child
        if params.transpositions and enters(tree, node):
            enter(tree, node)
    return node, depth, state


@kernel()
def enters(tree, node):
    """Whether a node is to be entered among transpositions: at first, and each time that its visits have doubled,
    because it may have more by now than the one before it.
    """
    return tree.nodes[node].visits & (tree.nodes[node].visits - 1) == 0


@kernel()
def prefetch_below(tree, edge, child):
    """Fetch what the walk reads next behind an edge, the child and its edges, while the move is made."""
    prefetch(tree.nodes, child)
    below = np.int64(tree.edges[edge].below)
    for first in range(below, below + LINES_AHEAD * arrays.EDGES_PER_LINE, arrays.EDGES_PER_LINE):
        prefetch(tree.edges, first)


@kernel()
def add_child(tree, params, node, edge, ply):
    """Reach a new child behind an edge, whose position is in `tree.stack[ply]`, or one that another thread has just
    added. Returns (child, its state), or (NO_NODE, EXPANDED) if the tree is full.
    """
    lock(tree.nodes, node)
    child = np.int64(tree.edges[edge].child)
    is_new = child == arrays.NO_NODE
    if is_new:
        child = new_node(tree, node, edge - np.int64(tree.nodes[node].first_edge))
        if child != arrays.NO_NODE:
            tree.nodes[child].in_flight = 1
            tree.nodes[child].state = arrays.BUSY
            if params.transpositions:
                note_position(tree, child, ply)
            note_flight(tree.nodes, tree.edges, child)
            order_writes()
            tree.edges[edge].child = child
    unlock(tree.nodes, node)
    if child == arrays.NO_NODE:
        return child, np.int64(arrays.EXPANDED)
    return child, np.int64(arrays.PENDING) if is_new else reach(tree, child, np.int64(1))


@kernel()
def new_node(tree, parent, place):
    """Add a node without edges behind edge `place` of `parent`; returns its number, or NO_NODE if the tree is full."""
    node = add(tree.counters, np.int64(arrays.NODES), np.int64(1))
    if node >= tree.nodes.size:
        add(tree.counters, np.int64(arrays.NODES), np.int64(-1))
        return np.int64(arrays.NO_NODE)
    reset_node(tree, node)
    tree.nodes[node].parent = parent
    tree.nodes[node].place = place
    return node


@kernel()
def note_depth(tree, depth):
    """Count a descent."""
    tree.depths[arrays.DESCENTS] += 1
    tree.depths[arrays.DEPTH_SUM] += depth
    tree.depths[arrays.DEEPEST] = max(tree.depths[arrays.DEEPEST], depth)


@kernel()
def take_back(tree, node):
    """Undo a visit in flight that ended at `node`, up to the stint's base, which keeps it, or to the root."""
    end = tree.stint[arrays.BASE] if tree.stint[arrays.RESERVED] > 0 else np.int64(arrays.NO_PARENT)
    while node != end:
        lock(tree.nodes, node)
        tree.nodes[node].in_flight -= 1
        note_flight(tree.nodes, tree.edges, node)
        unlock(tree.nodes, node)
        node = np.int64(tree.nodes[node].parent)


# ---- at the leaf -----------------------------------------------------------------------------------------------------


@kernel()
def finish_at_once(tree, params, node, state):
    """Finish a visit that needs no evaluation, at a node that it found in this state; returns whether it did."""
    if state != arrays.PENDING and state != arrays.VALUED:
        repeat_visit(tree, node, state)
        return True
    other = (
        teacher_of_value(tree, node) if params.transpositions and state == arrays.PENDING else np.int64(arrays.NO_NODE)
    )
    if other != arrays.NO_NODE:
        learn_value(tree, node, other)
    return other != arrays.NO_NODE


@kernel()
def repeat_visit(tree, node, state):
    """Revisit a node that has nothing new to offer: it is decided, drawn, too deep, or has no room for children."""
    value, draw, moves_left = mean_of(tree, node)
    finish_visit(tree, node, state, value, draw, moves_left)


@kernel()
def learn_value(tree, node, other):
    """Finish the first visit of a node with the mean value of its transposition."""
    value, draw, moves_left = mean_of(tree, other)
    tree.nodes[node].quiet_level = tree.nodes[other].quiet_level
    finish_visit(tree, node, np.int64(arrays.VALUED), value, draw, moves_left)


@kernel()
def mean_of(tree, node):
    """(mean value, mean draw probability, mean plies left) of a node that was visited."""
    lock(tree.nodes, node)
    visits = tree.nodes[node].visits
    value, draw = tree.nodes[node].value_sum / visits, tree.nodes[node].draw_sum / visits
    moves_left = np.float64(tree.nodes[node].moves_left)
    unlock(tree.nodes, node)
    return value, draw, moves_left


@kernel()
def ask_rules(tree, params, node, ply, leaves, leaf):
    """Copy the position in `tree.stack[ply]` to a leaf and ask the rules; returns (known, mate_plies) as in `Round`.

    Generates the leaf's moves. The root is checked for checkmate only: the search must find a move there, even if a
    draw can be claimed.
    """
    row, moves = leaves.rows[leaf], leaves.moves[leaf]
    copy_row(tree.stack[ply], row)
    if node != arrays.ROOT and repeats_path(tree, ply):
        return np.int64(arrays.REPEATED), np.int64(0)
    count = generate(row, moves)
    leaves.n_moves[leaf] = count
    end = game_end(row, count)
    if end == CHECKMATE:
        return np.int64(arrays.WIN), np.int64(0)
    if node != arrays.ROOT:
        if end != ONGOING:
            return np.int64(arrays.DRAW), np.int64(0)
        if params.mate_in_one and mating_move(row, moves, count, tree.stack[-1], tree.scratch_moves) >= 0:
            return np.int64(arrays.LOSS), np.int64(1)
        if params.small_endings and has_few_men(row) and is_certain_draw(row):
            return np.int64(arrays.DRAW), np.int64(0)
    return np.int64(arrays.UNKNOWN), np.int64(0)


@kernel()
def repeats_path(tree, ply):
    """Whether the position at `ply` occurred once before, at or after the root, so that the search made a cycle."""
    if tree.stack[ply, REPETITIONS] != np.uint64(1):
        return False  # The rules call a third occurrence a draw.
    earlier = ply - 4
    while earlier >= tree.counters[arrays.ROOT_PLY]:
        if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
            return True
        earlier -= 2
    return False


# ---- up --------------------------------------------------------------------------------------------------------------


@kernel()
def finish_known(tree, params, node, known, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; `Round` lists the values of `known`."""
    if known == arrays.REPEATED:
        finish_visit(tree, node, np.int64(arrays.PATH_REPETITION), 0.0, 1.0, 0.0)
        return
    decide(tree, node, known, mate_plies)
    moves_left = np.float64(max(mate_plies, np.int64(0)))
    finish_visit(
        tree, node, np.int64(arrays.TERMINAL), np.float64(known), 1.0 if known == arrays.DRAW else 0.0, moves_left
    )
    update_ancestors(tree, params, node)


@kernel()
def finish_evaluated(tree, params, node, state, leaves, leaf):
    """Finish a visit whose evaluation is in `leaves[leaf]`; its node is in `state` from now on."""
    tree.nodes[node].quiet_level = leaves.quiet_level[leaf]
    value, draw = np.float64(leaves.wdl[leaf, 0]) - np.float64(leaves.wdl[leaf, 2]), np.float64(leaves.wdl[leaf, 1])
    value = without_tempo(params, value)
    if params.fading_endings:
        share = share_of_value(leaves.rows[leaf], value)
        value, draw = share * value, 1.0 - share * (1.0 - draw)
    moves_left = np.float64(leaves.moves_left[leaf])
    if params.small_endings and has_few_men(leaves.rows[leaf]):
        value, draw, moves_left = judge_small_ending(
            leaves.rows[leaf], tree.stack[tree.counters[arrays.ROOT_PLY]], value, draw, moves_left
        )
    finish_visit(tree, node, state, -value, draw, moves_left)


@kernel()
def without_tempo(params, value):
    """Return an evaluation as a search would judge it, for the side to move: it moves, and the reply is not yet
    known, so evaluations are higher than the mean of the positions below. Left as they are, Q would depend on whether
    most lines end after an odd or an even number of plies.
    """
    return value - params.tempo * (1.0 - value * value)


@kernel()
def finish_visit(tree, node, state, value, draw, moves_left):
    """Count a visit on `node`, which is in `state` from now on, and its ancestors up to the stint's base.

    All these are expanded. `value` is for the side that moved into `node`. A decided ancestor counts this visit as
    its proven result, whatever the visit found.
    """
    clock, base, square, one = tree.counters[arrays.CLOCK] + 1, tree.stint[arrays.BASE], value * value, np.int64(1)
    depth = tree.stint[arrays.LEAF_DEPTH]
    side = np.int64(tree.stack[tree.counters[arrays.ROOT_PLY], SIDE]) ^ depth & one  # of the leaf
    while True:
        parent, value, draw, square = count_visits(tree, node, state, one, one, clock, value, draw, square, moves_left)
        if node == base:
            break
        if depth > 0:
            depth, side = depth - 1, side ^ one
            note(tree, parent, depth, side, value)
        state = np.int64(arrays.EXPANDED)
        value = -value
        moves_left += 1.0
        node = parent
    tree.stint[arrays.DONE] += 1
    if base == arrays.ROOT:
        add(tree.counters, np.int64(arrays.CLOCK), one)
    else:
        tree.earned[arrays.VALUES] += value
        tree.earned[arrays.DRAWS] += draw
        tree.earned[arrays.SQUARES] += square
        tree.earned[arrays.PLIES_LEFT] += moves_left


@kernel()
def count_visits(tree, node, state, count, reserved, clock, value, draw, square, moves_left):
    """Count `count` finished visits at one of a tree's nodes, where `reserved` are in flight no more, and which is
    in `state` from now on. Value, draw, square and plies left are sums over them; at a decided node they count as its
    result.

    Returns (parent, value, draw, square), the sums as they were counted.
    """
    nodes = tree.nodes
    lock(nodes, node)
    if nodes[node].lower == nodes[node].upper:
        value = np.float64(nodes[node].lower) * count
        draw = np.float64(count) if nodes[node].lower == arrays.DRAW else 0.0
        square = abs(value)
    visits = nodes[node].visits + count
    nodes[node].state = state
    nodes[node].in_flight -= reserved
    nodes[node].visits = visits
    nodes[node].used_at = clock
    nodes[node].value_sum += value
    nodes[node].draw_sum += draw
    nodes[node].square += np.float32((square - count * nodes[node].square) / visits)
    nodes[node].moves_left += np.float32((moves_left - count * nodes[node].moves_left) / visits)
    parent = np.int64(nodes[node].parent)
    note_child(nodes, tree.edges, node)
    unlock(nodes, node)
    return parent, value, draw, square
