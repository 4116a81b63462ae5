"""A prior that is changed for a while: the advised move of a node, and its own prior to be given back.

The edges of a node stay sorted by prior, which `select_edge` relies on, and their priors add up to 1.
"""

from __future__ import annotations

import numpy as np

from engine.board.layout import NO_MOVE
from engine.native.jit import kernel
from engine.search.tree import NO_NODE


@kernel()
def advise(tree, node, move, advised_prior):
    """Give a move of ``node`` a prior of ``advised_prior``, unless its own is larger; returns its child or NO_NODE."""
    if tree.advised[node] != move:
        take_back(tree, node)
    edge = find_edge(tree, node, move)
    if edge == NO_NODE:
        return np.int64(NO_NODE)
    child = np.int64(tree.child[edge])
    prior = tree.prior[edge]
    if prior < advised_prior:
        tree.advised[node] = move
        tree.own_prior[node] = prior
        set_prior(tree, node, edge, advised_prior)
    return child


@kernel()
def take_back(tree, node):
    """Give the advised move of ``node``, if there is one, its own prior back."""
    if tree.advised[node] != NO_MOVE:
        edge = find_edge(tree, node, tree.advised[node])
        if edge != NO_NODE:
            set_prior(tree, node, edge, tree.own_prior[node])
        tree.advised[node] = NO_MOVE


@kernel()
def find_edge(tree, node, move):
    """The edge of a move, NO_NODE where it is not among the node's."""
    first = np.int64(tree.first_edge[node])
    for edge in range(first, first + tree.n_edges[node]):
        if tree.move[edge] == move:
            return np.int64(edge)
    return np.int64(NO_NODE)


@kernel()
def set_prior(tree, node, edge, prior):
    """Change the prior of one edge; the others share the rest as they did, and the order by priors is kept."""
    first = np.int64(tree.first_edge[node])
    last = first + tree.n_edges[node] - 1
    others = (np.float32(1.0) - prior) / (np.float32(1.0) - tree.prior[edge])
    for other in range(first, last + 1):
        tree.prior[other] *= others
    tree.prior[edge] = prior
    while edge > first and tree.prior[edge - 1] < tree.prior[edge]:
        swap_edges(tree, edge - 1, edge)
        edge -= 1
    while edge < last and tree.prior[edge + 1] > tree.prior[edge]:
        swap_edges(tree, edge, edge + 1)
        edge += 1


@kernel()
def swap_edges(tree, one, other):
    """Let two edges change places."""
    tree.prior[one], tree.prior[other] = tree.prior[other], tree.prior[one]
    tree.child[one], tree.child[other] = tree.child[other], tree.child[one]
    tree.move[one], tree.move[other] = tree.move[other], tree.move[one]
