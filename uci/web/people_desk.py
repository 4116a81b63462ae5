"""What players of a rating would play, for the page: the network of people, off the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import chess

if TYPE_CHECKING:
    from engine.network.people.people_policy import PeoplePolicy

LOWEST, HIGHEST = 800, 2000  # ratings that the network knows


class PeopleDesk:
    """Answers one question after the other. The first one reads the network."""

    def __init__(self) -> None:
        self._policy: PeoplePolicy | None = None
        self._one_at_a_time = asyncio.Lock()

    async def likely(self, board: chess.Board, rating: int) -> dict[chess.Move, float]:
        """Return how likely a player of this Elo makes each legal move, the likeliest first. Raises
        NetFileError.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._predict, board, rating)

    def _predict(self, board: chess.Board, rating: int) -> dict[chess.Move, float]:
        from engine.network.people.people_policy import PeoplePolicy

        if self._policy is None:
            self._policy = PeoplePolicy.load()
        return self._policy.probabilities(board, rating)
