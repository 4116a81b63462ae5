"""One search tree that finds moves a leaf at a time, so that many games can share one batch."""

from __future__ import annotations

import numpy as np

from engine.evaluation.protocol import LeafBatch
from engine.search.choice import choose_move
from engine.search.select import SearchParams
from engine.search.session import Search

__all__ = ["RootNoise", "TreePlayer", "choose_move"]

SPARE_NODES = 256  # beside two nodes a visit: mates found at leaves take nodes without visits


class RootNoise:
    """Dirichlet noise for one search, drawn once its root has moves."""

    def __init__(self, rng: np.random.Generator, share: float, alpha: float) -> None:
        self._rng = rng
        self._share = share
        self._alpha = alpha

    def add(self, search: Search) -> None:
        """Mix the noise into the expanded root."""
        search.add_root_noise(self._rng, self._share, self._alpha)


class TreePlayer:
    """A search to a fixed number of root visits, interrupted at every leaf that needs an evaluation."""

    def __init__(self, params: SearchParams, most_visits: int) -> None:
        self.search = Search(params, 2 * most_visits + SPARE_NODES)
        self._visits = 0
        self._noise: RootNoise | None = None

    def begin(self, stack: np.ndarray, visits: int, noise: RootNoise | None = None) -> None:
        """Start on the last position of stack uint64[n, 16]; what the tree knows about it is kept and counts."""
        self.search.set_position(stack)
        self._visits = visits
        self._noise = noise
        self._add_noise()

    def gather(self, leaves: LeafBatch, first: int) -> int:
        """Put the next leaf at leaves[first]: 1, or 0 when the search is `done`."""
        while not self.done:
            if self.search.gather(leaves, first, 1):
                return 1
        return 0

    def apply(self, leaves: LeafBatch, first: int) -> None:
        """Take the evaluation of the leaf gathered last."""
        self.search.apply(leaves, first)
        self._add_noise()

    @property
    def done(self) -> bool:
        """Whether the root has its visits, or is proven."""
        return self.search.is_expanded and (self.search.is_proven or self.search.visits >= self._visits)

    def _add_noise(self) -> None:
        if self._noise is not None and self.search.is_expanded:
            self._noise.add(self.search)
            self._noise = None
