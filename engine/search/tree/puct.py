"""Choose the next move to visit: PUCT with first-play urgency and moves-left utility, as in Lc0,
and with exploration that follows how much the values below a node differ.

    cpuct(N) = init + factor * ln((N + base) / base)
    U = cpuct * D * sqrt(max(1, N_children)) * P / (1 + n + n_in_flight)
    D = 1 + deviation share * (standard deviation of the node's values / typical deviation - 1)
    unvisited: Q = Q(parent, mover) - reduction * sqrt(sum of P over visited children, without proven losses)
        with a sparse network without the square root
    M = -sign(Q) * clamp(slope * (m - m_parent), -max, max) * (1.6521 x - 0.6521 x^2)
        if |Q| of the parent is above the threshold; x = max(0, |Q| - threshold) / (1 - threshold)
Q counts a draw as `draw_score`. M (moves left m) prefers short wins and long losses.
D explores more where much hangs on the move, and less in calm positions (KataGo's dynamic cpuct scaling).
Silver et al. 2018, "A general reinforcement learning algorithm that masters chess, shogi, and Go". Scores are float32
as in Lc0, so that ties break the same way.
"""

import numpy as np

from engine.native.elementary import log
from engine.native.jit import kernel
from engine.search.tree.arrays import ASIDE, LOST, NO_NODE, ROOT, UNVISITED
from engine.search.tree.params import (
    DEVIATION_VISITS,
    MOVES_LEFT_LINEAR,
    MOVES_LEFT_SQUARE,
    TYPICAL_DEVIATION,
)

NO_EDGE = -1  # No edge was found.
# In a kernel, a power is a function to compile.
_TYPICAL_SPREAD = TYPICAL_DEVIATION**2 * DEVIATION_VISITS


@kernel()
def exploration(params, visits):
    """cpuct(N) of a node with `visits` visits."""
    return params.cpuct_init + params.cpuct_factor * log(
        (visits + params.cpuct_base) / params.cpuct_base
    )


@kernel()
def deviation(tree, node):
    """Return the deviation of a node's values, where TYPICAL_DEVIATION counts as much as
    DEVIATION_VISITS visits.
    """
    its = tree.nodes[node]
    visits = max(1, its.visits)
    mean = its.value_sum / visits
    spread = max(0.0, its.square_sum - mean * mean * visits)
    return np.sqrt((_TYPICAL_SPREAD + spread) / (DEVIATION_VISITS + visits - 1))


@kernel()
def exploration_scale(tree, params, node):
    """Return what the prior of an unvisited edge of `node` is multiplied by to give its U."""
    visits = tree.nodes[node].visits
    strength = exploration(params, visits) * np.sqrt(max(1, visits - 1))
    if params.cpuct_deviation > 0:
        strength *= 1.0 + params.cpuct_deviation * (deviation(tree, node) / TYPICAL_DEVIATION - 1.0)
    return np.float32(strength)


@kernel()
def mover_q(tree, node, draw_score):
    """Mean value of a node for its side to move, which values a draw at `draw_score`; 0 while it
    has no visits.
    """
    its = tree.nodes[node]
    if its.visits == 0:
        return 0.0
    return (draw_score * its.draw_sum - its.value_sum) / its.visits


@kernel()
def first_play_urgency(tree, params, node, draw_score, visited_prior):
    """Q of the unvisited edges of `node`; `visited_prior`: sum of P over the visited ones that may
    not lose.
    """
    looked_at = visited_prior
    if not params.fpu_linear:
        looked_at = np.sqrt(visited_prior)
    return np.float32(mover_q(tree, node, draw_score) - params.fpu_reduction * looked_at)


@kernel()
def in_a_hurry(tree, params, node):
    """Whether M counts at `node`."""
    sure = params.moves_left_threshold * tree.nodes[node].visits
    return params.moves_left_max_effect > 0 and abs(tree.nodes[node].value_sum) > sure


@kernel()
def mean_plies(tree, node):
    """Mean plies from a visited node to the end of the game."""
    return tree.nodes[node].plies_sum / tree.nodes[node].visits


@kernel()
def moves_left_utility(tree, params, node, child, q):
    """M of a visited child with mean value `q`; `node` is its parent."""
    most = params.moves_left_max_effect
    longer = mean_plies(tree, child) - mean_plies(tree, node)
    utility = max(-most, min(most, params.moves_left_slope * longer))
    beyond = max(0.0, abs(q) - params.moves_left_threshold) / (1.0 - params.moves_left_threshold)
    utility *= MOVES_LEFT_LINEAR * beyond + MOVES_LEFT_SQUARE * beyond * beyond
    return np.float32(-utility if q > 0 else utility)


@kernel()
def child_value(tree, params, node, edge, draw_score, hurry):
    """Q + M of a visited edge; `hurry` says whether M counts at `node`."""
    q = max(tree.edges[edge].q, np.float32(-1.0))
    child = np.int64(tree.edges[edge].child)
    if child == NO_NODE or tree.nodes[child].visits == 0:
        return q + np.float32(draw_score)  # All its visits were draws on their paths.
    if draw_score != 0.0:
        q += np.float32(draw_score * tree.nodes[child].draw_sum / tree.nodes[child].visits)
    if hurry:
        return q + moves_left_utility(tree, params, node, child, q)
    return q


@kernel()
def exploration_bonus(tree, edge, scale):
    """U of an edge; `scale` is its node's."""
    its = tree.edges[edge]
    begun = its.passes + its.under_way
    return scale * its.prior / np.float32(1 + begun)


@kernel()
def select_edge(tree, params, node, draw_score):
    """Return the edge with the highest Q + U + M that is not known to lose; the first edge if all
    are known to lose.

    `draw_score` is the value of a draw for the node's side to move. Unvisited children share one Q,
    which is known only after the loop, so only the unvisited child with the highest U competes.
    """
    scale = exploration_scale(tree, params, node)
    hurry = in_a_hurry(tree, params, node)
    by_q = draw_score == 0.0 and not hurry
    visited_prior = np.float32(0.0)
    first = tree.nodes[node].first_edge
    best = first
    best_score = np.float32(-np.inf)
    fresh = NO_EDGE
    fresh_u = np.float32(-np.inf)
    for edge in range(first, first + tree.nodes[node].n_edges):
        its = tree.edges[edge]
        prior, q = its.prior, its.q
        barred = its.barred
        if barred == ASIDE or (barred != 0 and params.avoid_busy):
            # Where all children are busy, the visit waits at the first.
            if barred != ASIDE and q != UNVISITED:
                visited_prior += prior
            continue
        u = exploration_bonus(tree, edge, scale)
        if q == UNVISITED:
            if u > fresh_u:
                fresh = edge
                fresh_u = u
            if its.child == NO_NODE:
                # The edges after this one are untried too, and none has a higher prior (`priors`).
                break
        elif q != LOST:
            visited_prior += prior
            score = u + (q if by_q else child_value(tree, params, node, edge, draw_score, hurry))
            if score > best_score:
                best = edge
                best_score = score
    score = first_play_urgency(tree, params, node, draw_score, visited_prior) + fresh_u
    if fresh != NO_EDGE and (score > best_score or (score == best_score and fresh < best)):
        return fresh
    return best


@kernel()
def score_root_edges(tree, params, u, s):
    """Write U and S = Q + U + M of every edge of the root, float32 [n], as `select_edge` has them
    between rounds; returns the Q of unvisited ones.
    """
    draw_score = np.float64(params.draw_score)
    scale = exploration_scale(tree, params, ROOT)
    hurry = in_a_hurry(tree, params, ROOT)
    first = tree.nodes[ROOT].first_edge
    visited_prior = np.float32(0.0)
    for i in range(u.size):
        q = tree.edges[first + i].q
        if q != UNVISITED and q != LOST:
            visited_prior += tree.edges[first + i].prior
    urgency = first_play_urgency(tree, params, ROOT, draw_score, visited_prior)
    for i in range(u.size):
        edge = first + i
        u[i] = exploration_bonus(tree, edge, scale)
        if tree.edges[edge].q == UNVISITED:
            s[i] = urgency + u[i]
        else:
            s[i] = child_value(tree, params, ROOT, edge, draw_score, hurry) + u[i]
    return urgency
