"""Which move to look at next: PUCT with first-play urgency and moves-left utility, as Lc0 states them.

    cpuct(N) = init + factor * ln((N + base) / base)
    U = cpuct * sqrt(max(1, N_children)) * P / (1 + n + n_in_flight)
    unvisited: Q = Q(parent, mover) - reduction * sqrt(sum of the visited children's P, those that lose left out)
    M = -sign(Q) * clamp(slope * (m - m_parent), -max, max) * (1.6521 x - 0.6521 x^2)
        where |Q| of the parent is above the threshold; x = max(0, |Q| - threshold) / (1 - threshold)
Q counts a draw as `draw_score`. M (moves left m) prefers short wins and long losses.
Silver et al. 2018, "A general reinforcement learning algorithm that masters chess, shogi, and Go". Scores are float32,
as Lc0's are, so that ties fall alike.
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.search.tree import LOSS, NO_NODE

NO_EDGE = -1
MOVES_LEFT_LINEAR = 1.6521  # Lc0's MovesLeftScaledFactor
MOVES_LEFT_SQUARE = -0.6521  # and MovesLeftQuadraticFactor


@kernel()
def exploration(params, visits):
    """cpuct(N) of a node with ``visits`` visits."""
    return params.cpuct_init + params.cpuct_factor * np.log((visits + params.cpuct_base) / params.cpuct_base)


@kernel()
def mover_q(tree, node, draw_score):
    """Mean value of a node for its side to move, to whom a draw is worth ``draw_score``; 0 while it has no visits."""
    if tree.visits[node] == 0:
        return 0.0
    return (draw_score * tree.draw_sum[node] - tree.value_sum[node]) / tree.visits[node]


@kernel()
def moves_left_utility(tree, params, node, child, q):
    """M of a visited child with mean value ``q``; ``node`` is its parent."""
    most = params.moves_left_max_effect
    utility = max(-most, min(most, params.moves_left_slope * (tree.moves_left[child] - tree.moves_left[node])))
    beyond = max(0.0, abs(q) - params.moves_left_threshold) / (1.0 - params.moves_left_threshold)
    utility *= MOVES_LEFT_LINEAR * beyond + MOVES_LEFT_SQUARE * beyond * beyond
    return np.float32(-utility if q > 0 else utility)


@kernel()
def child_value(tree, params, node, child, draw_score, hurry):
    """Q + M of a visited child; ``hurry`` says whether M counts at ``node``."""
    value = tree.value_sum[child]
    if draw_score != 0.0:
        value += draw_score * tree.draw_sum[child]
    q = np.float32(value / tree.visits[child])
    return q + moves_left_utility(tree, params, node, child, q) if hurry else q


@kernel()
def select_edge(tree, params, node, draw_score):
    """The edge with the highest Q + U + M that is not known to lose; the first edge where all are.

    ``draw_score`` is what a draw is worth to the node's side to move. Unvisited children share one Q, which is known
    only at the end: of these the one with the highest U competes.
    """
    scale = np.float32(exploration(params, tree.visits[node]) * np.sqrt(max(1, tree.visits[node] - 1)))
    sure = params.moves_left_threshold * tree.visits[node]
    hurry = params.moves_left_max_effect > 0 and abs(tree.value_sum[node]) > sure
    visited_prior = np.float32(0.0)
    first = np.int64(tree.first_edge[node])
    best, best_score = first, np.float32(-np.inf)
    fresh, fresh_u = np.int64(NO_EDGE), np.float32(-np.inf)
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        u = scale * tree.prior[edge]
        if child != NO_NODE and tree.visits[child] > 0:
            if tree.upper[child] != LOSS:
                visited_prior += tree.prior[edge]
                u /= np.float32(1 + tree.visits[child] + tree.in_flight[child])
                score = child_value(tree, params, node, child, draw_score, hurry) + u
                if score > best_score:
                    best, best_score = np.int64(edge), score
            continue
        if child != NO_NODE:
            u /= np.float32(1 + tree.in_flight[child])
        if u > fresh_u:
            fresh, fresh_u = np.int64(edge), u
        if child == NO_NODE:
            break  # what follows was not tried either and has a lower prior (`priors`)
    fpu = np.float32(mover_q(tree, node, draw_score) - params.fpu_reduction * np.sqrt(visited_prior))
    score = fpu + fresh_u
    return fresh if fresh != NO_EDGE and (score > best_score or (score == best_score and fresh < best)) else best
