"""The log of answers to puzzles: a line for each, appended. Ratings, streak, and what comes back
when are all computed from it.
"""

import json
import math
from dataclasses import astuple, dataclass
from pathlib import Path

from engine.files.atomic import append
from uci.game.game_file import owning
from uci.library.glicko import MOST_RATING

LOG = "puzzles.log"  # in the folder of games
_LINE_END = b"\n"


@dataclass(frozen=True)
class Answer:
    """A first try at a puzzle."""

    puzzle: str  # its key
    is_solved: bool
    time_s: float  # since 1970
    # Of the puzzle, before anybody answered it.
    points: float
    deviation: float


class AnswerLog:
    """The log of a folder, to which several programs may append."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOG
        self._read = 0  # bytes of it

    def add(self, answer: Answer) -> None:
        """Append an answer; it is on the disk when this returns. Raises OSError."""
        line = json.dumps(astuple(answer)) + "\n"
        with owning(self._path.parent):
            if not self._ends_with_line():  # A program that was killed has left half a line.
                line = f"\n{line}"
            append(self._path, line)

    def _ends_with_line(self) -> bool:
        try:
            with self._path.open("rb") as stream:
                stream.seek(max(0, self._path.stat().st_size - len(_LINE_END)))
                return stream.read() in (b"", _LINE_END)
        except FileNotFoundError:
            return True

    def read_new(self) -> list[Answer]:
        """Return what was appended since the last call, here or by another program. Raises
        OSError.
        """
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                data = stream.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(_LINE_END) + 1]
        self._read += len(whole)
        return list(filter(None, map(_answer_of, whole.splitlines())))


def _answer_of(line: bytes) -> Answer | None:
    """Return the answer of a line; None where half a line stands there."""
    try:
        puzzle, is_solved, *numbers = json.loads(line)
        time_s, points, deviation = map(float, numbers)
    except (ValueError, TypeError):
        return None
    is_rating = 0.0 <= points <= MOST_RATING and 0.0 < deviation <= MOST_RATING
    if not (is_rating and math.isfinite(time_s)):
        return None
    return Answer(str(puzzle), bool(is_solved), time_s, points, deviation)
