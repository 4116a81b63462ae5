"""What a visit leaves behind on its way up: the values of its edges and nodes, and proofs.

A node's value follows from its own evaluation u(n) and from its edges, each as its child stands
(`arrays`):

    N(n) = 1 + sum of N(n, a)        Q(n) = (u(n) - sum of N(n, a) Q(c(n, a))) / N(n)

A visit changes one edge of each node on its way. So every node takes what this edge gave so far out
of its sum, and adds what the edge gives now: it reads none of the other edges, and the children's Q
are as old as the last visits through these edges.
"""

from typing import NamedTuple

import numpy as np

from engine.board.layout import SIDE
from engine.native.atomics import add, lock, order_writes, unlock
from engine.native.jit import kernel
from engine.search.tree.arrays import (
    BASE_DEPTH,
    CLOCK,
    DONE,
    DRAW,
    DRAWS,
    FREE,
    FREE_LEFT,
    IN_FLIGHT,
    LEAF_DEPTH,
    PLIES_LEFT,
    RESERVED,
    ROOT,
    ROOT_PLY,
    SQUARES,
    TERMINAL,
)
from engine.search.tree.butterfly import note_advantage
from engine.search.tree.edges import q_of, worth
from engine.search.tree.proofs import decide, is_decided, narrow, settle_past_visits
from engine.tactics.small_endings import judge_small_ending, share_of_value

# ---- the leaf ------------------------------------------------------------------------------------


@kernel()
def finish_known(tree, params, depth, node, result, mate_plies):
    """Finish the first visit of a leaf that needs no evaluation; `result` is one of
    `Round.known`.
    """
    decide(tree, node, result, mate_plies)
    plies = np.float64(max(mate_plies, 0))
    draw = 1.0 if result == DRAW else 0.0
    finish_visit(tree, params, depth, node, np.int64(TERMINAL), np.float64(result), draw, plies)


@kernel()
def finish_evaluated(tree, params, depth, node, state, leaves, leaf):
    """Finish a visit whose evaluation is in `leaves[leaf]`; its node is in `state` from now on."""
    tree.nodes[node].quiet_level = leaves.quiet_level[leaf]
    value = np.float64(leaves.wdl[leaf, 0]) - np.float64(leaves.wdl[leaf, 2])
    draw = np.float64(leaves.wdl[leaf, 1])
    value = without_tempo(params, value)
    if params.fading_endings:
        part = share_of_value(leaves.rows[leaf], value)
        value, draw = part * value, 1.0 - part * (1.0 - draw)
    moves_left = np.float64(leaves.moves_left[leaf])
    if params.small_endings:
        value, draw, moves_left = judge_small_ending(leaves.rows[leaf], value, draw, moves_left)
    finish_visit(tree, params, depth, node, state, -value, draw, moves_left)


@kernel()
def without_tempo(params, value):
    """Return an evaluation as a search would judge it, for the side to move: it moves, and the
    reply is not yet known, so evaluations are higher than the mean of the positions below. Left as
    they are, Q would depend on whether most lines end after an odd or an even number of plies.
    """
    return value - params.tempo * (1.0 - value * value)


@kernel()
def finish_visit(tree, params, depth, node, state, value, draw, plies):
    """Count a visit on a leaf, which is in `state` from now on, and on the edges and nodes of its
    way.

    `value` is for the side that moved into `node`.
    """
    lock(tree.nodes, node)
    tree.nodes[node].state = state
    order_writes()  # Whoever sees the visit sees what the node is.
    add_to_node(tree, node, np.int64(1), tree.counters[CLOCK] + 1)
    add_to_sums(tree, node, value, draw, value * value, plies)
    q = np.float64(q_of(tree.nodes, node))
    unlock(tree.nodes, node)
    go_up(tree, params, depth, News(q, value, draw, value * value, plies, is_decided(tree, node)))


@kernel()
def mean_of(tree, node):
    """Return what a visit that ends at a visited node finds there: its means, as News."""
    its = tree.nodes[node]
    lock(tree.nodes, node)
    visits = np.float64(its.visits)
    news = News(
        np.float64(q_of(tree.nodes, node)),
        its.value_sum / visits,
        its.draw_sum / visits,
        its.square_sum / visits,
        its.plies_sum / visits,
        is_decided(tree, node),
    )
    unlock(tree.nodes, node)
    return news


# ---- the way up ----------------------------------------------------------------------------------


class News(NamedTuple):
    """What finished visits bring to the node above an edge, for the side that moved into the edge's
    child.
    """

    q: float  # What the edge has from now on.
    value: float  # Sum of the values.
    draw: float  # Sum of the draw probabilities.
    square: float  # Sum of the squares of the values.
    plies: float  # Sum of the plies from the child to the end of the game.
    proves: np.bool  # Whether bounds of the child may be news to the node.


class Counted(NamedTuple):
    """How a way up counts."""

    visits: np.int64  # Finished visits.
    reserved: np.int64  # Visits that are in flight no more.
    clock: np.int64  # CLOCK afterwards.


@kernel()
def go_up(tree, params, depth, news):
    """Count a visit on the edges and nodes of its way, from its end up to the stint's base, and let
    proofs spread.
    """
    base_depth = tree.stint[BASE_DEPTH]
    single = np.int64(1)
    none = np.int64(0)
    clock = tree.counters[CLOCK] + 1
    learns = tree.stint[LEAF_DEPTH] > 0
    # Of the leaf.
    side = np.int64(tree.stack[tree.counters[ROOT_PLY], SIDE]) ^ depth & single
    while depth > base_depth:
        depth, side = depth - 1, side ^ single
        node = node_on(tree, depth)
        if learns:
            note_advantage(tree, node, depth, side, news.value)
        news = pass_by(tree, params, node, tree.way[depth], Counted(single, single, clock), news)
    tree.stint[DONE] += 1
    if base_depth == 0:
        add(tree.counters, np.int64(CLOCK), single)
        land(tree, single)
    tree.earned[DRAWS] += news.draw
    tree.earned[SQUARES] += news.square
    tree.earned[PLIES_LEFT] += news.plies
    while news.proves and depth > 0:
        depth -= 1
        proof = News(news.q, 0.0, 0.0, 0.0, 0.0, news.proves)
        counted = Counted(none, none, clock)
        news = pass_by(tree, params, node_on(tree, depth), tree.way[depth], counted, proof)


@kernel()
def pass_by(tree, params, node, edge, counted, news):
    """Count finished visits through one of a node's edges. The node's value follows what the edge
    has now, its visits and the child's q, in place of what it had.

    At a decided node visits count as its result. Returns the news for the node above.
    """
    lock(tree.nodes, node)
    visits = np.float64(counted.visits)
    value = -news.value
    draw = news.draw
    square = news.square
    plies = news.plies + visits
    gain = -renew_edge(tree, edge, counted, news.q)
    if is_decided(tree, node):
        value = visits * tree.nodes[node].lower
        draw = visits if tree.nodes[node].lower == DRAW else 0.0
        square = abs(value)
        gain = value
    add_to_node(tree, node, counted.visits, counted.clock)
    add_to_sums(tree, node, gain, draw, square, plies)
    proves = news.proves and spread_proof(tree, params, node)
    q = np.float64(q_of(tree.nodes, node))
    unlock(tree.nodes, node)
    return News(q, value, draw, square, plies, proves)


@kernel()
def renew_edge(tree, edge, counted, q):
    """Count finished visits on an edge, whose child has this q; returns by how much more the edge
    is worth to its node's mover.
    """
    its = tree.edges[edge]
    before = worth(tree.edges, edge)
    its.passes += counted.visits
    its.under_way -= counted.reserved
    if counted.reserved > 0:
        its.barred = 0
    if its.passes > 0:
        its.q = q
    return worth(tree.edges, edge) - before


@kernel()
def add_to_node(tree, node, visits, clock):
    """Count finished visits on a node."""
    tree.nodes[node].visits += visits
    tree.nodes[node].used_at = clock


@kernel()
def add_to_sums(tree, node, value, draw, square, plies):
    """Add what visits brought to a node, for the side that moved into it."""
    its = tree.nodes[node]
    its.value_sum += value
    its.draw_sum += draw
    its.square_sum += square
    its.plies_sum += plies


@kernel()
def spread_proof(tree, params, node):
    """Let bounds of a node's children reach the node; returns whether its own are narrower."""
    if is_decided(tree, node) or (node == ROOT and not params.decide_root):
        return False
    if not narrow(tree, node):
        return False
    if is_decided(tree, node):
        settle_past_visits(tree, node)
    return True


@kernel()
def catch_up(tree, params, node, edge, child):
    """Count a free visit through an edge of a node, whose child has more visits than the edge."""
    tree.stint[FREE_LEFT] -= 1
    counted = Counted(np.int64(1), np.int64(0), tree.counters[CLOCK] + 1)
    pass_by(tree, params, node, edge, counted, mean_of(tree, child))
    if node == ROOT:
        add(tree.counters, np.int64(FREE), np.int64(1))


@kernel()
def take_back(tree, depth):
    """Undo a visit in flight that went so far down `tree.way`, from the stint's base, which keeps
    it, or the root.
    """
    while depth > tree.stint[BASE_DEPTH]:
        depth -= 1
        node = node_on(tree, depth)
        lock(tree.nodes, node)
        tree.edges[tree.way[depth]].under_way -= 1
        unlock(tree.nodes, node)
    if tree.stint[RESERVED] == 0:
        land(tree, np.int64(1))


@kernel()
def node_on(tree, depth):
    """Return the node at a depth of `tree.way`."""
    if depth == 0:
        return ROOT
    return np.int64(tree.edges[tree.way[depth - 1]].child)


@kernel()
def land(tree, visits):
    """Count visits of the root that are in flight no more."""
    lock(tree.nodes, ROOT)
    tree.counters[IN_FLIGHT] -= visits
    unlock(tree.nodes, ROOT)
