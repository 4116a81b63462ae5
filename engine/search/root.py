"""The root's statistics and the principal variations, read from a tree between rounds."""

from __future__ import annotations

import math

import numpy as np

from engine.board.layout import KEY, NO_MOVE, ROW_WORDS
from engine.board.makemove import make
from engine.native.jit import kernel
from engine.search.params import BOUND_FROM, BOUND_WIDTH, PROMISING_SHARE, SearchParams
from engine.search.puct import score_edges
from engine.search.transpositions import with_moves
from engine.search.tree import (
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    DRAW,
    EXPANDED,
    LOSS,
    NO_NODE,
    NODES,
    ROOT,
    ROOT_PLY,
    TERMINAL,
    UNKNOWN_DISTANCE,
    WIN,
    Tree,
)
from engine.tactics.mates import mating_start, new_mate_space

MAX_PLIES = 10_000  # Greater than the plies of any counted mate.
MOST_SHOWN = 40  # A principal variation shows at most this many moves.


class RootView:
    """Statistics of the root and its moves. Arrays follow the order of `root_moves`; values are from the point of view
    of the root's side to move.
    """

    trees: list[Tree]  # The tree as each thread sees it.
    params: SearchParams
    forced_move: np.uint16 = NO_MOVE  # A root move that starts a forced mate (`tactics.mates`), or NO_MOVE.
    forced_in: int = 0  # Full moves to the mate that `forced_move` starts.

    @property
    def tree(self) -> Tree:
        """The tree as the thread sees it that owns the search."""
        return self.trees[0]

    def _edges(self, node: int) -> range:
        first = int(self.tree.first_edge[node])
        return range(first, first + int(self.tree.n_edges[node]))

    def children(self, node: int) -> np.ndarray:
        """Child nodes in the order of the edges, int32; NO_NODE for a move that was never tried."""
        edges = self._edges(node)
        return self.tree.child[edges.start : edges.stop]

    def root_row(self) -> np.ndarray:
        """The root's position, uint64 [16]."""
        return self.tree.stack[int(self.tree.counters[ROOT_PLY])]

    def root_moves(self) -> np.ndarray:
        """Move codes, uint16; empty while the root is not expanded."""
        edges = self._edges(ROOT) if self.is_expanded else range(0)
        return self.tree.move[edges.start : edges.stop]

    def root_priors(self) -> np.ndarray:
        """P as the search uses it, with hints and noise, float32."""
        edges = self._edges(ROOT)
        return self.tree.prior[edges.start : edges.stop]

    def own_priors(self, node: int) -> np.ndarray:
        """P of a node's edges before a hint raised one of them (`priors`), float32."""
        tree, edges = self.tree, self._edges(node)
        priors = tree.prior[edges.start : edges.stop].copy()
        hinted = tree.move[edges.start : edges.stop] == tree.hinted[node]
        if tree.hinted[node] != NO_MOVE and hinted.any():
            own = tree.own_prior[node]
            priors *= (1.0 - own) / (1.0 - priors[hinted])
            priors[hinted] = own
        return priors

    def _of_children(self, field: np.ndarray, missing: float) -> np.ndarray:
        nodes = self.children(ROOT)
        values = field[np.maximum(nodes, ROOT)]  # NO_NODE reads the root's value; the next line replaces it.
        values[nodes == NO_NODE] = missing
        return values

    def root_visits(self) -> np.ndarray:
        """N, the visits of each move, int32."""
        return self._of_children(self.tree.visits, 0).astype(np.int32)

    def root_q(self) -> np.ndarray:
        """Q, the mean values, win minus loss, float64; -1 (the worst) for moves never visited."""
        visits = np.maximum(self.root_visits(), 1)
        return np.where(self.root_visits() > 0, self._of_children(self.tree.value_sum, 0.0) / visits, -1.0)

    def root_draws(self) -> np.ndarray:
        """Mean draw probabilities, float64."""
        return self._of_children(self.tree.draw_sum, 0.0) / np.maximum(self.root_visits(), 1)

    def root_moves_left(self) -> np.ndarray:
        """Mean plies to the end of the game, float64; 0 for moves never visited."""
        return np.where(self.root_visits() > 0, self._of_children(self.tree.moves_left, 0.0), 0.0)

    def root_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """U, the exploration bonus, and S, by which the search compares moves, float32."""
        u, s = (np.empty(len(self.root_moves()), np.float32) for _ in range(2))
        score_edges(self.tree, self.params, np.int64(ROOT), np.float64(self.params.draw_score), u, s)
        return u, s

    def root_own_values(self) -> np.ndarray:
        """V, the evaluator's own value of the position after each move, float64; 0 for moves never visited.

        A child's value sum is its own value minus the value sums of its children. A decided child counts as its result,
        and one whose position was known when it was new began with the mean value found there.
        """
        tree = self.tree
        values = np.zeros(len(self.root_moves()))
        for index, child in enumerate(self.children(ROOT)):
            if child != NO_NODE and tree.visits[child] > 0:
                grandchildren = self.children(int(child))
                known = tree.value_sum[grandchildren[grandchildren != NO_NODE]].sum()
                decided = tree.lower[child] == tree.upper[child]
                values[index] = tree.lower[child] if decided else np.clip(tree.value_sum[child] + known, -1.0, 1.0)
        return values

    def root_proven(self) -> np.ndarray:
        """WIN or LOSS for each move where it is proven, else DRAW, int8."""
        lower, upper = self._of_children(self.tree.lower, LOSS), self._of_children(self.tree.upper, WIN)
        return np.where(lower == upper, lower, DRAW).astype(np.int8)

    def root_mate_plies(self) -> np.ndarray:
        """Plies to mate after each proven win or loss, int32; UNKNOWN_DISTANCE if a tablebase proved it."""
        return self._of_children(self.tree.mate_plies, 0).astype(np.int32)

    def root_fpu(self, q: float) -> float:
        """First-play urgency: the Q of an unvisited root move by the formula in `puct`; ``q`` is the root's Q."""
        seen = float(self.root_priors()[(self.root_visits() > 0) & (self.root_proven() != LOSS)].sum())
        return max(-1.0, q - self.params.fpu_reduction * math.sqrt(seen))

    def root_value(self) -> tuple[float, float]:
        """The root's mean value as (win minus loss, draw probability)."""
        visits = max(int(self.tree.visits[ROOT]), 1)
        return -float(self.tree.value_sum[ROOT]) / visits, float(self.tree.draw_sum[ROOT]) / visits

    def root_wdl(self) -> tuple[float, float, float]:
        """The root's mean win, draw and loss probabilities."""
        q, draw = self.root_value()
        draw = min(draw, 1.0 - abs(q))
        return (1.0 - draw + q) / 2.0, draw, (1.0 - draw - q) / 2.0

    def forced_index(self) -> int | None:
        """Index of the move that starts a forced mate, or None.

        Also None if the tree has found that the move allows a draw, by repetition or by the fifty-move rule.
        """
        if self.forced_move == NO_MOVE:
            return None
        open_wins = self._of_children(self.tree.upper, WIN) == WIN
        found = np.flatnonzero((self.root_moves() == self.forced_move) & open_wins)
        return int(found[0]) if len(found) else None

    def favourite(self) -> int:
        """Index of the move with the highest lower bound Q - 4 / sqrt(N), among moves with at least PROMISING_SHARE of
        the most visits.

        A good move found late has a better value than the earlier favourite, but fewer visits. If
        ``params.choose_by_value`` is off, the most visited move is chosen, as in Lc0. A forced mate takes precedence.
        """
        forced = self.forced_index()
        if forced is not None:
            return forced
        visits = np.where(self.root_proven() == LOSS, 0, self.root_visits())
        if not self.params.choose_by_value or visits.max() < BOUND_FROM:
            return int(visits.argmax())
        bounds = self.root_q() - BOUND_WIDTH / np.sqrt(np.maximum(visits, 1))
        return int(np.where(visits >= max(BOUND_FROM, PROMISING_SHARE * visits.max()), bounds, -np.inf).argmax())

    def best_order(self) -> np.ndarray:
        """Indices of the root moves, best first: proven wins (shortest first), the favourite, then by visits, Q and P;
        proven losses come last.
        """
        others = np.arange(len(self.root_moves())) != self.favourite()
        proven = self.root_proven().astype(int)
        plies = self.root_mate_plies()
        counted = plies != UNKNOWN_DISTANCE
        # Shorter mates and longer defences rank higher. A counted mate beats a tablebase win; a tablebase loss is last.
        distance = np.where(counted, np.where(proven == WIN, -plies, plies), -MAX_PLIES * proven)
        distance = np.where(proven == DRAW, 0, distance)
        return np.lexsort((-self.root_priors(), -self.root_q(), -self.root_visits(), others, -distance, -proven))

    # ---- the tree's state ----

    @property
    def is_expanded(self) -> bool:
        """Whether the root has been given its moves."""
        return bool(self.tree.counters[NODES] > 0 and self.tree.state[ROOT] == EXPANDED)

    @property
    def is_proven(self) -> bool:
        """Whether the root's result is certain: win, draw or loss."""
        return bool(self.tree.counters[NODES] > 0 and self.tree.lower[ROOT] == self.tree.upper[ROOT])

    @property
    def visits(self) -> int:
        """Number of visits of the root."""
        return int(self.tree.visits[ROOT]) if self.tree.counters[NODES] else 0

    @property
    def mean_depth(self) -> float:
        """Mean depth, in plies, of the descents since the position was set."""
        depths = np.sum([tree.depths for tree in self.trees], axis=0)
        return float(depths[DEPTH_SUM] / max(1, depths[DESCENTS]))

    @property
    def deepest(self) -> int:
        """Depth, in plies, of the deepest descent since the position was set."""
        return max(int(tree.depths[DEEPEST]) for tree in self.trees)

    # ---- lines ----

    def principal_variation(self, first: int) -> list[tuple[np.ndarray, int]]:
        """The line that starts with root move ``first``: (position row before the move, move code) pairs.

        It goes on with the shortest proven win, else the most visited move, else the longest loss, and ends where moves
        of transpositions lead back to a position; a mating move that is known without a search is its last.
        """
        rows = np.empty((MOST_SHOWN + 1, ROW_WORDS), np.uint64)
        moves = np.empty(MOST_SHOWN, np.uint16)
        rows[0], moves[0] = self.root_row(), self.root_moves()[first]
        length, node = follow_best(self.tree, np.int64(self.children(ROOT)[first]), rows, moves)
        line = [(rows[ply], int(moves[ply])) for ply in range(length)]
        if node != NO_NODE and length < MOST_SHOWN and self._mates_next(node):
            line.append((rows[length], int(mating_start(rows[length], np.int64(1), new_mate_space())[0])))
        return line

    def _mates_next(self, node: int) -> bool:
        """Whether the rules alone found that the side to move at a node mates at once."""
        tree = self.tree
        return bool(tree.state[node] == TERMINAL and tree.lower[node] == LOSS and tree.mate_plies[node] == 1)


@kernel()
def follow_best(tree, node, rows, moves):
    """Follow the best moves from ``node``, behind ``moves[0]`` in ``rows[0]``, as long as there are any.

    Fills moves uint16 [n] and the rows before them, uint64 [n + 1, 16], and the one behind. Returns (number of moves,
    the last node); NO_NODE if the line came back to a position.
    """
    count = np.int64(1)
    while True:
        make(rows[count - 1], moves[count - 1], rows[count])
        for earlier in range(count):
            if rows[earlier, KEY] == rows[count, KEY]:
                return count, np.int64(NO_NODE)
        if node == NO_NODE or count == len(moves):
            return count, node
        node = with_moves(tree, node)
        edge = best_edge(tree, node)
        if edge == NO_NODE:
            return count, node
        moves[count] = tree.move[edge]
        node = np.int64(tree.child[edge])
        count += 1


@kernel()
def best_edge(tree, node):
    """The edge of the shortest proven win, else of the most visited move, else of the longest loss; else NO_NODE."""
    best, best_proven, best_plies, best_visits = np.int64(NO_NODE), np.int64(LOSS), np.int64(0), np.int64(0)
    first = np.int64(tree.nodes[node].first_edge)
    for edge in range(first, first + tree.nodes[node].n_edges):
        child = tree.child[edge]
        if child == NO_NODE or tree.nodes[child].visits == 0:
            continue
        decided = tree.nodes[child].lower == tree.nodes[child].upper
        proven = np.int64(tree.nodes[child].lower) if decided else np.int64(DRAW)
        plies = np.int64(tree.nodes[child].mate_plies)
        plies = -proven * (np.int64(MAX_PLIES) if plies == UNKNOWN_DISTANCE else plies)
        visits = np.int64(tree.nodes[child].visits)
        if best == NO_NODE or (proven, plies, visits) >= (best_proven, best_plies, best_visits):
            best, best_proven, best_plies, best_visits = np.int64(edge), proven, plies, visits
    return best
