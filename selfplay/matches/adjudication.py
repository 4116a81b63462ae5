"""Games ended early by what both engines say of them. Off unless asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.errors import ConfigError

__all__ = ["Adjudication", "DrawRule", "ResignRule"]


@dataclass(frozen=True)
class DrawRule:
    """A draw once both engines have called the game even for some moves in a row."""

    moves: int = 8  # of each side
    score_cp: int = 10  # the most that counts as even, either way
    first_move: int = 40  # full moves that must have been played before

    @classmethod
    def parse(cls, text: str) -> DrawRule:
        """From "MOVES:CENTIPAWNS:FIRST_MOVE". Raises ConfigError for another form."""
        return cls(*_whole_numbers("draw rule", text, 3))

    def __str__(self) -> str:
        return f"{self.moves}:{self.score_cp}:{self.first_move}"


@dataclass(frozen=True)
class ResignRule:
    """A loss for the side that both engines have called lost for some moves in a row."""

    moves: int = 4  # of each side
    score_cp: int = 800  # the least that counts as lost

    @classmethod
    def parse(cls, text: str) -> ResignRule:
        """From "MOVES:CENTIPAWNS". Raises ConfigError for another form."""
        return cls(*_whole_numbers("resign rule", text, 2))

    def __str__(self) -> str:
        return f"{self.moves}:{self.score_cp}"


@dataclass(frozen=True)
class Adjudication:
    """The rules in force; None switches one off."""

    draw: DrawRule | None = None
    resign: ResignRule | None = None

    def result(self, white_scores: Sequence[float | None], fullmove: int) -> str | None:
        """The PGN result that the rules give, None to play on.

        white_scores: of the plies so far, from White's side, None where an engine gave none. fullmove: the number of
        the move to be played next.
        """
        draw, resign = self.draw, self.resign
        if draw is not None and fullmove > draw.first_move:
            scores = _last(white_scores, 2 * draw.moves)
            if scores is not None and all(abs(score) <= draw.score_cp for score in scores):
                return "1/2-1/2"
        if resign is not None:
            scores = _last(white_scores, 2 * resign.moves)
            if scores is not None and min(scores) >= resign.score_cp:
                return "1-0"
            if scores is not None and max(scores) <= -resign.score_cp:
                return "0-1"
        return None


def _last(scores: Sequence[float | None], count: int) -> list[float] | None:
    """The last `count` scores where so many exist and none is missing."""
    known = [score for score in scores[-count:] if score is not None]
    return known if len(known) == count else None


def _whole_numbers(name: str, text: str, count: int) -> list[int]:
    words = text.split(":")
    if len(words) != count or not all(word.isdecimal() for word in words) or int(words[0]) < 1:
        raise ConfigError(f"{name} {text!r}: expected {count} whole numbers separated by colons, the first above 0")
    return [int(word) for word in words]
