"""The search tree as an array of nodes and one of edges, and the sign convention.

A node is a position, an edge a legal move. Several edges may lead to one node, so the tree is a
graph (`transpositions`). Nodes and edges are numbered; a node's edges lie side by side, those that
were tried first, each group sorted by prior, highest first (`priors` keeps them so). An edge also
has what the choice between a node's edges reads of their children, as the last visit through it saw
them (`edges`), so that it need not look at them.

An edge has visits of its own, because a child may have more by other ways. `backup` has the
formulas.

Sign convention: everything stored at a node (`value_sum`, `lower`, `upper`) is seen by the side
that moved into it, which is the side to move at its parents: a parent maximises over its children
as they stand. A leaf's value for its own side to move is negated once, on entry, and the sign flips
with every step towards the root.

Several threads may visit one tree. Each has a `Tree` whose nodes, edges, table and counters are
those of all, and whose path and scratch are its own (`for_thread`). What changes a node or its
edges holds the node's lock, and no thread holds two. Readers take no lock: what they read is whole,
and at most a visit old.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np

from engine.board.layout import MAX_MOVES, NO_MOVE, empty_stack
from engine.native.aligned_arrays import CACHE_LINE, aligned, aligned_zeros, buffers, record_type
from engine.native.atomics import SPACING
from engine.native.jit import generated_kernel

ROOT: Any = np.int64(0)
NO_NODE = -1

# Node states.
PENDING = 0  # The node was never evaluated.
EXPANDED = 1  # The node has its edges.
TERMINAL = 2  # The rules, a tablebase or a mate in one decide the node; it has no edges.
STUNTED = 4  # The node was evaluated, but there was no room for its edges.
VALUED = 5  # The node has a value; its policy and its edges come with its second visit.
BUSY = 6  # The node belongs to a visit under way, which evaluates it or gives it edges.

# How a walk may end besides at a node in one of these states.
PATH_DRAW = 7  # At an edge whose move draws on this path only.
LAGGING = 8  # At an edge with fewer visits than its child has.

# Values of the bounds `lower` and `upper` on a node's game result, for the side that moved into it.
# LOSS and WIN while nothing is known; equal bounds decide the node.
LOSS = -1
DRAW = 0
WIN = 1

# Values of an edge's `q` that are none.
UNVISITED = np.float32(np.inf)  # There is no child, or it has no visits.
LOST = np.float32(-np.inf)  # It is proven that the move loses.

# Values of an edge's `barred`.
CHILD_BUSY = 1  # A visit through this edge evaluates the child.
ASIDE = 2  # A root move that wins, beside which the search goes on (`excluded_wins`).

# Value of `mate_plies` for a tablebase's win or loss: it knows no mates.
UNKNOWN_DISTANCE = -1

# Words of `counters`. The first change at every visit, the others seldom: they lie on lines of the
# cache of their own.
NODES = 0  # Number of nodes in use.
EDGES = 1  # Number of edges in use.
CLOCK = 2  # Number of visits finished since the tree was empty.
IN_FLIGHT = 3  # Visits of the root that were begun and are not finished.
ROOT_PLY = 8  # Row of the root in `stack`.
# How often old parts of a full tree were to give way since the root was set (`forgetting`).
SHRINKS = 9
CANNOT_SHRINK = 10  # Not 0 once too little of a full tree could give way.
FREE = 12  # Visits of the root that were not made, because its children had them already.
SWEEP = 11  # Number of the last pass over the nodes.
N_COUNTERS = 13

# Words of `depths`.
DEEPEST = 0  # Plies from the root to the deepest leaf so far.
DEPTH_SUM = 1  # Sum of the plies of all descents, for the mean depth.
DESCENTS = 2  # Number of descents.

# Words of `Tree.stint`.
# The node below which the thread's visits are made; the ROOT where there is no stint.
BASE = 0
BASE_DEPTH = 1  # Its plies from the root.
RESERVED = 2  # Visits that its ancestors count as in flight.
DONE = 3  # Those of them that are finished.
LEFT = 4  # Those of them that have not begun.
FREE_LEFT = 6  # Free visits that the walk may still make.
LEAF_DEPTH = 5  # Plies from the root to the visit's leaf; 0 where no heuristic learns.

# Words of `earned`: sums over the finished visits of a stint, seen by the side that moved into the
# base.
DRAWS = 0  # Draw probabilities.
SQUARES = 1  # Squares of the values.
PLIES_LEFT = 2  # Plies from the base to the end of the game.

# Words of a round's `counts`.
LEAVES = 0  # Number of leaves in flight.
COLLISIONS = 1  # Number of descents that ended on a leaf already in flight.

MAX_DEPTH = 200  # Plies below the root at which a descent ends.
MAX_ROUND = 512  # Most leaves of one round, and most collisions.
# More visits than a search makes in a hundred years; counters hold twice as many.
MAX_VISITS = 2**62
# A tree with room for fewer nodes is full: as many visits may be in flight.
ROOM_NODES = 2 * MAX_ROUND
ROOM_EDGES = ROOM_NODES * 64  # The same for edges.
ROOM_SHARE = 8  # A small tree is full when this part of its room is left, an eighth.
EDGES_PER_NODE = 32  # Room for edges that is kept for each node if all of them get edges.
# The same if nodes get edges at their second visit, which half of them never see.
LATE_EDGES_PER_NODE = 16


@dataclass(frozen=True)
class RecordField:
    """A field with a number for every node or every edge, and what a fresh one has."""

    dtype: type
    reset: float = 0


class Node:
    """A node. Its fields fill one line of the processor's cache, because a visit reads most of them
    together.

    Kernels write `tree.nodes[node].visits`; elsewhere `tree.visits` is that field of all nodes.
    Whatever grows with the visits has 64 bits: sums keep fifteen digits, and counters end after
    MAX_VISITS, which no search reaches.
    """

    value_sum = RecordField(np.float64)  # W, where Q = W / visits is in [-1, 1].
    draw_sum = RecordField(np.float64)  # Sum of the draw probabilities.
    square_sum = RecordField(np.float64)  # Sum of the squares of the values.
    plies_sum = RecordField(np.float64)  # Sum of the plies to the end of the game.
    first_edge = RecordField(np.int64)  # A large tree has more than 2^31 edges.
    visits = RecordField(np.int64)  # N, the finished visits.
    used_at = RecordField(np.int64)  # CLOCK at the node's last visit.
    # What the evaluator's value left for its policy.
    quiet_level = RecordField(np.int16)
    n_edges = RecordField(np.uint8)  # At most 218.
    state = RecordField(np.int8, PENDING)  # One of PENDING ... VALUED.
    lower = RecordField(np.int8, LOSS)  # The worst result that is still possible.
    upper = RecordField(np.int8, WIN)  # The best result that is still possible.
    # Not 0 while a thread changes the node (`native.atomics`).
    lock = RecordField(np.uint8)


class Edge:
    """An edge. What the choice between edges reads lies on few lines of the processor's cache
    (`Node`).
    """

    prior = RecordField(np.float32)  # P.
    # Q of the child, or UNVISITED or LOST.
    q = RecordField(np.float32, float(UNVISITED))
    passes = RecordField(np.int64)  # N of the edge, the finished visits through it.
    child = RecordField(np.int32, NO_NODE)  # The node behind the edge, or NO_NODE.
    # Low bits of the child's `first_edge`, to fetch its edges in time.
    below = RecordField(np.uint32)
    move = RecordField(np.uint16, int(NO_MOVE))
    # What heuristics added to P's logit, in BONUS_UNITs.
    bonus = RecordField(np.int16)
    # Visits begun and not finished, the virtual loss: at most STINT_VISITS for each thread.
    under_way = RecordField(np.int16)
    barred = RecordField(np.int16)  # 0, or why visits pass by: CHILD_BUSY or ASIDE.


class Tree(NamedTuple):
    """N nodes, E edges. One line a field: allocation, reset, moving and views of a tree are made
    from these tables.
    """

    nodes: np.ndarray  # record array [N], the fields of `Node`.
    edges: np.ndarray  # record array [E], the fields of `Edge`.
    # More of the nodes, which most visits do not read.
    # Key of the position; `transpositions` skips 0.
    key: Annotated[np.ndarray, RecordField(np.uint64)]
    # Plies to mate where won or lost, or UNKNOWN_DISTANCE.
    mate_plies: Annotated[np.ndarray, RecordField(np.int16)]
    # Visits when alpha-beta last looked here (`tactical_priors`).
    asked_at: Annotated[np.ndarray, RecordField(np.int64)]
    # The move whose prior a hint raised (`priors`).
    hinted: Annotated[np.ndarray, RecordField(np.uint16, int(NO_MOVE))]
    # P of the hinted move without the hint.
    own_prior: Annotated[np.ndarray, RecordField(np.float32)]
    seen_in: Annotated[np.ndarray, RecordField(np.int64)]  # The last SWEEP that came by.
    order: np.ndarray  # int32 [N]: nodes in the order in which they are taken into use.
    # The transposition table.
    # uint64 [a power of two >= N]: a node for each place, which the low bits of a key number.
    table: np.ndarray
    counters: np.ndarray  # int64 [N_COUNTERS]
    # Each thread's own: the current path, its stint, scratch, and how deep its descents were.
    # uint64 [history + MAX_DEPTH + 2, 16]: the game, the path, and a last row for scratch.
    stack: np.ndarray
    stint: np.ndarray  # int64 [8]: where its visits begin (`visits`).
    earned: np.ndarray  # float64 [8]: what the visits of its stint brought.
    path: np.ndarray  # uint16 [MAX_DEPTH]: the moves from the root to its last leaf.
    way: np.ndarray  # int64 [MAX_DEPTH]: their edges.
    butterfly: np.ndarray  # float32 [2, 4096, 2]: by side and squares of a move, see `butterfly`.
    scratch_moves: np.ndarray  # uint16 [218]
    scratch_priors: np.ndarray  # float32 [218]
    scratch_reals: np.ndarray  # float64 [224]
    scratch_bonuses: np.ndarray  # int16 [218]
    depths: np.ndarray  # int64 [8]

    def __getattr__(self, name: str) -> np.ndarray:
        """Return a field of `Node` for all nodes, or of `Edge` for all edges, as a view."""
        if name in RECORD_FIELDS:
            field: np.ndarray = self.nodes[name]
        elif name in EDGE_FIELDS:
            field = self.edges[name]
        else:
            raise AttributeError(name)
        return field


Fields = Mapping[str, RecordField]


def _fields(table: type) -> dict[str, RecordField]:
    return {name: field for name, field in vars(table).items() if isinstance(field, RecordField)}


RECORD_FIELDS = _fields(Node)
LOOSE_FIELDS: dict[str, RecordField] = {  # Those that have an array of their own.
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Tree, include_extras=True).items()
    if hasattr(hint, "__metadata__")
}
NODE_FIELDS = RECORD_FIELDS | LOOSE_FIELDS
EDGE_FIELDS = _fields(Edge)


NODE_TYPE = record_type({name: field.dtype for name, field in RECORD_FIELDS.items()})
EDGE_TYPE = record_type({name: field.dtype for name, field in EDGE_FIELDS.items()})
BYTES_PER_PLACE = 16  # Most that the transposition table has for each node.
BYTES_PER_NODE = (
    NODE_TYPE.itemsize
    + sum(np.dtype(field.dtype).itemsize for field in LOOSE_FIELDS.values())
    + BYTES_PER_PLACE
    + 4
)
BYTES_PER_EDGE = EDGE_TYPE.itemsize
EDGES_PER_LINE = CACHE_LINE // BYTES_PER_EDGE


def _at(name: str, number: str) -> str:
    """Return the field of a node or an edge in the source of a kernel."""
    if name in LOOSE_FIELDS:
        return f"tree.{name}[{number}]"
    if name in EDGE_FIELDS:
        return f"tree.edges[{number}].{name}"
    return f"tree.nodes[{number}].{name}"


def _reset_kernel(name: str, fields: Fields) -> Any:
    """Return a kernel (tree, number) that makes a node or an edge a fresh one."""
    lines = (f"{_at(key, 'number')} = {field.reset!r}" for key, field in fields.items())
    return generated_kernel(name, "tree, number", lines, {"inf": np.inf})


def _move_kernel(name: str, fields: Fields) -> Any:
    """Return a kernel (tree, number, to) that copies a node or an edge."""
    lines = (f"{_at(key, 'to')} = {_at(key, 'number')}" for key in fields)
    return generated_kernel(name, "tree, number, to", lines, {})


def _swap_kernel(name: str, fields: Fields) -> Any:
    """Return a kernel (tree, first, second) that exchanges two nodes or edges."""
    pairs = [(_at(key, "first"), _at(key, "second")) for key in fields]
    lines = (f"{first}, {second} = {second}, {first}" for first, second in pairs)
    return generated_kernel(name, "tree, first, second", lines, {})


reset_node = _reset_kernel("reset_node", NODE_FIELDS)
reset_edge = _reset_kernel("reset_edge", EDGE_FIELDS)
move_node = _move_kernel("move_node", NODE_FIELDS)
move_edge = _move_kernel("move_edge", EDGE_FIELDS)
exchange_edges = _swap_kernel("exchange_edges", EDGE_FIELDS)


def view_kernel(kind: type) -> Any:
    """Make a kernel (many, number) that gives one of many trees or rounds, whose arrays have one
    more axis in front.
    """
    fields = ", ".join(f"many.{name}[number]" for name in kind._fields)  # type: ignore[attr-defined]
    return generated_kernel("view", "many, number", [f"return kind({fields})"], {"kind": kind})


class Round(NamedTuple):
    """Up to R visits that were begun together and wait for their evaluations, and up to R that
    collided.
    """

    leaf_nodes: Annotated[np.ndarray, "int32 [R]"]  # nodes of the leaves, in order.
    # A leaf's certain result for its last mover, or a value from below.
    known: Annotated[np.ndarray, "int8 [R]"]
    # Plies to mate of a certain leaf, or UNKNOWN_DISTANCE.
    mate_plies: Annotated[np.ndarray, "int32 [R]"]
    # Plies from the root to each leaf, and to the end of each collision.
    depths: Annotated[np.ndarray, "int64 [2, R]"]
    ways: Annotated[np.ndarray, "int32 [2, R, MAX_DEPTH + 1]"]  # the nodes on the way there.
    counts: Annotated[np.ndarray, "int64 [2]"]  # the counts LEAVES and COLLISIONS.


# More values of `Round.known`.
UNKNOWN = 2  # The leaf is to be evaluated, or was.
VALUE_ONLY = 4  # The leaf's value was evaluated, and its policy was not.


def new_round(room: int = MAX_ROUND) -> Round:
    """No visits, and room for so many."""
    return buffers(Round, {"known": np.full(room, UNKNOWN, np.int8)}, R=room)


def new_tree(nodes: int, history: int = 1, edges_per_node: int = EDGES_PER_NODE) -> Tree:
    """Return an empty tree with room for `nodes` nodes and `history` positions up to the root."""
    arrays: dict[str, Any] = {
        name: np.empty(nodes, field.dtype) for name, field in LOOSE_FIELDS.items()
    }
    return Tree(
        nodes=aligned(nodes, NODE_TYPE),
        edges=aligned(nodes * edges_per_node, EDGE_TYPE),
        **arrays,
        order=np.arange(nodes, dtype=np.int32),
        # On lines of the processor's cache, of which each bucket fills one.
        table=aligned_zeros(1 << (nodes - 1).bit_length(), dtype=np.uint64),
        counters=np.zeros(N_COUNTERS, np.int64),
        **_own_fields(history + MAX_DEPTH + 2),
    )


def for_thread(tree: Tree) -> Tree:
    """Return the same tree for one more thread."""
    own = _own_fields(len(tree.stack))
    own["stack"][:] = tree.stack
    return tree._replace(**own)


def _own_fields(rows: int) -> dict[str, np.ndarray]:
    """Return what each thread has for itself."""
    return {
        "stack": empty_stack(rows),
        "stint": own_line(np.int64),
        "earned": own_line(np.float64),
        "path": np.zeros(MAX_DEPTH, np.uint16),
        "way": np.zeros(MAX_DEPTH, np.int64),
        "butterfly": np.zeros((2, 64 * 64, 2), np.float32),
        "scratch_moves": np.empty(MAX_MOVES, np.uint16),
        "scratch_priors": np.empty(MAX_MOVES, np.float32),
        "scratch_reals": np.empty(MAX_MOVES + 6, np.float64),
        "scratch_bonuses": np.empty(MAX_MOVES, np.int16),
        "depths": own_line(np.int64),
    }


def own_line(dtype: type) -> np.ndarray:
    """Zeros, eight words of 8 bytes, whose lines of the processor's cache hold nothing else."""
    return np.zeros(3 * SPACING, dtype)[SPACING : 2 * SPACING]


def nodes_for(mebibytes: float, edges_per_node: int = EDGES_PER_NODE) -> int:
    """How many nodes a tree of that size holds, at most as many as `child` can number."""
    nodes = int(mebibytes * 2**20) // (BYTES_PER_NODE + edges_per_node * BYTES_PER_EDGE)
    return min(max(1024, nodes), np.iinfo(np.int32).max)
