"""One visit, from the root to a leaf and back: descend, judge, back up, and update the proofs.

Down: a visit follows the best edges from the root to a leaf. Visits in flight lower a child's U (virtual loss), which
spreads the leaves of a batch. A descent that ends on a leaf already in flight is a collision: its visits stay in flight
until the batch is applied, and are then taken back.

At the leaf: the rules, or a mate in one, may decide the position without an evaluation.

Up: `apply` expands the leaves of the batch, unless their policy was not evaluated, and averages their evaluations into
every node up to the root.

Proofs: the rules or a tablebase decide leaves, and bounds on the ancestors follow. Every node keeps bounds on its
result (MCTS-solver, Winands et al. 2008; draws as in Lc0's sticky endgames). The lower (upper) bound for its mover is
the maximum of the children's lower (upper) bounds. Equal bounds decide a node, and its past visits then count as that
result. A draw by repetition within the search path proves nothing, because it holds on that path only.
"""

from __future__ import annotations

import numpy as np

from engine.board.ending import CHECKMATE, ONGOING, game_end
from engine.board.layout import KEY, REPETITIONS
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.search.puct import select_edge
from engine.search.tree import (
    CANNOT_SHRINK,
    CLOCK,
    COLLISIONS,
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    DRAW,
    EDGES,
    EXPANDED,
    LEAVES,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NO_PARENT,
    NODES,
    PATH_REPETITION,
    PENDING,
    REPEATED,
    ROOM_EDGES,
    ROOM_NODES,
    ROOM_SHARE,
    ROOT,
    ROOT_PLY,
    STUNTED,
    TERMINAL,
    UNKNOWN,
    UNKNOWN_DISTANCE,
    VALUE_ONLY,
    VALUED,
    WIN,
    reset_edge,
    reset_node,
)
from engine.search.twins import enter, note_position, teacher_of_value
from engine.tactics.mates import mating_move

# ---- down ------------------------------------------------------------------------------------------------------------


@kernel()
def is_finished(tree, params):
    """Whether the root is decided, so that more visits cannot change the result."""
    return tree.counters[NODES] > 0 and params.decide_root and is_decided(tree, ROOT)


@kernel()
def needs_room(tree):
    """Whether so little room is left that old parts of the tree have to give way (`recycle`) before the next visit."""
    if tree.counters[CANNOT_SHRINK] != 0:
        return False
    nodes_left = tree.nodes.size - tree.counters[NODES]
    edges_left = tree.move.size - tree.counters[EDGES]
    return nodes_left < min(ROOM_NODES, tree.nodes.size // ROOM_SHARE) or edges_left < min(
        ROOM_EDGES, tree.move.size // ROOM_SHARE
    )


@kernel()
def begin_visit(tree, in_flight, params):
    """Begin one visit; returns (node, ply) of a new leaf whose position is in ``tree.stack[ply]``, or (NO_NODE, 0).

    (NO_NODE, 0) means that the visit was finished at once, or that it is a collision.
    """
    node, depth = descend(tree, params, enter_root(tree), np.int64(0))
    return arrive(tree, in_flight, params, node, depth)


@kernel()
def arrive(tree, in_flight, params, node, depth):
    """Finish or note a visit whose descent ended at ``node``; returns what `begin_visit` returns."""
    tree.counters[DESCENTS] += 1
    tree.counters[DEPTH_SUM] += depth
    tree.counters[DEEPEST] = max(tree.counters[DEEPEST], depth)
    state, nobody = tree.nodes[node].state, (np.int64(NO_NODE), np.int64(0))
    if state != PENDING and state != VALUED:
        repeat_visit(tree, node)
        return nobody
    if tree.nodes[node].in_flight > 1:
        in_flight.collision_nodes[in_flight.counts[COLLISIONS]] = node
        in_flight.counts[COLLISIONS] += 1
        return nobody
    twin = teacher_of_value(tree, node) if params.twins and state == PENDING else np.int64(NO_NODE)
    if twin == NO_NODE:
        return node, tree.counters[ROOT_PLY] + depth
    learn_value(tree, node, twin)
    return nobody


@kernel()
def enter_root(tree):
    """Begin a descent: the root, which is made if there is none, gets one visit in flight."""
    if tree.counters[NODES] == 0:
        new_node(tree, np.int64(NO_PARENT))
    tree.nodes[ROOT].in_flight += 1
    return np.int64(ROOT)


@kernel()
def descend(tree, params, node, depth):
    """Walk down from ``node`` at ``depth`` until the walk must stop; every new node on the way gets one visit in
    flight. Returns (node, depth).
    """
    ply = tree.counters[ROOT_PLY]
    draw_score = params.draw_score if depth % 2 == 0 else -params.draw_score
    while tree.nodes[node].state == EXPANDED and depth < MAX_DEPTH and (not is_decided(tree, node) or node == ROOT):
        edge = select_edge(tree, params, node, draw_score)
        child = np.int64(tree.child[edge])
        push(tree.stack, ply + depth, tree.move[edge])
        if child == NO_NODE:
            if tree.counters[NODES] >= tree.nodes.size:
                break  # The tree is full, so the visit ends at this node.
            child = new_node(tree, node)
            tree.child[edge] = child
            if params.twins:
                note_position(tree, child, ply + depth + 1)
        depth += 1
        draw_score = -draw_score
        node = child
        tree.nodes[node].in_flight += 1
        if params.twins and tree.nodes[node].visits & (tree.nodes[node].visits - 1) == 0:
            enter(tree, node)  # At first, and now and then: it may have more visits by now than the twin before it.
    return node, depth


@kernel()
def new_node(tree, parent):
    """Add a node without edges that waits for its evaluation; returns its number."""
    node = tree.counters[NODES]
    tree.counters[NODES] += 1
    reset_node(tree, node)
    tree.nodes[node].parent = parent
    return node


@kernel()
def repeat_visit(tree, node):
    """Revisit a node that has nothing new to offer: it is decided, drawn, too deep, or has no room for children."""
    visits = tree.nodes[node].visits
    moves_left = np.float64(tree.nodes[node].moves_left)
    finish_visit(tree, node, tree.nodes[node].value_sum / visits, tree.nodes[node].draw_sum / visits, moves_left)


@kernel()
def learn_value(tree, node, twin):
    """Finish the first visit of a node with the mean value of its twin."""
    visits = tree.nodes[twin].visits
    tree.nodes[node].state = VALUED
    tree.nodes[node].memo = tree.nodes[twin].memo
    moves_left = np.float64(tree.nodes[twin].moves_left)
    finish_visit(tree, node, tree.nodes[twin].value_sum / visits, tree.nodes[twin].draw_sum / visits, moves_left)


@kernel()
def repeats_path(tree, ply):
    """Whether the position at ``ply`` occurred once before, at or after the root, so that the search made a cycle."""
    if tree.stack[ply, REPETITIONS] != np.uint64(1):
        return False  # The rules call a third occurrence a draw.
    earlier = ply - 4
    while earlier >= tree.counters[ROOT_PLY]:
        if tree.stack[earlier, KEY] == tree.stack[ply, KEY]:
            return True
        earlier -= 2
    return False


# ---- at the leaf -----------------------------------------------------------------------------------------------------


@kernel()
def judge(leaves, leaf, at_root, mate_in_one, scratch_row, scratch_moves):
    """Generate the moves of the position in ``leaves.rows[leaf]``; returns (known, mate_plies) as in `tree.Round`.

    The root is checked for checkmate only: the search must find a move there, even if a draw can be claimed.
    """
    row = leaves.rows[leaf]
    moves = leaves.moves[leaf]
    count = generate(row, moves)
    leaves.n_moves[leaf] = count
    end = game_end(row, count)
    if end == CHECKMATE:
        return np.int64(WIN), np.int64(0)
    if not at_root:
        if end != ONGOING:
            return np.int64(DRAW), np.int64(0)
        if mate_in_one and mating_move(row, moves, count, scratch_row, scratch_moves) >= 0:
            return np.int64(LOSS), np.int64(1)
    return np.int64(UNKNOWN), np.int64(0)


# ---- up --------------------------------------------------------------------------------------------------------------


@kernel()
def apply(tree, in_flight, params, leaves, first):
    """Expand and back up the leaves of ``in_flight`` in the order gathered.

    Their evaluations are in ``leaves[first:]``.
    """
    for k in range(in_flight.counts[LEAVES]):
        apply_leaf(tree, in_flight, params, leaves, k, first + k)
    for k in range(in_flight.counts[COLLISIONS]):
        node = np.int64(in_flight.collision_nodes[k])
        while node != NO_PARENT:
            tree.nodes[node].in_flight -= 1
            node = np.int64(tree.nodes[node].parent)
    in_flight.counts[LEAVES] = 0
    in_flight.counts[COLLISIONS] = 0


@kernel()
def apply_leaf(tree, in_flight, params, leaves, k, leaf):
    """Expand and back up leaf ``k`` of ``in_flight``, whose evaluation is in ``leaves[leaf]``."""
    node, known = np.int64(in_flight.leaf_nodes[k]), np.int64(in_flight.known[k])
    if known != UNKNOWN and known != VALUE_ONLY:
        finish_known(tree, params, node, known, np.int64(in_flight.mate_plies[k]))
        return
    tree.nodes[node].memo = leaves.memo[leaf]
    if known == VALUE_ONLY:
        tree.nodes[node].state = VALUED
    else:
        expand(tree, params, node, leaves.moves[leaf], leaves.logits[leaf], leaves.n_moves[leaf])
    value = np.float64(leaves.wdl[leaf, 2]) - np.float64(leaves.wdl[leaf, 0])
    finish_visit(tree, node, value, np.float64(leaves.wdl[leaf, 1]), np.float64(leaves.moves_left[leaf]))


@kernel()
def expand(tree, params, node, moves, logits, count):
    """Give a node its edges, sorted by prior = softmax(logits / temperature), or mark it STUNTED if they do not fit."""
    highest = logits[0]
    for i in range(1, count):
        highest = max(highest, logits[i])
    total = 0.0
    temperature = params.policy_temperature
    if node == ROOT and params.root_temperature > 0:
        temperature = params.root_temperature
    weights = tree.scratch_priors
    for i in range(count):
        weight = np.exp((np.float64(logits[i]) - np.float64(highest)) / temperature)
        if not weight >= 0.0:
            weight = 0.0  # A network that overflowed: places by weight need numbers.
        total += weight
        weights[i] = np.float32(weight)
    if total == 0.0:
        weights[:count] = np.float32(1.0)
        total = np.float64(count)
    add_edges(tree, node, moves, np.int64(0), count, np.float32(total))


@kernel()
def take_moves(tree, node, twin):
    """Give a node the moves and priors of its twin, or mark it STUNTED if they do not fit."""
    first, count = np.int64(tree.nodes[twin].first_edge), np.int64(tree.nodes[twin].n_edges)
    for i in range(count):
        tree.scratch_priors[i] = tree.prior[first + i]
    add_edges(tree, node, tree.move, first, count, np.float32(1.0))


@kernel()
def add_edges(tree, node, moves, begin, count, total):
    """Give a node edges for ``moves[begin : begin + count]``, or mark it STUNTED if they do not fit.

    Their priors are the weights in ``tree.scratch_priors``, in the order of the moves, divided by ``total``.
    """
    first, weights = tree.counters[EDGES], tree.scratch_priors
    if first + count > tree.move.size:
        tree.nodes[node].state = STUNTED
        return
    tree.counters[EDGES] += count
    for i in range(count):
        edge = first + rank(weights, i, count)
        reset_edge(tree, edge)
        tree.prior[edge] = weights[i] / total
        tree.move[edge] = moves[begin + i]
    tree.nodes[node].first_edge = first
    tree.nodes[node].n_edges = count
    tree.nodes[node].state = EXPANDED


@kernel()
def rank(weights, i, count):
    """The place of ``weights[i]`` among ``count`` sorted weights, highest first; equal ones keep their order.

    Comparing each with all is faster than sorting: a few vectors of comparisons, and no branch to predict.
    """
    place, weight = np.int64(0), weights[i]
    for other in range(i):
        place += weights[other] >= weight
    for other in range(i + 1, count):
        place += weights[other] > weight
    return place


@kernel()
def finish_known(tree, params, node, known, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; `Round` lists the values of ``known``."""
    if known == REPEATED:
        tree.nodes[node].state = PATH_REPETITION
        finish_visit(tree, node, 0.0, 1.0, 0.0)
        return
    decide(tree, node, known, mate_plies)
    moves_left = np.float64(max(mate_plies, np.int64(0)))
    finish_visit(tree, node, np.float64(known), 1.0 if known == DRAW else 0.0, moves_left)
    spread(tree, params, node)


@kernel()
def finish_visit(tree, node, value, draw, moves_left):
    """Count a visit on ``node`` and all its ancestors; ``value`` is for the side that moved into ``node``.

    A decided ancestor counts this visit as its proven result, whatever the visit found.
    """
    tree.counters[CLOCK] += 1
    while node != NO_PARENT:
        if is_decided(tree, node):
            value = np.float64(tree.nodes[node].lower)
            draw = 1.0 if tree.nodes[node].lower == DRAW else 0.0
        tree.nodes[node].in_flight -= 1
        tree.nodes[node].visits += 1
        tree.nodes[node].used_at = tree.counters[CLOCK]
        tree.nodes[node].value_sum += value
        tree.nodes[node].draw_sum += draw
        tree.nodes[node].square += np.float32((value * value - tree.nodes[node].square) / tree.nodes[node].visits)
        tree.nodes[node].moves_left += np.float32((moves_left - tree.nodes[node].moves_left) / tree.nodes[node].visits)
        value = -value
        moves_left += 1.0
        node = np.int64(tree.nodes[node].parent)


# ---- proofs ----------------------------------------------------------------------------------------------------------


@kernel()
def is_decided(tree, node):
    """Whether a node's result is known."""
    return tree.nodes[node].lower == tree.nodes[node].upper


@kernel()
def decide(tree, node, result, plies):
    """Mark a new leaf as decided, with ``result`` for the side that moved into it and mate in ``plies``."""
    tree.nodes[node].state = TERMINAL
    tree.nodes[node].lower = result
    tree.nodes[node].upper = result
    tree.nodes[node].mate_plies = plies


@kernel()
def spread(tree, params, node):
    """Update the bounds of the ancestors of ``node``, whose own bounds have just changed."""
    node = np.int64(tree.nodes[node].parent)
    while node != NO_PARENT and (node != ROOT or params.decide_root) and not is_decided(tree, node):
        lower, upper = best_bounds(tree, node)
        if tree.nodes[node].lower == -upper and tree.nodes[node].upper == -lower:
            return
        tree.nodes[node].lower = -upper
        tree.nodes[node].upper = -lower
        if lower == upper:
            tree.nodes[node].mate_plies = mate_distance(tree, node, lower)
            settle_past_visits(tree, node)
        node = np.int64(tree.nodes[node].parent)


@kernel()
def best_bounds(tree, node):
    """Bounds (lower, upper) on the best result that the mover of ``node`` can reach."""
    lower, upper = np.int64(LOSS), np.int64(LOSS)
    first = tree.nodes[node].first_edge
    for edge in range(first, first + tree.nodes[node].n_edges):
        child = tree.child[edge]
        if child == NO_NODE:
            upper = np.int64(WIN)
        else:
            lower = max(lower, np.int64(tree.nodes[child].lower))
            upper = max(upper, np.int64(tree.nodes[child].upper))
        if lower == WIN:
            break
    return lower, upper


@kernel()
def mate_distance(tree, node, result):
    """Plies to mate at a node whose mover has the proven ``result``: the shortest win, or the longest defence."""
    if result == DRAW:
        return np.int64(0)
    found = np.int64(UNKNOWN_DISTANCE)
    first = tree.nodes[node].first_edge
    for edge in range(first, first + tree.nodes[node].n_edges):
        child = tree.child[edge]
        if child == NO_NODE or tree.nodes[child].lower != result or tree.nodes[child].upper != result:
            continue
        plies = np.int64(tree.nodes[child].mate_plies)
        if plies == UNKNOWN_DISTANCE:
            if result == LOSS:
                return plies  # This defence may be the longest, and its length is unknown.
        elif found == UNKNOWN_DISTANCE or (plies < found) == (result == WIN):
            found = plies
    return found + 1 if found != UNKNOWN_DISTANCE else found


@kernel()
def settle_past_visits(tree, node):
    """Make all past visits of a decided node count as its result, there and in all its ancestors."""
    visits = tree.nodes[node].visits
    difference = np.float64(tree.nodes[node].lower) * visits - tree.nodes[node].value_sum
    draws = (visits if tree.nodes[node].lower == DRAW else 0.0) - tree.nodes[node].draw_sum
    tree.nodes[node].square = np.float32(abs(tree.nodes[node].lower))
    while node != NO_PARENT:
        tree.nodes[node].value_sum += difference
        tree.nodes[node].draw_sum += draws
        difference = -difference
        node = np.int64(tree.nodes[node].parent)
        if node != NO_PARENT and is_decided(tree, node):
            return
