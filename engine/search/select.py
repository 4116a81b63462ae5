"""Which move to look at next: PUCT with first-play urgency, as Lc0 states it.

    cpuct(N) = init + factor * ln((N + base) / base)
    U = cpuct * sqrt(max(1, N_children)) * P / (1 + n + n_in_flight)
    unvisited: Q = Q(parent, mover) - reduction * sqrt(sum of the visited children's P)
Silver et al. 2018, "A general reinforcement learning algorithm that masters chess, shogi, and Go".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.jit import kernel
from engine.search.tree import LOSS, NO_NODE, ROOT


class SearchParams(NamedTuple):
    """What the search kernels are told, fixed for one search."""

    cpuct_init: float = 1.745
    cpuct_base: float = 38739.0
    cpuct_factor: float = 3.894
    fpu_reduction: float = 0.330
    policy_temperature: float = 1.359
    mate_in_one: bool = True  # look for a mating move when a leaf is reached
    needs_planes: bool = True  # whether the evaluator reads the input planes


@kernel()
def exploration(params, visits):
    """cpuct(N) of a node with ``visits`` visits."""
    return params.cpuct_init + params.cpuct_factor * np.log((visits + params.cpuct_base) / params.cpuct_base)


@kernel()
def mover_q(tree, node):
    """Mean value of a node for its side to move, 0 while it has no visits."""
    return -tree.value_sum[node] / tree.visits[node] if tree.visits[node] > 0 else 0.0


@kernel()
def first_play_urgency(tree, params, node):
    """The Q that unvisited children are credited with: less, the more of the policy has been looked at."""
    visited_prior = 0.0
    first = tree.first_edge[node]
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        if child != NO_NODE:
            if tree.visits[child] > 0:
                visited_prior += tree.prior[edge]
        elif node != ROOT:
            break  # sorted by prior: what follows an untouched edge is untouched (noise may unsort the root)
    return mover_q(tree, node) - params.fpu_reduction * np.sqrt(visited_prior)


@kernel()
def select_edge(tree, params, node):
    """The edge with the highest Q + U that is not known to lose; the first edge where all are."""
    fpu = first_play_urgency(tree, params, node)
    scale = exploration(params, tree.visits[node]) * np.sqrt(max(1, tree.visits[node] - 1))
    first = tree.first_edge[node]
    best_edge = np.int64(first)
    best_score = -np.inf
    for edge in range(first, first + tree.n_edges[node]):
        child = tree.child[edge]
        if child == NO_NODE:
            score = fpu + scale * tree.prior[edge]
        elif tree.proven[child] == LOSS:
            continue
        else:
            visits = tree.visits[child]
            q = tree.value_sum[child] / visits if visits > 0 else fpu
            score = q + scale * tree.prior[edge] / (1 + visits + tree.in_flight[child])
        if score > best_score:
            best_score = score
            best_edge = np.int64(edge)
        if child == NO_NODE and node != ROOT:
            break
    return best_edge
