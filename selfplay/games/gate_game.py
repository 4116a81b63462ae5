"""One gate game: candidate against best network. Each has its own tree, without noise, and plays its best move."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.layout import SIDE
from selfplay.games.pool import PooledGame


class GateRecord(NamedTuple):
    """A finished game of a gate."""

    number: int
    candidate_points: float  # 1, 1/2 or 0
    plies: int
    ending: str


class GateGame(PooledGame):
    """A game of two evaluators. The candidate has Black in odd ones."""

    def __init__(self, number: int, start: np.ndarray, visits: int, longest: int) -> None:
        super().__init__(number, start, longest)
        self._visits = visits

    @property
    def evaluator(self) -> int:
        """Evaluator of the side to move: 0 = candidate, 1 = best network. White has 0 in even-numbered games."""
        return int(self._stack[self.ply, SIDE]) ^ (self.number & 1)

    def record(self) -> GateRecord:
        assert self._ending is not None
        ending, white = self._ending
        points = (1 + (white if self.number % 2 == 0 else -white)) / 2
        return GateRecord(self.number, points, self.ply, ending.name.lower())

    def make_move(self) -> None:
        root = self._players[self.evaluator].search.root()
        self._play(root.moves[root.order()[0]])

    def _begin_move(self) -> None:
        self._players[self.evaluator].begin(self._stack[: self.ply + 1], self._visits)
