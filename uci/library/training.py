"""Training with puzzles: which comes next, one's rating and streak. What was trained is kept in a
file of its own.

Puzzles come back by the Leitner system: a solved one goes a box further and waits longer, a missed
one begins anew.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.errors import DataError
from engine.files.text import printable
from uci.game.game_file import REVIEWS
from uci.language import _, later, several
from uci.library.game_files import is_key
from uci.library.glicko import MOST_RATING, Rating
from uci.library.index import can_lock
from uci.library.puzzles import SET, Puzzle, read_lichess, read_set, themes_of
from uci.library.wanted import day_of
from uci.terminal.author_notes import game_name
from uci.terminal.reading import read_text_games

BOXES_DAYS = (
    1,
    3,
    7,
    14,
    30,
    60,
    120,
)  # days until a puzzle of each box comes back; Leitner's idea, days set by hand
_DAY_S = 86_400.0
# A puzzle that would wait longer than its box does was answered while the clock was ahead.
_WAITS = " ".join(f"WHEN {box} THEN {days * _DAY_S}" for box, days in enumerate(BOXES_DAYS))
_DUE = f"(due <= ? OR due > ? + CASE box {_WAITS} END)"
_PUZZLE = "key, fen, moves, source, rating, deviation, volatility, box, due"
_PERSON = "rating, deviation, volatility, streak, longest"
_ROW = "fen, moves, source, rating, deviation, game, themes"
_SPOILT = f"(rating < 0 OR rating > {MOST_RATING})"
_BATCH, _NEAR = (
    1000,
    150.0,
)  # puzzles taken up at a time; rating points between oneself and a new puzzle
_ADDED = ("game", "themes")  # columns that files of version 1.0 lack
_TABLES = """
CREATE TABLE IF NOT EXISTS puzzles (key TEXT PRIMARY KEY, fen TEXT, moves TEXT, source TEXT, rating REAL,
  deviation REAL, volatility REAL DEFAULT 0.06, box INTEGER DEFAULT -1, due REAL, game TEXT DEFAULT '',
  themes TEXT DEFAULT '');
CREATE INDEX IF NOT EXISTS by_due ON puzzles (due);
CREATE INDEX IF NOT EXISTS by_rating ON puzzles (rating);
CREATE TABLE IF NOT EXISTS person (rating REAL, deviation REAL, volatility REAL, streak INTEGER, longest INTEGER);
CREATE TABLE IF NOT EXISTS drawn (review TEXT PRIMARY KEY);
"""


@dataclass(frozen=True)
class Standing:
    """One's rating, puzzles solved in a row, the most ever, and puzzles that are due."""

    rating: Rating
    streak: int
    longest: int
    due: int

    @property
    def text(self) -> str:
        """In words."""
        rating = f"{self.rating.points:.0f} ± {2 * self.rating.deviation:.0f}"
        text = later("Rating {rating}. In a row: {streak}, at most {longest}.")
        told = _(text, rating=rating, streak=self.streak, longest=self.longest)
        again = several(
            "{count} puzzle comes back today.", "{count} puzzles come back today.", self.due
        )
        return f"{told} {again}" if self.due else told


class Trainer:
    """The puzzles of a folder of games; `now` tells seconds since 1970.

    Where its file cannot be used, it is left as it is, and what is trained is not kept: `problem`
    says why.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now, self.problem = folder, now, ""
        path = folder / "puzzles.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not can_lock(folder):
                raise OSError(_("nothing can be written or locked there"))
            self._base = _opened(str(path))
        except (OSError, sqlite3.Error, DataError) as error:
            self.problem = _(
                "Puzzles are not kept: {path}: {error}", path=printable(path), error=error
            )
            self._base = _opened(":memory:")

    def close(self) -> None:
        """End the connection."""
        self._base.close()

    def add(self, puzzles: Iterable[Puzzle]) -> int:
        """Take up puzzles that are not here yet; return how many."""
        rows = [(one.key, one.fen, " ".join(one.moves), one.source, one.rating, one.deviation, one.game,
                 " ".join(one.themes)) for one in puzzles]  # fmt: skip
        with self._base:
            before = self._base.total_changes
            self._base.executemany(
                f"INSERT OR IGNORE INTO puzzles (key, {_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            new = self._base.total_changes - before
            told = ([*row[-2:], row[0]] for row in rows)  # what version 1.0 did not keep
            self._base.executemany(
                "UPDATE puzzles SET game = ?, themes = ? WHERE key = ? AND themes = ''", told
            )
        return new

    def adding(self, path: Path, name: str) -> Generator[None, None, str]:
        """Take up the puzzles of a file that is called so, bit by bit, so that puzzles can be
        answered meanwhile.

        Returns a sentence on it. Raises DataError without a puzzle.
        """
        read = new = skipped = 0
        fault = ""

        def skip(why: str) -> None:
            nonlocal skipped, fault
            skipped, fault = skipped + 1, fault or f"{name}:{why}"

        puzzles = read_lichess(path, on_fault=skip)
        while some := list(itertools.islice(puzzles, _BATCH)):
            read, new = read + len(some), new + self.add(some)
            yield
        if not read:
            told = _("{name}: no puzzle in Lichess's format", name=name)
            raise DataError(told + (f" ({fault})" if fault else ""))
        says = several("{count} new puzzle.", "{count} new puzzles.", new)
        if skipped:
            one = later("Skipped {count} row that is no puzzle, {fault}")
            says += " " + several(
                one, "Skipped {count} rows that are no puzzles, first {fault}", skipped, fault=fault
            )
        return says

    def add_own(self) -> int:
        """Take up Aino's set, and the puzzles of reviews that were not looked at yet; return how
        many of these.
        """
        known = {name for (name,) in self._base.execute("SELECT review FROM drawn")}
        if SET not in known:
            self.add(read_set())
        new = {path.stem: path for path in (self._folder / REVIEWS).glob("*.json")
               if is_key(path.stem) and path.stem not in known}  # fmt: skip
        count = self.add(puzzle for path in new.values() for puzzle in _kept_puzzles(path))
        with self._base:
            self._base.executemany(
                "INSERT OR IGNORE INTO drawn (review) VALUES (?)", [[name] for name in [*new, SET]]
            )
        return count

    def next(
        self,
        last: str = "",
        source: str = "",
        theme: str = "",
        least: int = 0,
        most: int = MOST_RATING,
    ) -> Puzzle | None:
        """Return the puzzle that waits longest, else a new one of one's own, else one near one's
        rating, else None.

        A `source` is "mine" for one's own games, "others", or "" for all. Ratings take the place of
        one's own.
        """
        whose = {"mine": "source = 'mine'", "others": "source <> 'mine'"}.get(source, "1")
        chosen = (
            f"key <> ? AND {whose} AND rating BETWEEN ? AND ? AND instr(' ' || themes || ' ', ?)"
        )
        near, within = (
            self.standing.rating.points,
            _NEAR if (least, most) == (0, MOST_RATING) else MOST_RATING,
        )
        for rule, values in (
            (f"{_DUE} ORDER BY due", [self._now()] * 2),
            ("box < 0 AND source = 'mine' ORDER BY rowid DESC", []),
            (
                "box < 0 AND rating BETWEEN ? AND ? ORDER BY random()",
                [near - within, near + within],
            ),
            ("box < 0 ORDER BY abs(rating - ?)", [near]),
        ):
            row = self._base.execute(
                f"SELECT {_ROW} FROM puzzles WHERE {chosen} AND {rule} LIMIT 1",
                [last, least, most, f" {theme} " if theme else " ", *values],
            ).fetchone()
            if row is not None:
                fen, moves, whose, rating, deviation, game, themes = row
                return Puzzle(
                    fen, tuple(moves.split()), whose, rating, deviation, game, tuple(themes.split())
                )
        return None

    def answer(self, puzzle: Puzzle, solved: bool) -> Standing:
        """Note whether a puzzle was solved at the first try; it is kept before this returns."""
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")  # another program may train, too
            standing = self.standing
            row = self._base.execute(
                "SELECT rating, deviation, volatility, box FROM puzzles WHERE key = ?", [puzzle.key]
            ).fetchone()
            other, box = Rating(*row[:3]), min(row[3] + 1, len(BOXES_DAYS) - 1) if solved else 0
            mine, theirs = (
                standing.rating.after(solved, other),
                other.after(not solved, standing.rating),
            )
            streak = standing.streak + 1 if solved else 0
            self._base.execute(
                "UPDATE puzzles SET rating = ?, deviation = ?, volatility = ?, box = ?, due = ? WHERE key = ?",
                [theirs.points, theirs.deviation, theirs.volatility, box, self._morning(BOXES_DAYS[box]), puzzle.key],
            )  # fmt: skip
            self._base.execute("DELETE FROM person")
            self._base.execute(f"INSERT INTO person ({_PERSON}) VALUES (?, ?, ?, ?, ?)", [
                mine.points, mine.deviation, mine.volatility, streak, max(streak, standing.longest)])  # fmt: skip
        return self.standing

    def _morning(self, days: int) -> float:
        """When a day begins, so many days from now; a day begins at midnight here."""
        now = time.localtime(self._now())
        return time.mktime((*now[:2], now.tm_mday + days, 0, 0, 0, 0, 0, -1))

    @property
    def standing(self) -> Standing:
        """How one stands."""
        row = self._base.execute(f"SELECT {_PERSON} FROM person").fetchone() or (
            *Rating().__dict__.values(),
            0,
            0,
        )
        due = self._base.execute(
            f"SELECT count(*) FROM puzzles WHERE {_DUE}", [self._now()] * 2
        ).fetchone()[0]
        return Standing(Rating(*row[:3]), row[3], row[4], due)


def _opened(path: str) -> sqlite3.Connection:
    """Open a file of puzzles, or begin one. Raises DataError or sqlite3.Error where it is another
    version's.
    """
    base = sqlite3.connect(path, timeout=30.0)
    try:
        base.executescript(_TABLES)
        for table, columns in (("puzzles", _PUZZLE), ("drawn", "review"), ("person", _PERSON)):
            row = base.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchone() or ()
        if not all(isinstance(value, float | int) for value in row):
            raise DataError(f"person: {row}")
        known = {row[1] for row in base.execute("PRAGMA table_info(puzzles)")}
        for column in (one for one in _ADDED if one not in known):
            base.execute(f"ALTER TABLE puzzles ADD COLUMN {column} TEXT DEFAULT ''")
            base.execute("DELETE FROM drawn")
        if base.execute(
            f"SELECT 1 FROM puzzles WHERE {_SPOILT}"
        ).fetchone():  # else no lock is asked for
            base.execute(f"UPDATE puzzles SET rating = 1500, deviation = 350 WHERE {_SPOILT}")
        base.commit()
    except BaseException:
        base.close()
        raise
    return base


def _kept_puzzles(path: Path) -> Iterator[Puzzle]:
    with contextlib.suppress(Exception):  # a review that cannot be read has none
        review = json.loads(path.read_text(encoding="utf-8"))
        headers = next(
            found.game.headers
            for found in read_text_games(review["game"], path.stem)
            if found.number
        )
        game = f"{path.stem} {day_of(headers.get('Date', ''))} {game_name(headers)}"
        for kept in review["puzzles"]:
            board, moves = (
                parse_fen(kept["fen"]),
                [chess.Move.from_uci(move) for move in kept["moves"]],
            )
            if moves and board.is_legal(moves[0]):
                yield Puzzle(
                    kept["fen"], tuple(kept["moves"]), game=game, themes=themes_of(board, moves)
                )
