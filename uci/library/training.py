"""Training with puzzles: which comes next, one's rating and streak.

Puzzles come back by the Leitner system: a solved one goes a box further and waits longer, a missed
one begins anew.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.files.text import printable
from uci.language import _
from uci.library.glicko import MOST_RATING, Rating
from uci.library.puzzle_log import LOG, Answer, AnswerLog
from uci.library.puzzle_stock import PuzzleStock
from uci.library.puzzles import OWN, Puzzle

# Days until a puzzle of each box comes back; Leitner's idea, days set by hand.
BOXES_DAYS = (1, 3, 7, 14, 30, 60, 120)
_LONGEST_DAY_S = 25 * 3600.0  # on which the clocks are put back
_NEAR = 150.0  # rating points between oneself and a new puzzle


@dataclass(frozen=True)
class PuzzleQuery:
    """Which puzzles are wanted: "mine" of one's own games, "others", or "" for all; of a theme; of
    ratings between two. Ratings take the place of one's own.
    """

    source: str = ""
    theme: str = ""
    least: int = 0
    most: int = MOST_RATING

    @property
    def has_ratings(self) -> bool:
        """Whether ratings were chosen."""
        return (self.least, self.most) != (0, MOST_RATING)

    def takes(self, puzzle: Puzzle, points: float) -> bool:
        """Whether a puzzle that is rated so is wanted."""
        if self.source and (puzzle.source == OWN) != (self.source == OWN):
            return False
        if self.theme and self.theme not in puzzle.themes:
            return False
        return self.least <= points <= self.most


_ANY = PuzzleQuery()


@dataclass(frozen=True)
class Standing:
    """One's rating, puzzles solved in a row, the most ever, and puzzles that are due."""

    rating: Rating = field(default_factory=Rating)
    streak: int = 0
    longest: int = 0
    due: int = 0


@dataclass(frozen=True)
class PuzzleProgress:
    """What came of a puzzle that was answered: its rating, its box, and when that was."""

    rating: Rating
    box: int
    time_s: float

    @property
    def due_s(self) -> float:
        """When it comes back: at midnight of a later day."""
        day = time.localtime(self.time_s)
        days = BOXES_DAYS[self.box]
        return time.mktime((*day[:2], day.tm_mday + days, 0, 0, 0, 0, 0, -1))

    def is_due(self, now_s: float) -> bool:
        """Whether it comes back now. One that would wait longer than its box does was answered
        while the clock was ahead.
        """
        wait_s = self.due_s - now_s
        return wait_s <= 0.0 or wait_s > BOXES_DAYS[self.box] * _LONGEST_DAY_S


class PuzzleTraining:
    """Training with the puzzles of a folder of games; `now` tells seconds since 1970.

    Attributes:
        stock: the puzzles.
        problem: why answers are not kept; "" where they are.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.stock = PuzzleStock(folder)
        self.problem = ""
        self.folder = folder
        self._now = now
        self._log = AnswerLog(folder)
        self._standing = Standing()
        self._progress = dict[str, PuzzleProgress]()  # by the puzzles' keys
        # Keys of puzzles that were shown and not answered, the latest last.
        self._passed = list[str]()

    @property
    def standing(self) -> Standing:
        """How one stands."""
        self._read_log()
        if not self._progress:
            return self._standing
        due = len(self._due(self.stock.puzzles().values()))
        return replace(self._standing, due=due)

    def next(self, query: PuzzleQuery = _ANY) -> Puzzle | None:
        """Return the puzzle that waits longest, else a new one of one's own, else one near one's
        rating, else None. Those that were passed by come again when no other is left.
        """
        self._read_log()
        puzzles = self._wanted(query)
        left = [puzzle for puzzle in puzzles if puzzle.key not in self._passed]
        chosen = self._chosen(left, query)
        if chosen is None:  # Another round begins, with another than the last.
            last = self._passed[-1:]
            self._passed = []
            left = [puzzle for puzzle in puzzles if puzzle.key not in last]
            chosen = self._chosen(left, query) or self._chosen(puzzles, query)
        if chosen is not None:
            self._passed.append(chosen.key)
        return chosen

    def _wanted(self, query: PuzzleQuery) -> list[Puzzle]:
        puzzles = self.stock.puzzles().values()
        return [puzzle for puzzle in puzzles if query.takes(puzzle, self._points(puzzle))]

    def _points(self, puzzle: Puzzle) -> float:
        """Return a puzzle's rating as it is now."""
        if puzzle.key not in self._progress:
            return puzzle.rating
        return self._progress[puzzle.key].rating.points

    def _chosen(self, puzzles: list[Puzzle], query: PuzzleQuery) -> Puzzle | None:
        due = self._due(puzzles)
        if due:
            return min(due, key=lambda puzzle: self._progress[puzzle.key].due_s)
        new = [puzzle for puzzle in puzzles if puzzle.key not in self._progress]
        for puzzle in new:
            if puzzle.source == OWN:
                return puzzle
        points = self._standing.rating.points
        near = new
        if not query.has_ratings:
            near = [puzzle for puzzle in new if abs(puzzle.rating - points) <= _NEAR]
        if near:
            return random.choice(near)
        return min(new, key=lambda puzzle: abs(puzzle.rating - points), default=None)

    def _due(self, puzzles: Iterable[Puzzle]) -> list[Puzzle]:
        now_s = self._now()
        answered = [puzzle for puzzle in puzzles if puzzle.key in self._progress]
        return [puzzle for puzzle in answered if self._progress[puzzle.key].is_due(now_s)]

    def answer(self, puzzle: Puzzle, is_solved: bool) -> Standing:
        """Note whether a puzzle was solved at the first try; it is kept before this returns."""
        self._passed = [key for key in self._passed if key != puzzle.key]
        answer = Answer(puzzle.key, is_solved, self._now(), puzzle.rating, puzzle.deviation)
        try:
            self._log.add(answer)
        except OSError as error:
            self._note_problem(error)
            self._count(answer)
        return self.standing

    def themes(self, query: PuzzleQuery = _ANY) -> Counter[str]:
        """Count the wanted puzzles of each theme."""
        return Counter(theme for puzzle in self._wanted(query) for theme in puzzle.themes)

    def _read_log(self) -> None:
        try:
            answers = self._log.read_new()
        except OSError as error:
            self._note_problem(error)
            return
        for answer in answers:
            self._count(answer)

    def _note_problem(self, error: OSError) -> None:
        path = printable(self.folder / LOG)
        self.problem = _(
            "Puzzles are not kept: {path}: {error}", path=path, error=error.strerror or error
        )

    def _count(self, answer: Answer) -> None:
        """Count an answer for one's own rating and for the puzzle's, as a game of the two."""
        progress = self._progress.get(answer.puzzle)
        own = self._standing.rating
        box = 0
        # `_answer_of` bounds what the log has, but not what could not be written there.
        rating = Rating(min(max(0.0, answer.points), float(MOST_RATING)), answer.deviation)
        if progress is not None:
            rating = progress.rating
        if answer.is_solved and progress is not None:
            box = min(progress.box + 1, len(BOXES_DAYS) - 1)
        streak = 0
        if answer.is_solved:
            streak = self._standing.streak + 1
        longest = max(streak, self._standing.longest)
        score = float(answer.is_solved)
        self._standing = Standing(own.after(score, rating), streak, longest)
        self._progress[answer.puzzle] = PuzzleProgress(
            rating.after(1.0 - score, own), box, answer.time_s
        )
