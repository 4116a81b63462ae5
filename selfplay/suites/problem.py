"""A problem: a position, and what counts as its solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import chess
import numpy as np

__all__ = ["Problem", "sample"]

Item = TypeVar("Item")


def sample(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """`limit` of the items drawn at random, in their order; all of them where there are no more or it is None."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[number] for number in sorted(np.random.default_rng(seed).permutation(len(items))[:limit])]


@dataclass(frozen=True)
class Problem:
    """One position of a suite, or one puzzle. Moves are UCI text, castling as python-chess writes it on that board.

    Solved is: a move among `best` (where there are any) that is not in `avoid`; a mate announced in `mate_in` moves or
    fewer; or, for a puzzle, every move of the `line`, whose odd entries are the opponent's replies. A move that mates
    is always right.
    """

    name: str
    groups: tuple[str, ...]  # themes and rating bands that it counts in
    fen: str
    best: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    points: Mapping[str, int] = field(default_factory=dict)  # by move, where moves are graded
    mate_in: int | None = None
    line: tuple[str, ...] = ()

    def board(self) -> chess.Board:
        """The position."""
        return chess.Board(self.fen)

    @property
    def most_points(self) -> int:
        """Points of the best graded move; 1 where moves are not graded."""
        return max(self.points.values(), default=1)

    def accepts(self, move: chess.Move, mate: int | None) -> bool:
        """Whether a first choice is right, with the mate in so many moves that the engine announces, if any."""
        text = move.uci()
        if text in self.avoid:
            return False
        if text in self.best or _mates(self.board(), move):
            return True
        if self.mate_in is not None:
            return mate is not None and 0 < mate <= self.mate_in
        return not self.best and bool(self.avoid)

    def points_of(self, move: chess.Move, solved: bool) -> int:
        """Points of the move played: its grade, or 1 and 0 for solved and not."""
        return self.points.get(move.uci(), 0) if self.points else int(solved)


def _mates(board: chess.Board, move: chess.Move) -> bool:
    board.push(move)
    return board.is_checkmate()
