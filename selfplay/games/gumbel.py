"""Gumbel root search: choose which root moves get the visits, and compute the improved policy from few visits.

With logits l and Gumbel noise g, the search considers the m moves with the highest g + l. Sequential halving shares the
visits among them and drops the half with the lower g + l + s(q) after every phase. The move to play is the best of the
last two, and the training target is softmax(l + s(completed q)), where

    s(q) = (c_visit + max N) c_scale (q + 1) / 2          completed q: q where visited, else the mixed value
    mixed value = (v + N * sum_visited P q / sum_visited P) / (1 + N)      v: the root's own, N: all visits of its moves

Danihelka et al. 2022, "Policy improvement by planning with Gumbel"; the schedule is that of the authors' mctx. Below
the root the usual search runs. The tree must be fresh, with `decide_root` False, because the halving handles proofs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.search.session import Search
from engine.search.tree.arrays import ROOT, WIN
from engine.search.tree.root import Root

C_VISIT: Final = 50.0  # Visits added to max N in s(q). Danihelka et al. 2022.
C_SCALE: Final = 1.0  # Scale of s(q). Danihelka et al. 2022.


def halving_schedule(considered: int, visits: int) -> list[tuple[int, int]]:
    """Return the phases of sequential halving: (moves still considered, visits per move).

    The last may run out of visits.
    """
    if considered == 1:
        return [(1, visits)]
    phases, left, moves = [], visits, considered
    while left > 0:
        each = max(1, int(visits / (math.log2(considered) * moves)))
        phases.append((moves, each))
        left -= moves * each
        moves = max(2, moves // 2)
    return phases


class SequentialHalving:
    """Shares out one search's visits: `next_visits` sends each batch below a single root move and returns 0 at the end.

    Attributes:
        best: index of the move to play, valid once `next_visits` has returned 0.
    """

    def __init__(self, considered: int, visits: int, rng: np.random.Generator | None) -> None:
        """`visits` does not count the root's own visit; without `rng` there is no noise."""
        self._considered = considered
        self._left = visits
        self._rng = rng
        self._plan: Iterator[tuple[int, int]] | None = None
        self.best = 0

    def next_visits(self, search: Search) -> int:
        """Return the number of visits to carry out before the next call; 0 ends the search and puts all root moves
        back.
        """
        if self._plan is None:
            self._begin(search)
            self._plan = self._plan_of(search)
        self._show_all(search)
        root = search.root()
        step = next(self._plan, None) if self._left > 0 and not (root.proven == WIN).any() else None
        if step is None:
            self.best = int(np.argmax(np.where(root.proven == WIN, np.inf, self._scores(root))))
            return 0
        move, visits = step
        visits = min(visits, self._left)
        self._left -= visits
        search.tree.first_edge[ROOT], search.tree.n_edges[ROOT] = self._first + move, 1
        return visits

    def improved_policy(self, root: Root) -> np.ndarray:
        """softmax(l + s(completed q)) over the root moves, float64; proven wins share all of it equally."""
        won = root.proven == WIN
        if won.any():
            return won / won.sum()
        scores = self._logits + _transformed(root, self._completed_q(root))
        weights = np.exp(scores - scores.max())
        return weights / weights.sum()

    def _begin(self, search: Search) -> None:
        root, edges = search.root(), search.edges()
        self._first, self._count = edges.start, len(root.moves)
        priors = root.priors.astype(np.float64)
        # Undo the temperature of the priors; otherwise every generation of training would flatten the policy again.
        self._logits = search.params.policy_temperature * np.log(np.maximum(priors, np.finfo(np.float32).tiny))
        self._noise = np.zeros(self._count) if self._rng is None else self._rng.gumbel(size=self._count)
        self._own_value = root.position.q
        self._chosen = np.argsort(-(self._noise + self._logits), kind="stable")[: min(self._considered, self._left)]

    def _show_all(self, search: Search) -> None:
        search.tree.first_edge[ROOT], search.tree.n_edges[ROOT] = self._first, self._count

    def _plan_of(self, search: Search) -> Iterator[tuple[int, int]]:
        """Yield (move, visits); each phase ranks the moves by their scores when it begins."""
        for moves, visits in halving_schedule(len(self._chosen), self._left):
            self._chosen = self._chosen[np.argsort(-self._scores(search.root())[self._chosen], kind="stable")[:moves]]
            for move in self._chosen.tolist():
                yield move, visits

    def _scores(self, root: Root) -> np.ndarray:
        """g + l + s(q) of the moves still considered; -inf for all other moves."""
        scores = self._noise + self._logits + _transformed(root, self._completed_q(root))
        chosen = np.full(self._count, -np.inf)
        chosen[self._chosen] = scores[self._chosen]
        return chosen

    def _completed_q(self, root: Root) -> np.ndarray:
        visits, priors = root.visits, root.priors.astype(np.float64)
        q = np.where(root.proven != 0, root.proven, root.q)
        known = visits > 0
        if not known.any():
            return np.full(self._count, self._own_value)
        mean = (priors * q)[known].sum() / max(priors[known].sum(), np.finfo(np.float32).tiny)
        mixed = (self._own_value + visits.sum() * mean) / (1 + visits.sum())
        return np.where(known, q, mixed)


def _transformed(root: Root, q: np.ndarray) -> np.ndarray:
    """s(q) of every root move."""
    return (C_VISIT + root.visits.max()) * C_SCALE * (q + 1.0) / 2.0
