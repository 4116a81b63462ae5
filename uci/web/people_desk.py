"""What players of a rating would play, for the page: the network of people, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import chess

from uci.annotate.people import Predict, people_network


class PeopleDesk:
    """Answers one question after the other. The first one reads the network."""

    def __init__(self) -> None:
        self._people: Predict | None = None
        self._one_at_a_time = asyncio.Lock()

    async def likely(self, board: chess.Board, rating: int) -> Mapping[chess.Move, float]:
        """Return how likely a player of this Elo makes each legal move, the likeliest first. Raises
        NetFileError.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._predict, board, rating)

    def _predict(self, board: chess.Board, rating: int) -> Mapping[chess.Move, float]:
        if self._people is None:
            self._people = people_network()
        return self._people(board, rating)
