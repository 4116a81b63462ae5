"""What a list of games shows, and how it is sorted."""

import re
from dataclasses import dataclass

_YEAR_FIRST = re.compile(
    r"(?<!\d)(?P<year>\d{4})([-./]?(?P<month>\d\d?)([-./]?(?P<day>\d\d?))?)?(?!\d)"
)
_YEAR_LAST = re.compile(r"(?<!\d)((?P<day>\d\d?)[-./])?(?P<month>\d\d?)[-./](?P<year>\d{4})(?!\d)")


@dataclass(frozen=True)
class GameQuery:
    """What a list of games shows: words of what is told of a game, a result for oneself, an own
    side, and more.
    """

    text: str = ""
    result: str = ""  # won, lost, drawn, other, "" for all
    side: str = ""  # white, black, "" for both
    file: str = ""  # in which the game stands, "" for any
    line: str = ""  # moves to a position that the game reaches, in UCI notation
    # What it is sorted by, with a minus where that goes down; "" for the latest first.
    order: str = ""
    unfolded: str = ""  # what equal games share that are listed one by one; "" for none

    def takes(self, mine: str | None, result: str) -> bool:
        """Whether a game of an own side with this result is wanted, as far as these tell."""
        if self.side and mine != self.side:
            return False
        return not self.result or self.result == _outcome(mine, result)


def _outcome(mine: str | None, result: str) -> str:
    """Return what a result is for oneself: won, lost, drawn, other; "" where one did not play."""
    if result == "1/2-1/2":
        return "drawn"
    winner = {"1-0": "white", "0-1": "black"}.get(result)
    if winner is None:
        return "other"
    if mine is None:
        return ""
    return "won" if winner == mine else "lost"


def day_of(date: str) -> str:
    """Return a PGN's date as far as it is known, to be sorted: 2025.03.01, 2025.03, 2025, or
    nothing.

    Other programs also write 2025-3-1, 20250301 and 01.03.2025. Of any other form the year counts
    alone, as it does without a month.
    """
    numbers = _YEAR_LAST.search(date) or _YEAR_FIRST.search(date)
    if numbers is None:
        return ""
    year, month, day = (int(numbers[name] or 0) for name in ("year", "month", "day"))
    if month > 12:  # before its day
        month, day = day, month
    if not 0 < month <= 12:
        return f"{year:04}"
    if not 0 < day <= 31:
        return f"{year:04}.{month:02}"
    return f"{year:04}.{month:02}.{day:02}"
