"""The search tree as a struct of arrays, and the sign convention.

A node is a position, an edge a legal move. Nodes and edges are numbered; a node's edges lie side by side, those that
were tried first, each group sorted by prior, highest first (`priors` keeps them so).

Sign convention: everything stored at a node (`value_sum`, `lower`, `upper`) is seen by the side that moved into it,
which is the side to move at its parent: the parent maximises over its children as they stand. A leaf's value for its
own side to move is negated once, on entry, and the sign flips with every step towards the root.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, empty_stack

ROOT: Final = 0
NO_NODE: Final = -1
NO_PARENT: Final = -1

# Node states.
PENDING: Final = 0  # waits in a round for its evaluation
EXPANDED: Final = 1  # has its edges
TERMINAL: Final = 2  # decided by the rules, by a tablebase, or by a mate in one: no edges
PATH_REPETITION: Final = 3  # a draw only because this position occurred earlier in the search path
STUNTED: Final = 4  # evaluated, but there was no room for its edges

# Values of the bounds `lower` and `upper` on a node's game result, for the side that moved into it. LOSS and WIN while
# nothing is known; equal bounds decide the node.
LOSS: Final = -1
DRAW: Final = 0
WIN: Final = 1

UNKNOWN_DISTANCE: Final = -1  # in `mate_plies`: won or lost by a tablebase, which knows no mates

# Words of `counters`.
NODES: Final = 0  # nodes in use
EDGES: Final = 1  # edges in use
DEEPEST: Final = 2  # plies from the root to the deepest leaf so far
DEPTH_SUM: Final = 3  # over all descents, for the mean depth
DESCENTS: Final = 4
ROOT_PLY: Final = 5  # row of the root in `stack`
N_COUNTERS: Final = 6

# Words of a round's `counts`.
LEAVES: Final = 0  # leaves in flight
COLLISIONS: Final = 1  # descents that ended on a leaf already in flight

MAX_DEPTH: Final = 200  # plies below the root; deeper lines are not followed
MAX_ROUND: Final = 512  # leaves of one round, and collisions
MAX_VISITS: Final = 2_000_000_000  # of the root: its counter has 31 bits
BYTES_PER_NODE: Final = 4 * 8 + 8 * 3 + 2 + 3
BYTES_PER_EDGE: Final = 2 + 4 + 4
EDGES_PER_NODE: Final = 32  # room kept for edges, a node


class Tree(NamedTuple):
    """N nodes, E edges."""

    # nodes
    parent: np.ndarray  # int32 [N]
    first_edge: np.ndarray  # int64 [N]: a large tree has more than 2^31 edges
    n_edges: np.ndarray  # int32 [N]
    visits: np.ndarray  # int32 [N] finished visits
    in_flight: np.ndarray  # int32 [N] visits begun and not finished: the virtual loss
    value_sum: np.ndarray  # float64 [N] W; Q = W / visits in [-1, 1]
    draw_sum: np.ndarray  # float64 [N] sum of draw probabilities
    moves_left: np.ndarray  # float32 [N] mean plies to the end of the game
    mate_plies: np.ndarray  # int32 [N] plies to mate where won or lost, or UNKNOWN_DISTANCE
    state: np.ndarray  # int8 [N] PENDING ... STUNTED
    lower: np.ndarray  # int8 [N] the worst result that is still possible
    upper: np.ndarray  # int8 [N] the best
    asked_at: np.ndarray  # int32 [N] visits when alpha-beta last looked at it (`advice`)
    advised: np.ndarray  # uint16 [N] the move whose prior a hint has raised (`priors`), 0 for none
    own_prior: np.ndarray  # float32 [N] that move's P without the hint
    # edges
    move: np.ndarray  # uint16 [E]
    prior: np.ndarray  # float32 [E] P
    child: np.ndarray  # int32 [E] node or NO_NODE
    # the current path, and scratch
    stack: np.ndarray  # uint64 [history + MAX_DEPTH + 2, 16] the game so far and the path; the last row is scratch
    scratch_moves: np.ndarray  # uint16 [218]
    counters: np.ndarray  # int64 [N_COUNTERS]


class Round(NamedTuple):
    """The visits that were begun together and wait for their evaluations."""

    leaf_nodes: np.ndarray  # int32 [MAX_ROUND] nodes of the leaves, in order
    collision_nodes: np.ndarray  # int32 [MAX_ROUND] where collided descents ended
    known: np.ndarray  # int8 [MAX_ROUND] result of a leaf where it is certain, for the side that moved into it, or ...
    mate_plies: np.ndarray  # int32 [MAX_ROUND] and plies to mate, or UNKNOWN_DISTANCE
    counts: np.ndarray  # int64 [2] LEAVES, COLLISIONS


# More values of `Round.known`.
UNKNOWN: Final = 2  # to be evaluated
REPEATED: Final = 3  # a draw on this path only


def new_round() -> Round:
    """No visits."""
    return Round(
        leaf_nodes=np.empty(MAX_ROUND, np.int32),
        collision_nodes=np.empty(MAX_ROUND, np.int32),
        known=np.full(MAX_ROUND, UNKNOWN, np.int8),
        mate_plies=np.zeros(MAX_ROUND, np.int32),
        counts=np.zeros(2, np.int64),
    )


def new_tree(nodes: int, history: int = 1) -> Tree:
    """An empty tree with room for ``nodes`` nodes and ``history`` positions up to the root."""
    edges = nodes * EDGES_PER_NODE
    return Tree(
        parent=np.empty(nodes, np.int32),
        first_edge=np.empty(nodes, np.int64),
        n_edges=np.empty(nodes, np.int32),
        visits=np.empty(nodes, np.int32),
        in_flight=np.empty(nodes, np.int32),
        value_sum=np.empty(nodes, np.float64),
        draw_sum=np.empty(nodes, np.float64),
        moves_left=np.empty(nodes, np.float32),
        mate_plies=np.empty(nodes, np.int32),
        state=np.empty(nodes, np.int8),
        lower=np.empty(nodes, np.int8),
        upper=np.empty(nodes, np.int8),
        asked_at=np.empty(nodes, np.int32),
        advised=np.empty(nodes, np.uint16),
        own_prior=np.empty(nodes, np.float32),
        move=np.empty(edges, np.uint16),
        prior=np.empty(edges, np.float32),
        child=np.empty(edges, np.int32),
        stack=empty_stack(history + MAX_DEPTH + 2),
        scratch_moves=np.empty(MAX_MOVES, np.uint16),
        counters=np.zeros(N_COUNTERS, np.int64),
    )


def nodes_for(mebibytes: float) -> int:
    """How many nodes a tree of that size holds, at most as many as `parent` and `child` can number."""
    nodes = int(mebibytes * 2**20) // (BYTES_PER_NODE + EDGES_PER_NODE * BYTES_PER_EDGE)
    return min(max(1024, nodes), np.iinfo(np.int32).max)
