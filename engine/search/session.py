"""One search tree behind one object: positions in, rounds of leaves out and back, statistics of the root."""

from __future__ import annotations

import numpy as np

from engine.board.layout import KEY, MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.evaluation.protocol import LeafBatch
from engine.search.backup import apply, finish_visit, prove
from engine.search.gather import gather, mating_move, new_node
from engine.search.reroot import reroot
from engine.search.select import SearchParams
from engine.search.tree import (
    DEEPEST,
    DEPTH_SUM,
    DESCENTS,
    EDGES,
    EXPANDED,
    MAX_DEPTH,
    MAX_ROUND,
    NO_NODE,
    NODES,
    OPEN,
    ROOT,
    ROOT_PLY,
    TERMINAL,
    WIN,
    Tree,
    new_tree,
)


class Search:
    """A search tree that hands out leaves and takes their evaluations; who evaluates them is the caller's matter.

    A round is `gather` (fills part of a LeafBatch), an evaluation of those leaves, `apply`. Values of the root are seen
    by its side to move. Not thread-safe: one thread owns it.
    """

    def __init__(self, params: SearchParams, max_nodes: int) -> None:
        self.params = params
        self.tree: Tree = new_tree(max_nodes)

    # ---- positions ----

    def set_position(self, stack: np.ndarray) -> bool:
        """Make the last row of ``stack`` (uint64 [n, 16], the game so far) the root.

        Keeps the subtree where the new position follows the old root by moves that the tree knows; returns whether.
        """
        kept = self._keep_subtree(stack)
        if not kept:
            self.clear()
        self._install_history(stack)
        self.tree.counters[[DEEPEST, DEPTH_SUM, DESCENTS]] = 0
        return kept

    def clear(self) -> None:
        """Forget the whole tree."""
        self.tree.counters[:] = 0

    def _install_history(self, stack: np.ndarray) -> None:
        rows = len(stack) + MAX_DEPTH + 2
        if self.tree.stack.shape[0] != rows:
            self.tree = self.tree._replace(stack=np.zeros((rows, ROW_WORDS), np.uint64))
        self.tree.stack[: len(stack)] = stack
        self.tree.counters[ROOT_PLY] = len(stack) - 1

    def _keep_subtree(self, stack: np.ndarray) -> bool:
        """Walk from the old root along the game's new moves; reroot where that ends on an expanded node."""
        tree = self.tree
        old_ply = int(tree.counters[ROOT_PLY])
        if tree.counters[NODES] == 0 or len(stack) <= old_ply:
            return False
        if not np.array_equal(stack[: old_ply + 1, KEY], tree.stack[: old_ply + 1, KEY]):
            return False
        node = ROOT
        after = np.empty(ROW_WORDS, np.uint64)
        for ply in range(old_ply, len(stack) - 1):
            node = self._child_reaching(node, stack[ply], stack[ply + 1], after)
            if node == NO_NODE:
                return False
        if tree.state[node] != EXPANDED:
            return False
        if node != ROOT:
            reroot(tree, node)
        return True

    def _child_reaching(self, node: int, row: np.ndarray, target: np.ndarray, after: np.ndarray) -> int:
        for edge in self._edges(node):
            child = int(self.tree.child[edge])
            if child != NO_NODE:
                make(row, self.tree.move[edge], after)
                if after[KEY] == target[KEY]:
                    return child
        return NO_NODE

    # ---- rounds ----

    def gather(self, leaves: LeafBatch, first: int, limit: int) -> int:
        """Begin up to ``limit`` visits; returns how many leaves, at ``leaves[first:]``, need an evaluation.

        0 leaves means that this round only met decided positions, or that the root is proven (`is_proven`).
        """
        return int(gather(self.tree, self.params, leaves, first, min(limit, MAX_ROUND)))

    def apply(self, leaves: LeafBatch, first: int, count: int) -> None:
        """Take the evaluations of the ``count`` leaves gathered last, at ``leaves[first:]``."""
        was_new = self.tree.counters[NODES] == 1 and self.tree.visits[ROOT] == 0
        apply(self.tree, self.params, leaves, first)
        if was_new and count and self.params.mate_in_one:
            self._try_mate_at_root()

    def _try_mate_at_root(self) -> None:
        """Leaves are searched for a mating move when they are reached; the root, which keeps its edges, is here."""
        tree = self.tree
        moves = np.ascontiguousarray(self.root_moves())
        after = np.empty(ROW_WORDS, np.uint64)
        mating = mating_move(self.root_row(), moves, len(moves), after, tree.scratch_moves[0])
        if mating < 0 or tree.counters[NODES] >= tree.parent.size:
            return
        child = int(new_node(tree, ROOT))
        tree.child[int(tree.first_edge[ROOT]) + mating] = child
        tree.state[child] = TERMINAL
        tree.in_flight[[ROOT, child]] += 1
        finish_visit(tree, child, 1.0, 0.0, 0.0)
        prove(tree, child, WIN, 0)

    def restrict_root(self, allowed: np.ndarray) -> None:
        """Keep only the root moves in ``allowed`` (uint16), with their priors renormalised. The root is expanded."""
        tree = self.tree
        edges = self._edges(ROOT)
        keep = np.isin(tree.move[edges.start : edges.stop], allowed)
        for field in (tree.move, tree.prior, tree.child):
            field[edges.start : edges.start + keep.sum()] = field[edges.start : edges.stop][keep]
        tree.n_edges[ROOT] = keep.sum()
        tree.proven[ROOT] = -self.root_proven().max()  # a proof may have rested on a move that is gone
        tree.prior[edges.start : edges.start + keep.sum()] /= self.root_priors().sum()

    def add_root_noise(self, rng: np.random.Generator, epsilon: float, alpha: float) -> None:
        """Mix Dirichlet noise into the root's priors: (1 - epsilon) P + epsilon Dir(alpha). The root is expanded."""
        edges = self._edges(ROOT)
        noise = rng.dirichlet(np.full(len(edges), alpha))
        priors = self.tree.prior[edges.start : edges.stop]
        priors[:] = (1.0 - epsilon) * priors + epsilon * noise

    # ---- the root's statistics, arrays in the order of `root_moves` ----

    def _edges(self, node: int) -> range:
        first = int(self.tree.first_edge[node])
        return range(first, first + int(self.tree.n_edges[node]))

    def children(self, node: int) -> np.ndarray:
        """Child nodes in the order of the edges, int32, NO_NODE where a move was never tried."""
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
        """P, float32."""
        edges = self._edges(ROOT)
        return self.tree.prior[edges.start : edges.stop]

    def _of_children(self, field: np.ndarray, missing: float) -> np.ndarray:
        nodes = self.children(ROOT)
        return np.where(nodes == NO_NODE, missing, field[np.maximum(nodes, 0)])

    def root_visits(self) -> np.ndarray:
        """N, int32."""
        return self._of_children(self.tree.visits, 0).astype(np.int32)

    def root_q(self) -> np.ndarray:
        """Mean values for the root's side to move, float64; never visited moves have the worst, -1."""
        visits = np.maximum(self.root_visits(), 1)
        return np.where(self.root_visits() > 0, self._of_children(self.tree.value_sum, 0.0) / visits, -1.0)

    def root_draws(self) -> np.ndarray:
        """Mean draw probabilities, float64."""
        return self._of_children(self.tree.draw_sum, 0.0) / np.maximum(self.root_visits(), 1)

    def root_proven(self) -> np.ndarray:
        """WIN, LOSS or OPEN for the root's side to move, int8."""
        return self._of_children(self.tree.proven, OPEN).astype(np.int8)

    def root_mate_plies(self) -> np.ndarray:
        """Plies to mate after the move, int32, where it is proven."""
        return self._of_children(self.tree.mate_plies, 0).astype(np.int32)

    def root_wdl(self) -> tuple[float, float, float]:
        """Mean win, draw and loss probabilities for the root's side to move."""
        visits = max(int(self.tree.visits[ROOT]), 1)
        q = -float(self.tree.value_sum[ROOT]) / visits
        draw = min(float(self.tree.draw_sum[ROOT]) / visits, 1.0 - abs(q))
        return (1.0 - draw + q) / 2.0, draw, (1.0 - draw - q) / 2.0

    def best_order(self) -> np.ndarray:
        """Indices of the root moves, best first: proven wins (shortest), most visits, then Q, then P; losses last."""
        proven = self.root_proven().astype(int)
        plies = self.root_mate_plies()
        # A shorter mate is better, a longer defence too.
        distance = np.where(proven == WIN, -plies, np.where(proven == OPEN, 0, plies))
        return np.lexsort((-self.root_priors(), -self.root_q(), -self.root_visits(), -distance, -proven))

    # ---- the tree's state ----

    @property
    def is_expanded(self) -> bool:
        """Whether the root has its moves."""
        return self.tree.counters[NODES] > 0 and self.tree.state[ROOT] == EXPANDED

    @property
    def is_proven(self) -> bool:
        """Whether the root is a proven win or loss."""
        return self.tree.counters[NODES] > 0 and self.tree.proven[ROOT] != OPEN

    @property
    def visits(self) -> int:
        """Visits of the root."""
        return int(self.tree.visits[ROOT]) if self.tree.counters[NODES] else 0

    @property
    def mean_depth(self) -> float:
        """Mean plies of the descents since the position was set."""
        return float(self.tree.counters[DEPTH_SUM]) / max(1, int(self.tree.counters[DESCENTS]))

    @property
    def deepest(self) -> int:
        """Plies of the deepest descent since the position was set."""
        return int(self.tree.counters[DEEPEST])

    @property
    def fullness(self) -> float:
        """Share of the tree in use, 0..1."""
        tree = self.tree
        return float(max(tree.counters[NODES] / tree.parent.size, tree.counters[EDGES] / tree.move.size))

    def principal_variation(self, first: int, length: int = 40) -> list[tuple[np.ndarray, int]]:
        """The line that starts with root move ``first``: (position row before the move, move code) pairs."""
        row = self.root_row().copy()
        line = [(row, int(self.root_moves()[first]))]
        node = int(self.children(ROOT)[first])
        while node != NO_NODE and len(line) < length:
            row, before = np.empty_like(row), row
            make(before, np.uint16(line[-1][1]), row)
            following = self._best_continuation(node, row)
            if following is None:
                break
            move, node = following
            line.append((row, move))
        return line

    def _best_continuation(self, node: int, row: np.ndarray) -> tuple[int, int] | None:
        """(move, child) at an inner node: a proven win, else the most visited; a known mating move where it has no
        edges.
        """
        tree = self.tree
        if tree.state[node] == TERMINAL:
            moves = np.empty(MAX_MOVES, np.uint16)
            count = int(generate(row, moves))
            mating = int(mating_move(row, moves, count, np.empty_like(row), tree.scratch_moves[0]))
            return (int(moves[mating]), NO_NODE) if mating >= 0 and tree.proven[node] != OPEN else None
        nodes = self.children(node)
        tried = [i for i in range(len(nodes)) if nodes[i] != NO_NODE and tree.visits[nodes[i]] > 0]
        if not tried:
            return None
        best = max(tried, key=lambda i: (int(tree.proven[nodes[i]]), int(tree.visits[nodes[i]])))
        return int(tree.move[self._edges(node)[best]]), int(nodes[best])
