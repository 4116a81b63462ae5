"""One gate game: candidate against best network. Each has its own tree, without noise, and plays its best move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.board.layout import ROW_WORDS, SIDE
from engine.board.makemove import push
from selfplay.games.player import TreePlayer
from selfplay.records.endings import game_ending


class GateRecord(NamedTuple):
    """A finished game of a gate."""

    number: int
    candidate_points: float  # 1, 1/2 or 0
    plies: int
    ending: str


class GateGame:
    """A PooledGame of two evaluators, with a `record()` once it is finished. The candidate has Black in odd ones."""

    def __init__(self, number: int, start: np.ndarray, visits: int, longest: int) -> None:
        self.number = number
        self._longest = longest
        self._visits = visits
        self._stack = np.zeros((longest + 2, ROW_WORDS), np.uint64)
        self._stack[0] = start
        self.ply = 0
        self._ending = game_ending(self._stack[0], 0, longest)

    @property
    def finished(self) -> bool:
        """Whether the game is over."""
        return self._ending is not None

    @property
    def evaluator(self) -> int:
        """Evaluator of the side to move: 0 = candidate, 1 = best network. White has 0 in even-numbered games."""
        side = int(self._stack[self.ply, SIDE])
        return side ^ (self.number & 1)

    def record(self) -> GateRecord:
        """What the finished game leaves."""
        assert self._ending is not None
        ending, white = self._ending
        points = (1 + (white if self.number % 2 == 0 else -white)) / 2
        return GateRecord(self.number, points, self.ply, ending.name.lower())

    def sit_down(self, players: Sequence[TreePlayer]) -> None:
        """Empty both trees and begin the first move."""
        self._players = players
        for player in players:
            player.search.clear()
        if not self.finished:
            self._begin_move()

    def make_move(self) -> None:
        """Play the best move of the side to move, and begin the next one."""
        root = self._players[self.evaluator].search.root()
        push(self._stack, self.ply, root.moves[root.order()[0]])
        self.ply += 1
        self._ending = game_ending(self._stack[self.ply], self.ply, self._longest)
        if not self.finished:
            self._begin_move()

    def _begin_move(self) -> None:
        self._players[self.evaluator].begin(self._stack[: self.ply + 1], self._visits)
