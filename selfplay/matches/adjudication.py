"""End games early when both engines agree on the score. Every rule is off by default."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import ClassVar, Self

from engine.errors import ConfigError


class _Rule:
    """A rule that is written as its numbers, with colons between them."""

    NAME: ClassVar[str]
    POSITIVE: ClassVar[int]  # so many of the numbers, from the first on, are above 0

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """From the numbers, in the order of the fields; None where no rule is given. Raises
        ConfigError for another form.
        """
        if text is None:
            return None
        words, count = text.split(":"), len(fields(cls))  # type: ignore[arg-type]
        is_good = len(words) == count and all(word.isdecimal() for word in words)
        if not is_good or min(map(int, words[: cls.POSITIVE])) < 1:
            expected = (
                f"{count} whole numbers separated by colons, the first {cls.POSITIVE} above 0"
            )
            raise ConfigError(f"{cls.NAME} {text!r}: expected {expected}")
        return cls(*map(int, words))

    def __str__(self) -> str:
        return ":".join(map(str, astuple(self)))  # type: ignore[call-overload]


@dataclass(frozen=True)
class DrawRule(_Rule):
    """Declares a draw once both engines have called the game even for `moves` moves in a row."""

    NAME = "draw rule"
    POSITIVE = 1

    moves: int = 8  # consecutive moves of each side
    score_cp: int = 10  # a score within +-this counts as even
    first_move: int = 40  # the rule applies after this many full moves


@dataclass(frozen=True)
class ResignRule(_Rule):
    """Declares a side lost once both engines have called it lost for `moves` moves in a row."""

    NAME = "resign rule"
    POSITIVE = 2

    moves: int = 4  # consecutive moves of each side
    score_cp: int = 800  # a side counts as lost at minus this score or worse


@dataclass(frozen=True)
class Adjudication:
    """The rules in force. None switches a rule off."""

    draw: DrawRule | None = None
    resign: ResignRule | None = None

    def result(self, white_scores: Sequence[float | None], fullmove: int) -> str | None:
        """Return the PGN result that the rules give, or None to play on.

        white_scores: one score in centipawns per ply so far, from White's side; None where the
        engine gave no score. fullmove: the number of the next move.
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
    """Return the last `count` scores, or None when there are fewer or one of them is missing."""
    recent = [score for score in scores[-count:] if score is not None]
    if len(recent) < count:
        return None
    return recent
