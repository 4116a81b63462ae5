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
from engine.native.ordering import add, lock, publish, unlock
from engine.native.prefetch import prefetch
from engine.search.tree.arrays import (
    BASE,
    BUSY,
    CANNOT_SHRINK,
    CLOCK,
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    DONE,
    DRAW,
    DRAWS,
    EDGES,
    EXPANDED,
    LEAF_DEPTH,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NO_PARENT,
    NODES,
    PATH_REPETITION,
    PENDING,
    PLIES_LEFT,
    REPEATED,
    RESERVED,
    ROOM_EDGES,
    ROOM_NODES,
    ROOM_SHARE,
    ROOT,
    ROOT_PLY,
    SQUARES,
    TERMINAL,
    UNKNOWN,
    VALUED,
    VALUES,
    WIN,
    reset_node,
)
from engine.search.tree.heuristics import note
from engine.search.tree.proofs import decide, is_decided, update_ancestors
from engine.search.tree.puct import select_edge
from engine.search.tree.transpositions import enter, note_position, place_of, teacher_of_value
from engine.tactics.mates import mating_move
from engine.tactics.small_endings import has_few_men, is_certain_draw, judge_small_ending, share_of_value

# ---- down ------------------------------------------------------------------------------------------------------------


@kernel()
def is_finished(tree, params):
    """Whether the root is decided, so that more visits cannot change the result."""
    return tree.counters[NODES] > 0 and params.decide_root and is_decided(tree, ROOT)


@kernel()
def needs_room(tree):
    """Whether so little room is left that old parts of the tree have to give way (`room`) before the next visit."""
    if tree.counters[CANNOT_SHRINK] != 0:
        return False
    nodes_left = tree.nodes.size - tree.counters[NODES]
    edges_left = tree.move.size - tree.counters[EDGES]
    return nodes_left < min(ROOM_NODES, tree.nodes.size // ROOM_SHARE) or edges_left < min(
        ROOM_EDGES, tree.move.size // ROOM_SHARE
    )


@kernel()
def reach(nodes, node, visits):
    """Count more visits in flight at one of a tree's nodes, and claim it: make it BUSY if it is to be evaluated, or is
    to get its edges. Returns its state before.
    """
    lock(nodes, node)
    nodes[node].in_flight += visits
    state = np.int64(nodes[node].state)
    if state in (PENDING, VALUED):
        nodes[node].state = BUSY
    unlock(nodes, node)
    return state


@kernel()
def descend(tree, params, node, depth, state):
    """Walk down from `node` at `depth`, which had this state when the visit reached it, until the walk must stop.

    Returns (node, depth, state) of the last node. PENDING and VALUED: the visit has claimed it. BUSY: another one has.
    The node's position is in `tree.stack[ROOT_PLY + depth]`.
    """
    ply = tree.counters[ROOT_PLY]
    draw_score = params.draw_score if depth % 2 == 0 else -params.draw_score
    while state == EXPANDED and depth < MAX_DEPTH and (not is_decided(tree, node) or node == ROOT):
        edge = select_edge(tree, params, node, draw_score)
        child = np.int64(tree.child[edge])
        if child != NO_NODE:
            prefetch_below(tree, params, child)
        tree.path[depth] = tree.move[edge]
        push(tree.stack, ply + depth, tree.move[edge])
        if child == NO_NODE:
            prefetch(tree.table, place_of(tree, tree.stack[ply + depth + 1, KEY]))
        child = np.int64(tree.child[edge])
        if child != NO_NODE:
            state = reach(tree.nodes, child, np.int64(1))
        else:
            child, state = add_child(tree, params, node, edge, ply + depth + 1)
            if child == NO_NODE:
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
def prefetch_below(tree, params, node):
    """Fetch what the walk reads next at a node."""
    first = np.int64(tree.nodes[node].first_edge)
    prefetch(tree.child, first)
    prefetch(tree.prior, first)
    if params.transpositions and enters(tree, node):
        prefetch(tree.table, place_of(tree, tree.nodes[node].key))


@kernel()
def add_child(tree, params, node, edge, ply):
    """Reach a new child behind an edge, whose position is in `tree.stack[ply]`, or one that another thread has just
    added. Returns (child, its state), or (NO_NODE, EXPANDED) if the tree is full.
    """
    lock(tree.nodes, node)
    child = np.int64(tree.child[edge])
    is_new = child == NO_NODE
    if is_new:
        child = new_node(tree, node)
        if child != NO_NODE:
            tree.nodes[child].in_flight = 1
            tree.nodes[child].state = BUSY
            if params.transpositions:
                note_position(tree, child, ply)
            publish(tree.child, edge, child)
    unlock(tree.nodes, node)
    if child == NO_NODE:
        return child, np.int64(EXPANDED)
    return child, np.int64(PENDING) if is_new else reach(tree.nodes, child, np.int64(1))


@kernel()
def new_node(tree, parent):
    """Add a node without edges that waits for its evaluation; returns its number, or NO_NODE if the tree is full."""
    node = add(tree.counters, np.int64(NODES), np.int64(1))
    if node >= tree.nodes.size:
        add(tree.counters, np.int64(NODES), np.int64(-1))
        return np.int64(NO_NODE)
    reset_node(tree, node)
    tree.nodes[node].parent = parent
    return node


@kernel()
def note_depth(tree, depth):
    """Count a descent."""
    tree.depths[DESCENTS] += 1
    tree.depths[DEPTH_SUM] += depth
    tree.depths[DEEPEST] = max(tree.depths[DEEPEST], depth)


@kernel()
def take_back(tree, node):
    """Undo a visit in flight that ended at `node`, up to the stint's base, which keeps it, or to the root."""
    end = tree.stint[BASE] if tree.stint[RESERVED] > 0 else np.int64(NO_PARENT)
    while node != end:
        lock(tree.nodes, node)
        tree.nodes[node].in_flight -= 1
        unlock(tree.nodes, node)
        node = np.int64(tree.nodes[node].parent)


# ---- at the leaf -----------------------------------------------------------------------------------------------------


@kernel()
def finish_at_once(tree, params, node, state):
    """Finish a visit that needs no evaluation, at a node that it found in this state; returns whether it did."""
    if state != PENDING and state != VALUED:
        repeat_visit(tree, node, state)
        return True
    other = teacher_of_value(tree, node) if params.transpositions and state == PENDING else np.int64(NO_NODE)
    if other != NO_NODE:
        learn_value(tree, node, other)
    return other != NO_NODE


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
    finish_visit(tree, node, np.int64(VALUED), value, draw, moves_left)


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
    if node != ROOT and repeats_path(tree, ply):
        return np.int64(REPEATED), np.int64(0)
    count = generate(row, moves)
    leaves.n_moves[leaf] = count
    end = game_end(row, count)
    if end == CHECKMATE:
        return np.int64(WIN), np.int64(0)
    if node != ROOT:
        if end != ONGOING:
            return np.int64(DRAW), np.int64(0)
        if params.mate_in_one and mating_move(row, moves, count, tree.stack[-1], tree.scratch_moves) >= 0:
            return np.int64(LOSS), np.int64(1)
        if params.small_endings and has_few_men(row) and is_certain_draw(row):
            return np.int64(DRAW), np.int64(0)
    return np.int64(UNKNOWN), np.int64(0)


@kernel()
def repeats_path(tree, ply):
    """Whether the position at `ply` occurred once before, at or after the root, so that the search made a cycle."""
    if tree.stack[ply, REPETITIONS] != np.uint64(1):
        return False  # The rules call a third occurrence a draw.
    earlier = ply - 4
    while earlier >= tree.counters[ROOT_PLY]:
        if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
            return True
        earlier -= 2
    return False


# ---- up --------------------------------------------------------------------------------------------------------------


@kernel()
def finish_known(tree, params, node, known, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; `Round` lists the values of `known`."""
    if known == REPEATED:
        finish_visit(tree, node, np.int64(PATH_REPETITION), 0.0, 1.0, 0.0)
        return
    decide(tree, node, known, mate_plies)
    moves_left = np.float64(max(mate_plies, np.int64(0)))
    finish_visit(tree, node, np.int64(TERMINAL), np.float64(known), 1.0 if known == DRAW else 0.0, moves_left)
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
            leaves.rows[leaf], tree.stack[tree.counters[ROOT_PLY]], value, draw, moves_left
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
    clock, base, square, one = tree.counters[CLOCK] + 1, tree.stint[BASE], value * value, np.int64(1)
    depth = tree.stint[LEAF_DEPTH]
    side = np.int64(tree.stack[tree.counters[ROOT_PLY], SIDE]) ^ depth & one  # of the leaf
    while True:
        parent, value, draw, square = count_visits(
            tree.nodes, node, state, one, one, clock, value, draw, square, moves_left
        )
        if node == base:
            break
        if depth > 0:
            depth, side = depth - 1, side ^ one
            note(tree, parent, depth, side, value)
        state = np.int64(EXPANDED)
        value = -value
        moves_left += 1.0
        node = parent
    tree.stint[DONE] += 1
    if base == ROOT:
        add(tree.counters, np.int64(CLOCK), one)
    else:
        tree.earned[VALUES] += value
        tree.earned[DRAWS] += draw
        tree.earned[SQUARES] += square
        tree.earned[PLIES_LEFT] += moves_left


@kernel()
def count_visits(nodes, node, state, count, reserved, clock, value, draw, square, moves_left):
    """Count `count` finished visits at one of a tree's nodes, where `reserved` are in flight no more, and which is
    in `state` from now on. Value, draw, square and plies left are sums over them; at a decided node they count as its
    result.

    Returns (parent, value, draw, square), the sums as they were counted.
    """
    lock(nodes, node)
    if nodes[node].lower == nodes[node].upper:
        value = np.float64(nodes[node].lower) * count
        draw = np.float64(count) if nodes[node].lower == DRAW else 0.0
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
    unlock(nodes, node)
    return parent, value, draw, square
