"""What a list of games shows, and how it is sorted."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from engine.files.text import searchable

_YEAR_FIRST = re.compile(
    r"(?<!\d)(?P<year>\d{4})([-./]?(?P<month>\d\d?)([-./]?(?P<day>\d\d?))?)?(?!\d)"
)
_YEAR_LAST = re.compile(r"(?<!\d)((?P<day>\d\d?)[-./])?(?P<month>\d\d?)[-./](?P<year>\d{4})(?!\d)")

# What games are sorted by; what is not known stands last.
_ORDERS = {
    "date": "nullif(date, '')", "white": "nullif(searched(white), '?')", "black": "nullif(searched(black), '?')",
    "result": "result", "opening": "nullif(searched(opening), '')", "plies": "plies",
    "accuracy": "CASE mine WHEN 'white' THEN accuracy_white WHEN 'black' THEN accuracy_black "
                "ELSE (accuracy_white + accuracy_black) / 2 END",
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What a list of games shows: words of what is told of a game, a result for oneself, an own
    side, and more.
    """

    text: str = ""
    result: str = ""  # won, lost, drawn, other, "" for all
    side: str = ""  # white, black, "" for both
    file: str = ""  # in which the game stands, "" for any
    line: str = ""  # moves to a position that the game reaches, in UCI notation
    order: str = (
        ""  # what it is sorted by, with a minus where that goes down; "" for the latest first
    )

    @property
    def sorting(self) -> str:
        """SQL of the order."""
        column, latest = _ORDERS.get(self.order.removeprefix("-")), "date DESC, games.rowid DESC"
        return (
            latest
            if column is None
            else f"{column} {'DESC' * self.order.startswith('-')} NULLS LAST, {latest}"
        )

    def condition(self) -> tuple[str, list[str | bytes]]:
        """Return SQL, and what stands for its question marks."""
        rules, values = ["1"], list[str | bytes]()
        for word in searchable(self.text).split():
            rules.append("words LIKE ? ESCAPE '!'")
            values.append("%" + re.sub("([!%_])", r"!\1", word) + "%")
        win, loss = ("result = CASE mine WHEN 'white' THEN '1-0' WHEN 'black' THEN '0-1' END",
                     "result = CASE mine WHEN 'white' THEN '0-1' WHEN 'black' THEN '1-0' END")  # fmt: skip
        drawn, other = "result = '1/2-1/2'", "result NOT IN ('1-0', '0-1', '1/2-1/2')"
        rules += [{"won": win, "lost": loss, "drawn": drawn, "other": other}.get(self.result, "1")]
        if self.side:
            rules.append("mine = ?")
            values.append(self.side)
        if self.file:
            rules.append("key IN (SELECT key FROM places WHERE file = ?)")
            values.append(os.fsencode(self.file))
        return " AND ".join(rules), values


def day_of(date: str) -> str:
    """Return a PGN's date as far as it is known, to be sorted: 2025.03.01, 2025.03, 2025, or
    nothing.

    Other programs also write 2025-3-1, 20250301 and 01.03.2025. Of any other form the year counts
    alone, as it does without a month.
    """
    match = _YEAR_LAST.search(date) or _YEAR_FIRST.search(date)
    if match is None:
        return ""
    year, month, day = (int(match[name] or 0) for name in ("year", "month", "day"))
    if month > 12:  # before its day
        month, day = day, month
    parts = [f"{year:04}", f"{month:02}", f"{day:02}"]
    return ".".join(parts[: 1 + (0 < month <= 12) * (1 + (0 < day <= 31))])
