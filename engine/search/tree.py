"""The search tree as a struct of arrays, and the sign convention.

A node is a position, an edge a legal move. Nodes and edges are numbered; a node's edges lie side by side, those that
were tried first, each group sorted by prior, highest first (`priors` keeps them so).

Sign convention: everything stored at a node (`value_sum`, `lower`, `upper`) is seen by the side that moved into it,
which is the side to move at its parent: the parent maximises over its children as they stand. A leaf's value for its
own side to move is negated once, on entry, and the sign flips with every step towards the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import numpy as np

from engine.board.layout import MAX_MOVES, NO_MOVE, empty_stack
from engine.native.jit import generated_kernel

ROOT: Final = 0
NO_NODE: Final = -1
NO_PARENT: Final = -1

# Node states.
PENDING: Final = 0  # The node waits in a round for its evaluation.
EXPANDED: Final = 1  # The node has its edges.
TERMINAL: Final = 2  # The rules, a tablebase or a mate in one decide the node; it has no edges.
PATH_REPETITION: Final = 3  # The node is a draw only because its position occurred earlier in the search path.
STUNTED: Final = 4  # The node was evaluated, but there was no room for its edges.
VALUED: Final = 5  # The node has a value; its policy and its edges come with its second visit.

# Values of the bounds `lower` and `upper` on a node's game result, for the side that moved into it. LOSS and WIN while
# nothing is known; equal bounds decide the node.
LOSS: Final = -1
DRAW: Final = 0
WIN: Final = 1

UNKNOWN_DISTANCE: Final = -1  # Value of `mate_plies` for a tablebase's win or loss: it knows no mates.

# Words of `counters`.
NODES: Final = 0  # Number of nodes in use.
EDGES: Final = 1  # Number of edges in use.
DEEPEST: Final = 2  # Plies from the root to the deepest leaf so far.
DEPTH_SUM: Final = 3  # Sum of the plies of all descents, for the mean depth.
DESCENTS: Final = 4  # Number of descents.
ROOT_PLY: Final = 5  # Row of the root in `stack`.
CLOCK: Final = 6  # Number of visits finished since the tree was empty.
SHRINKS: Final = 7  # How often old parts of a full tree were to give way since the root was set (`recycle`).
CANNOT_SHRINK: Final = 8  # Not 0 once too little of a full tree could give way.
N_COUNTERS: Final = 9

# Words of a round's `counts`.
LEAVES: Final = 0  # Number of leaves in flight.
COLLISIONS: Final = 1  # Number of descents that ended on a leaf already in flight.

MAX_DEPTH: Final = 200  # Plies below the root at which a descent ends.
MAX_ROUND: Final = 512  # Most leaves of one round, and most collisions.
MAX_VISITS: Final = 2_000_000_000  # Most visits of the root, whose counter has 31 bits.
ROOM_NODES: Final = 2 * MAX_ROUND  # A tree with room for fewer nodes is full: as many visits may be in flight.
ROOM_EDGES: Final = ROOM_NODES * 64  # The same for edges.
ROOM_SHARE: Final = 8  # A small tree is full when this part of its room is left, an eighth.
EDGES_PER_NODE: Final = 32  # Room for edges that is kept for each node if all of them get edges.
LATE_EDGES_PER_NODE: Final = 16  # The same if nodes get edges at their second visit, which half of them never see.


@dataclass(frozen=True)
class NodeField:
    """A field with a number for every node, and what a fresh node has."""

    dtype: type
    reset: float = 0


@dataclass(frozen=True)
class EdgeField:
    """A field with a number for every edge, and what a fresh edge has."""

    dtype: type
    reset: float = 0


class Tree(NamedTuple):
    """N nodes, E edges. One line a field: allocation, reset, moving and views of a tree are made from this table."""

    # nodes
    parent: Annotated[np.ndarray, NodeField(np.int32, NO_PARENT)]
    first_edge: Annotated[np.ndarray, NodeField(np.int64)]  # 64 bits, because a large tree has more than 2^31 edges.
    n_edges: Annotated[np.ndarray, NodeField(np.uint8)]  # At most 218.
    visits: Annotated[np.ndarray, NodeField(np.int32)]  # N, the finished visits.
    in_flight: Annotated[np.ndarray, NodeField(np.int16)]  # Visits begun and not finished, the virtual loss.
    value_sum: Annotated[np.ndarray, NodeField(np.float64)]  # W, where Q = W / visits is in [-1, 1].
    draw_sum: Annotated[np.ndarray, NodeField(np.float64)]  # Sum of the draw probabilities.
    square: Annotated[np.ndarray, NodeField(np.float32)]  # Mean of the squares of the values.
    moves_left: Annotated[np.ndarray, NodeField(np.float32)]  # Mean plies to the end of the game.
    mate_plies: Annotated[np.ndarray, NodeField(np.int16)]  # Plies to mate where won or lost, or UNKNOWN_DISTANCE.
    state: Annotated[np.ndarray, NodeField(np.int8, PENDING)]  # One of PENDING ... STUNTED.
    lower: Annotated[np.ndarray, NodeField(np.int8, LOSS)]  # The worst result that is still possible.
    upper: Annotated[np.ndarray, NodeField(np.int8, WIN)]  # The best result that is still possible.
    memo: Annotated[np.ndarray, NodeField(np.int16)]  # What the evaluator's value left for its policy.
    used_at: Annotated[np.ndarray, NodeField(np.int32)]  # CLOCK at the node's last visit.
    asked_at: Annotated[np.ndarray, NodeField(np.int32)]  # Visits when alpha-beta last looked here (`advice`).
    advised: Annotated[np.ndarray, NodeField(np.uint16, int(NO_MOVE))]  # The move whose prior a hint raised (`priors`).
    own_prior: Annotated[np.ndarray, NodeField(np.float32)]  # P of the advised move without the hint.
    # edges
    move: Annotated[np.ndarray, EdgeField(np.uint16, int(NO_MOVE))]
    prior: Annotated[np.ndarray, EdgeField(np.float32)]  # P.
    child: Annotated[np.ndarray, EdgeField(np.int32, NO_NODE)]  # The node behind the edge, or NO_NODE.
    # the current path, and scratch
    stack: np.ndarray  # uint64 [history + MAX_DEPTH + 2, 16]: the game, the path, and a last row for scratch.
    scratch_moves: np.ndarray  # uint16 [218]
    counters: np.ndarray  # int64 [N_COUNTERS]


def _fields(kind: type) -> dict[str, Any]:
    """The fields of a kind, by name."""
    hints = get_type_hints(Tree, include_extras=True)
    tables = {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    return {name: field for name, field in tables.items() if isinstance(field, kind)}


NODE_FIELDS: Final[dict[str, NodeField]] = _fields(NodeField)
EDGE_FIELDS: Final[dict[str, EdgeField]] = _fields(EdgeField)
BYTES_PER_NODE: Final = sum(np.dtype(field.dtype).itemsize for field in NODE_FIELDS.values())
BYTES_PER_EDGE: Final = sum(np.dtype(field.dtype).itemsize for field in EDGE_FIELDS.values())


def _for_each(name: str, parameters: str, fields: Mapping[str, NodeField | EdgeField], line: str) -> Any:
    """A kernel with a line for every field: ``{field}`` is its array, ``{reset}`` what a fresh node or edge has."""
    lines = (line.format(field=f"tree.{key}", reset=repr(field.reset)) for key, field in fields.items())
    return generated_kernel(name, parameters, lines, {})


reset_node = _for_each("reset_node", "tree, node", NODE_FIELDS, "{field}[node] = {reset}")
reset_edge = _for_each("reset_edge", "tree, edge", EDGE_FIELDS, "{field}[edge] = {reset}")
move_node = _for_each("move_node", "tree, node, to", NODE_FIELDS, "{field}[to] = {field}[node]")
move_edge = _for_each("move_edge", "tree, edge, to", EDGE_FIELDS, "{field}[to] = {field}[edge]")
swap_edges = _for_each(
    "swap_edges", "tree, one, other", EDGE_FIELDS, "{field}[one], {field}[other] = {field}[other], {field}[one]"
)


def view_kernel(kind: type) -> Any:
    """A kernel (many, number) that gives one of many trees or rounds, whose arrays have one more axis in front."""
    fields = ", ".join(f"many.{name}[number]" for name in kind._fields)  # type: ignore[attr-defined]
    return generated_kernel("view", "many, number", [f"return kind({fields})"], {"kind": kind})


class Round(NamedTuple):
    """The visits that were begun together and wait for their evaluations."""

    leaf_nodes: np.ndarray  # int32 [MAX_ROUND]: nodes of the leaves, in order.
    collision_nodes: np.ndarray  # int32 [MAX_ROUND]: nodes where collided descents ended.
    known: (
        np.ndarray
    )  # int8 [MAX_ROUND]: a leaf's certain result for the side that moved into it, or UNKNOWN or REPEATED.
    mate_plies: np.ndarray  # int32 [MAX_ROUND]: plies to mate of such a leaf, or UNKNOWN_DISTANCE.
    counts: np.ndarray  # int64 [2]: the counts LEAVES and COLLISIONS.


# More values of `Round.known`.
UNKNOWN: Final = 2  # The leaf is to be evaluated, or was.
REPEATED: Final = 3  # The leaf is a draw on this path only.
VALUE_ONLY: Final = 4  # The leaf was evaluated without its policy.


def new_round() -> Round:
    """No visits."""
    return Round(
        leaf_nodes=np.empty(MAX_ROUND, np.int32),
        collision_nodes=np.empty(MAX_ROUND, np.int32),
        known=np.full(MAX_ROUND, UNKNOWN, np.int8),
        mate_plies=np.zeros(MAX_ROUND, np.int32),
        counts=np.zeros(2, np.int64),
    )


def new_tree(nodes: int, history: int = 1, edges_per_node: int = EDGES_PER_NODE) -> Tree:
    """An empty tree with room for ``nodes`` nodes and ``history`` positions up to the root."""
    arrays: dict[str, Any] = {name: np.empty(nodes, field.dtype) for name, field in NODE_FIELDS.items()}
    arrays |= {name: np.empty(nodes * edges_per_node, field.dtype) for name, field in EDGE_FIELDS.items()}
    return Tree(
        **arrays,
        stack=empty_stack(history + MAX_DEPTH + 2),
        scratch_moves=np.empty(MAX_MOVES, np.uint16),
        counters=np.zeros(N_COUNTERS, np.int64),
    )


def nodes_for(mebibytes: float, edges_per_node: int = EDGES_PER_NODE) -> int:
    """How many nodes a tree of that size holds, at most as many as `parent` and `child` can number."""
    nodes = int(mebibytes * 2**20) // (BYTES_PER_NODE + edges_per_node * BYTES_PER_EDGE)
    return min(max(1024, nodes), np.iinfo(np.int32).max)
