"""Lines beside a win: the proof of a root move ends a search, but an analysis of several lines goes on with the others.

The moves that win count as lost meanwhile, so that no visit goes there, and what the tree knows of them stays. In the
end they are wins again: the search of the next position finds the tree that it would have found without these lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from engine.search.session import Search
from engine.search.tree.arrays import LOSS, NO_NODE, ROOT, UNKNOWN_DISTANCE, WIN
from engine.search.tree.proofs import best_bounds, settle_past_visits


class WinsAside:
    """The root moves of one search that win and are set aside. No visits may be in flight when a method is called."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._moves: set[int] = set()  # Codes: the nodes behind them change places.

    def add(self, most: int) -> bool:
        """Set aside what has been proven to win by now.

        Returns whether there is more to search: the root is won by another move, at most `most` are aside, and a move
        is left.
        """
        wins = self._winning() - self._moves if self._search.is_proven else set()
        if not wins or len(self._moves | wins) > most:
            return False
        self._moves |= wins
        self._count_as(LOSS)
        self._reopen_root()
        return not self._search.is_proven

    def bring_back(self) -> None:
        """Make them wins again."""
        if self._moves:
            self._count_as(WIN)
            self._moves.clear()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """They are wins meanwhile, for a report."""
        tree, root = self._search.tree, self._search.tree.nodes[ROOT].copy()
        if self._moves:
            self._count_as(WIN)
        yield
        if self._moves:
            self._count_as(LOSS)
            tree.nodes[ROOT] = root

    def _winning(self) -> set[int]:
        tree, edges = self._search.tree, self._search.edges()
        children = tree.child[edges]
        return set(tree.move[edges][(children != NO_NODE) & (tree.lower[children] == WIN)].tolist())

    def _count_as(self, result: int) -> None:
        """Decide them with a result; the root is won while they are wins."""
        tree, edges = self._search.tree, self._search.edges()
        nodes = tree.child[edges][np.isin(tree.move[edges], list(self._moves))]
        tree.lower[nodes] = tree.upper[nodes] = result
        if result == WIN:
            tree.lower[ROOT] = tree.upper[ROOT] = LOSS
            plies = tree.mate_plies[nodes]
            known = plies[plies != UNKNOWN_DISTANCE]
            tree.mate_plies[ROOT] = known.min() + 1 if known.size else UNKNOWN_DISTANCE
            settle_past_visits(tree, np.int64(ROOT))

    def _reopen_root(self) -> None:
        """Take the root's values and bounds from its other moves; the visits of those aside count as the others' do."""
        tree, (q, draw) = self._search.tree, self._search.own_value
        children = self._search.children()
        others = children[tree.upper[children] != LOSS]
        visits = tree.visits[others]
        scale = self._search.visits / (1 + visits.sum())
        tree.value_sum[ROOT] = scale * (-q - tree.value_sum[others].sum())
        tree.draw_sum[ROOT] = scale * (draw + tree.draw_sum[others].sum())
        tree.square[ROOT] = np.average(tree.square[others], weights=visits) if visits.any() else q * q
        lower, upper = best_bounds(tree, np.int64(ROOT))
        tree.lower[ROOT], tree.upper[ROOT] = -upper, -lower
