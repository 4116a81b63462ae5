"""A search tree and its position in one object, and what changes the moves of its root."""

from collections.abc import Iterator

import numpy as np

from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import HALFMOVE, NO_MOVE, ROW_WORDS, empty_stack
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, input_format_of
from engine.search.tree.arrays import (
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    EDGES,
    EXPANDED,
    FREE,
    IN_FLIGHT,
    LOSS,
    MAX_DEPTH,
    NO_NODE,
    NODES,
    ROOT,
    ROOT_PLY,
    SHRINKS,
    WIN,
    Round,
    Tree,
    for_thread,
    new_round,
    reset_node,
)
from engine.search.tree.backup import finish_known
from engine.search.tree.edges import draws_below_root, value_below
from engine.search.tree.forgetting import (
    cleared_table,
    forget_own,
    forget_the_rest,
    make_room,
    reroot,
    reset_root,
)
from engine.search.tree.params import MATE_PRIOR, SearchParams
from engine.search.tree.priors import hint, keep_moves, mix_priors, move_to_tried
from engine.search.tree.proofs import set_bounds, settle_past_visits
from engine.search.tree.repetitions import HISTORY_SHARE, ask_history
from engine.search.tree.root import Root, node_of_game, read_root, root_alone
from engine.search.tree.visit import new_node
from engine.search.tree.visits import needs_room
from engine.tactics.mates import mating_move, mating_start, new_mate_space

SPARE_ROWS = 64  # Plies for which a game's stack has more room than it needs. Set by hand.


def suited_to(evaluator: Evaluator, params: SearchParams) -> SearchParams:
    """`params` with what the evaluator decides: planes, when a node gets its policy, and parameters
    of its own.
    """
    if isinstance(evaluator, InKernelEvaluator):
        # More than half of all nodes get no second visit.
        params = params._replace(late_policy=True, avoid_busy=True, **evaluator.search)
    return params._replace(
        needs_planes=evaluator.needs_planes, input_format=input_format_of(evaluator)
    )


class Search:
    """A search tree with its position. The modules `visit_loop` and `batches` carry out the visits.

    `tree` starts empty and has room for the whole search. `in_flight` is for callers that use the
    kernels of `visits` directly. Not thread-safe: one thread owns it.
    """

    def __init__(self, params: SearchParams, tree: Tree, in_flight: Round | None = None) -> None:
        self.params = params
        self.tree = tree
        self.trees = [tree]  # The tree as each thread sees it; the first is `tree`.
        # A view: single values are asked for often.
        self._root = tree.nodes.view((np.void, tree.nodes.dtype))[ROOT]
        # One at the root that mates in so many (`tactics.mates`).
        self.forced_move = NO_MOVE
        self.forced_moves = 0
        self.in_flight = in_flight or new_round()
        # Number of times the tree was cleared; a kept subtree belongs to the same generation.
        self.generation = 0
        # The evaluator's own value of the root: win minus loss, draw probability.
        self.own_value = (0.0, 0.0)
        self.kept_visits = 0  # Those of the root's visits that earlier searches made.
        # For whoever looks for mates or shows them between visits.
        self.mate_space = new_mate_space()
        # What is left to do for old parts of the tree to give way.
        self._room: Iterator[None] | None = None
        if tree.counters[NODES] == 0:
            reset_node.py_func(tree, ROOT)

    def share(self, threads: int) -> None:
        """Give each of so many threads a tree of its own path (`arrays.for_thread`), in `trees`;
        the first is `tree`.
        """
        self.trees = [self.tree, *(for_thread(self.tree) for _ in range(threads - 1))]

    # ---- the root ----

    def root(self) -> Root:
        """Return the root as it is now."""
        return read_root(self.tree, self.params, self.own_value[0], self.forced_move)

    @property
    def game(self) -> np.ndarray:
        """The game up to the root, uint64 [plies + 1, 16]."""
        return self.tree.stack[: self.tree.counters[ROOT_PLY] + 1]

    def root_row(self) -> np.ndarray:
        """Return the root's position, uint64 [16]."""
        row: np.ndarray = self.tree.stack[self.tree.counters[ROOT_PLY]]
        return row

    @property
    def is_expanded(self) -> bool:
        """Whether the root has been given its moves."""
        return bool(self._root["state"] == EXPANDED)

    @property
    def is_proven(self) -> bool:
        """Whether the root's result is certain: win, draw or loss."""
        return bool(self._root["lower"] == self._root["upper"])

    @property
    def visits(self) -> int:
        """Number of visits of the root."""
        return int(self._root["visits"]) - int(self.tree.counters[FREE])

    @property
    def new_visits(self) -> int:
        """Number of visits of the root since the position was set."""
        return self.visits - self.kept_visits

    @property
    def mean_depth(self) -> float:
        """Mean depth, in plies, of the descents since the position was set."""
        depths = np.sum([tree.depths for tree in self.trees], axis=0)
        return float(depths[DEPTH_SUM] / max(1, depths[DESCENTS]))

    @property
    def deepest(self) -> int:
        """Depth, in plies, of the deepest descent since the position was set."""
        return max([int(tree.depths[DEEPEST]) for tree in self.trees])

    def edges(self, node: int = ROOT) -> slice:
        """Where the edges of a node lie."""
        first = int(self.tree.nodes[node]["first_edge"])
        return slice(first, first + int(self.tree.nodes[node]["n_edges"]))

    # ---- positions ----

    def set_position(self, stack: np.ndarray) -> bool:
        """Make the last row of `stack` (uint64 [n, 16], the game so far) the root.

        Keeps the subtree if moves in the tree lead from the old root to the new position; returns
        whether it did. What lies outside the subtree is forgotten by and by (`make_room`).
        """
        before = int(self.tree.counters[ROOT_PLY])
        is_kept = self._keep_subtree(stack)
        if not is_kept:
            self.clear()
        self._install_history(stack)
        if is_kept and self.tree.counters[ROOT_PLY] != before:
            least = max(1, int(HISTORY_SHARE * self.visits))
            ask_history(self.tree, self.params, ROOT, 0, least)
        self.kept_visits = self.visits
        for tree in self.trees:
            tree.depths[:] = 0
        return is_kept

    def clear(self) -> None:
        """Forget the whole tree, including visits in flight. The transposition table of a large one
        is left to `make_room`.
        """
        self.generation += 1
        self.forced_move = NO_MOVE
        self.kept_visits = 0
        if used := int(self.tree.counters[NODES]):
            self._room = cleared_table(self.tree, used)
        self.tree.counters[:] = 0
        for tree in self.trees:
            forget_own(tree)
        reset_root(self.tree)
        self.in_flight.counts[:] = 0

    def _install_history(self, stack: np.ndarray) -> None:
        rows = len(stack) + MAX_DEPTH + 2
        for thread, tree in enumerate(self.trees):
            if len(tree.stack) < rows:
                self.trees[thread] = tree._replace(stack=empty_stack(rows + SPARE_ROWS))
            self.trees[thread].stack[: len(stack)] = stack
        self.tree = self.trees[0]
        self.tree.counters[ROOT_PLY] = len(stack) - 1

    def _keep_subtree(self, stack: np.ndarray) -> bool:
        """Walk from the old root along the game's new moves; reroot if the walk ends on an expanded
        node.
        """
        node = node_of_game(self.tree, stack)
        if node == NO_NODE:
            return False
        if node != ROOT:
            reroot(self.tree, node)
            self.forget_the_rest()
            self.own_value = root_alone(self.tree)
        return True

    # ---- room ----

    def forget_the_rest(self) -> None:
        """Leave to `make_room` what the root does not lead to."""
        self._room = forget_the_rest(self.tree)

    @property
    def needs_room(self) -> bool:
        """Whether `make_room` is due before the next visit."""
        return self._room is not None or bool(needs_room(self.tree))

    def make_room(self) -> None:
        """Let old parts of the tree give way, for a millisecond or two. Nothing may be in flight.

        Visits can go on when `needs_room` is False. The tree may be read meanwhile, and the
        position may change.
        """
        if self._room is None:
            self._room = make_room(self.tree)
        if next(self._room, self) is self:
            self._room = None

    def finish_making_room(self) -> None:
        """Do at once what `make_room` began, or what `set_position` left to it."""
        for _ in self._room or ():
            pass
        self._room = None

    @property
    def was_full(self) -> bool:
        """Whether the tree was full since the root was set."""
        return bool(self.tree.counters[SHRINKS] > 0)

    @property
    def fullness(self) -> float:
        """Fraction of the tree's room in use, 0..1; 1 if it was full since the root was set."""
        tree = self.tree
        if self.was_full:
            return 1.0
        used_nodes = tree.counters[NODES] / tree.nodes.size
        return float(max(used_nodes, tree.counters[EDGES] / tree.edges.size))


# ---- what changes the moves of an expanded root --------------------------------------------------


def look_for_mate(search: Search) -> None:
    """Find a mating move at the root after its first visit. Visits check all other nodes when they
    reach them.
    """
    tree = search.tree
    root = search.root()
    search.own_value = root.position.q, root.position.draw
    if not search.params.mate_in_one or not search.is_expanded:
        return
    after = np.empty(ROW_WORDS, np.uint64)
    mating = mating_move(root.row, root.moves, len(root.moves), after, tree.scratch_moves)
    if mating < 0 or tree.counters[NODES] >= tree.nodes.size:
        lead_to_mate(search)
        return
    edge = move_to_tried(tree, ROOT, tree.first_edge[ROOT] + mating)
    child = new_node(tree)
    tree.child[edge], tree.way[0] = child, edge
    tree.counters[IN_FLIGHT] += 1
    tree.edges[edge].under_way += 1
    finish_known(tree, search.params, 1, child, WIN, 0)


def lead_to_mate(search: Search) -> None:
    """Look for a move that starts a forced mate and lead the search to it; the search still has to
    prove it.
    """
    params = search.params
    row = search.root_row()
    search.forced_move = NO_MOVE
    if (
        params.mate_moves < 2
        or search.is_proven
        or row[HALFMOVE] + 2 * params.mate_moves >= FIFTY_MOVE_PLIES
    ):
        return
    move, search.forced_moves = mating_start(row, params.mate_moves, search.mate_space)
    if move >= 0:
        search.forced_move = np.uint16(move)
        _hint_at_mate(search)


def _hint_at_mate(search: Search) -> None:
    """Give the move that starts a forced mate most of the root's prior."""
    if search.forced_move != NO_MOVE:
        hint(search.tree, ROOT, search.forced_move, np.float32(MATE_PRIOR))


def restrict_root(search: Search, allowed: np.ndarray) -> None:
    """Keep only the root moves in `allowed` (uint16) and renormalise their priors. The root must be
    expanded.

    The root forgets what it learned from the others: visits, values and proofs.
    """
    tree, before = search.tree, search.visits
    keep_moves(tree, allowed)
    search.forget_the_rest()
    _hint_at_mate(search)
    tree.counters[FREE] = 0
    tree.nodes[ROOT].visits = 1 + tree.passes[search.edges()].sum()
    tree.value_sum[ROOT] = -search.own_value[0] - value_below(tree, ROOT)
    tree.draw_sum[ROOT] = search.own_value[1] + draws_below_root(tree)
    tree.asked_at[ROOT] = 0
    search.kept_visits += search.visits - before
    tree.lower[ROOT], tree.upper[ROOT] = LOSS, WIN
    if search.params.decide_root:
        set_bounds(tree, ROOT)
    if search.is_proven:
        settle_past_visits(tree, ROOT)


def take_priors(search: Search, moves: np.ndarray, chances: np.ndarray) -> None:
    """Let the root search by these chances of its moves (uint16 and float64 [n]) in place of its
    priors. It must be expanded; moves that it has not do not count.
    """
    chance_of = dict(zip(moves.tolist(), chances.tolist(), strict=True))
    priors = np.array([chance_of[move] for move in search.root().moves.tolist()])
    priors /= priors.sum()
    mix_priors(search.tree, priors, 1.0)


def add_root_noise(search: Search, rng: np.random.Generator, epsilon: float, alpha: float) -> None:
    """Mix Dirichlet noise into the root's priors: (1 - epsilon) P + epsilon Dir(alpha). It must be
    expanded.
    """
    noise = rng.dirichlet(np.full(int(search._root["n_edges"]), alpha))
    mix_priors(search.tree, noise, float(epsilon))
    _hint_at_mate(search)
