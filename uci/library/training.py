"""Training with puzzles: which comes next, one's rating and streak. What was trained is kept in a
file of its own.

Puzzles come back by the Leitner system: a solved one goes a box further and waits longer, a missed
one begins anew.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import chess

from engine.board.fen import parse_fen
from engine.board.pgn.annotations import game_name
from engine.errors import DataError
from uci.language import _, counted, later, several
from uci.library.game_files import game_in, line_of_review, review_files
from uci.library.game_query import day_of
from uci.library.glicko import MOST_RATING, Rating
from uci.library.puzzle_file import PERSON_COLUMNS, PuzzleFile, is_damage
from uci.library.puzzles import EARLIER_SET, SET, Puzzle, read_lichess, read_set, themes_of

# Days until a puzzle of each box comes back; Leitner's idea, days set by hand.
BOXES_DAYS = (1, 3, 7, 14, 30, 60, 120)
_DAY_S = 86_400.0
# A puzzle that would wait longer than its box does was answered while the clock was ahead.
_WAITS = " ".join(f"WHEN {box} THEN {days * _DAY_S}" for box, days in enumerate(BOXES_DAYS))
_DUE = f"(due <= ? OR due > ? + CASE box {_WAITS} END)"
_ROW = "fen, moves, source, rating, deviation, game, themes, before"
_WHOSE = {"mine": "source = 'mine'", "others": "source <> 'mine'"}  # by what is wanted
# What a puzzle that is known already gets: what version 1.0 did not keep, and a game in place of
# one that may have gone.
_TOLD_AGAIN = """
UPDATE puzzles SET game = :game, themes = :themes, before = max(before, :before),
  moves = CASE WHEN length(moves) < length(:moves) THEN :moves ELSE moves END
WHERE key = :key AND (themes = '' OR before = '' OR source = 'mine')
"""
_BAND = 200  # rating points that are counted together
# Puzzles taken up at a time; rating points between oneself and a new puzzle.
_BATCH = 1000
_NEAR = 150.0


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


Method = TypeVar("Method", bound=Callable[..., Any])


def _mending(method: Method) -> Method:
    """Let a method of the trainer begin again where it found the file damaged."""

    @functools.wraps(method)
    def act(trainer: Trainer, *given: Any, **named: Any) -> Any:
        try:
            return method(trainer, *given, **named)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
        trainer.find_again()
        return method(trainer, *given, **named)

    return cast(Method, act)


class Trainer:
    """The puzzles of a folder of games; `now` tells seconds since 1970.

    What was trained comes back where its file was damaged, and is not kept where that cannot be
    used: `problem` says why.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now
        self._file = PuzzleFile(folder, now)
        self._passed = list[
            str
        ]()  # keys of puzzles that were shown and not answered, the latest last

    @property
    def problem(self) -> str:
        """What is wrong with the file; "" for nothing."""
        return self._file.problem

    @property
    def _base(self) -> sqlite3.Connection:
        return self._file.base

    def find_again(self) -> None:
        """Go on with the copy of a damaged file. Raises OSError and sqlite3.Error."""
        self._file.find_again()

    def close(self) -> None:
        """End the connection."""
        self._base.close()

    @_mending
    def add(self, puzzles: Iterable[Puzzle]) -> int:
        """Take up puzzles that are not here yet; return how many."""
        rows = [
            {
                **vars(one),
                "key": one.key,
                "moves": " ".join(one.moves),
                "themes": " ".join(one.themes),
            }
            for one in puzzles
        ]
        values = _ROW.replace(", ", ", :")
        with self._base:
            before = self._base.total_changes
            self._base.executemany(
                f"INSERT OR IGNORE INTO puzzles (key, {_ROW}) VALUES (:key, :{values})", rows
            )
            new = self._base.total_changes - before
            self._base.executemany(_TOLD_AGAIN, rows)
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
            skipped = skipped + 1
            fault = fault or f"{name}:{why}"

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

    @_mending
    def add_own(self) -> int:
        """Take up Aino's set, and the puzzles of reviews that were not looked at yet; return how
        many of these.
        """
        known = {name for (name,) in self._base.execute("SELECT review FROM drawn")}
        if SET not in known:
            with self._base:
                was_here = "DELETE FROM puzzles WHERE source = ? AND box < 0"
                self._base.execute(was_here, [EARLIER_SET])
            self.add(read_set())
        found = {
            f"{path.stem} {path.stat().st_mtime_ns}": path for path in review_files(self._folder)
        }
        new = [path for name, path in found.items() if name not in known]
        count = self.add(puzzle for path in new for puzzle in _kept_puzzles(path))
        with self._base:
            self._base.execute("DELETE FROM drawn")
            names = [[name] for name in (*found, SET)]
            self._base.executemany("INSERT OR IGNORE INTO drawn (review) VALUES (?)", names)
        return count

    @_mending
    def forget(self, keys: Iterable[str]) -> None:
        """Forget the puzzles of a game that was deleted; those that other games have, too, get
        these.
        """
        with self._base:
            self._base.executemany("DELETE FROM puzzles WHERE key = ?", [[key] for key in keys])
            self._base.execute("DELETE FROM drawn WHERE review <> ?", [SET])

    @_mending
    def next(
        self, source: str = "", theme: str = "", least: int = 0, most: int = MOST_RATING
    ) -> Puzzle | None:
        """Return the puzzle that waits longest, else a new one of one's own, else one near one's
        rating, else None. Those that were passed by come again when no other is left.

        A `source` is "mine" for one's own games, "others", or "" for all. Ratings take the place of
        one's own.
        """
        rule = f"{_WHOSE.get(source, '1')} AND rating BETWEEN ? AND ? AND instr(' ' || themes || ' ', ?)"
        values = [least, most, f" {theme} " if theme else " "]
        is_near = (least, most) == (0, MOST_RATING)
        found = self._chosen(self._passed, rule, values, is_near)
        if found is None:  # all were passed by: another round begins, with another than the last
            last = self._passed[-1:]
            self._passed = list[str]()
            found = self._chosen(last, rule, values, is_near)
        if found is None:
            found = self._chosen([], rule, values, is_near)
        if found is not None:
            self._passed.append(found.key)
        return found

    def _chosen(
        self, passed: list[str], chosen: str, of: list[Any], is_near: bool
    ) -> Puzzle | None:
        """Return the first puzzle that a rule of SQL chooses, but for some."""
        near = self.standing.rating.points
        within = _NEAR if is_near else MOST_RATING
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
                f"SELECT {_ROW} FROM puzzles WHERE key NOT IN (SELECT value FROM json_each(?)) "
                f"AND {chosen} AND {rule} LIMIT 1",
                [json.dumps(passed), *of, *values],
            ).fetchone()
            if row is not None:
                fields = dict(zip(_ROW.split(", "), row, strict=True))
                for name in ("moves", "themes"):
                    fields[name] = tuple(fields[name].split())
                return Puzzle(**fields)
        return None

    @_mending
    def answer(self, puzzle: Puzzle, solved: bool) -> Standing:
        """Note whether a puzzle was solved at the first try; it is kept before this returns."""
        self._passed = [key for key in self._passed if key != puzzle.key]
        self.add([puzzle])  # its game may have been deleted meanwhile
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")  # another program may train, too
            standing = self.standing
            row = self._base.execute(
                "SELECT rating, deviation, volatility, box FROM puzzles WHERE key = ?", [puzzle.key]
            ).fetchone()
            other = Rating(*row[:3])
            box = min(row[3] + 1, len(BOXES_DAYS) - 1) if solved else 0
            mine = standing.rating.after(solved, other)
            theirs = other.after(not solved, standing.rating)
            streak = standing.streak + 1 if solved else 0
            self._base.execute(
                "UPDATE puzzles SET rating = ?, deviation = ?, volatility = ?, box = ?, due = ? WHERE key = ?",
                [theirs.points, theirs.deviation, theirs.volatility, box, self._morning(BOXES_DAYS[box]), puzzle.key],
            )  # fmt: skip
            self._base.execute("DELETE FROM person")
            self._base.execute(f"INSERT INTO person ({PERSON_COLUMNS}) VALUES (?, ?, ?, ?, ?)", [
                mine.points, mine.deviation, mine.volatility, streak, max(streak, standing.longest)])  # fmt: skip
        return self.standing

    @_mending
    def themes(self, source: str = "", least: int = 0, most: int = MOST_RATING) -> Counter[str]:
        """Count the puzzles of each theme; what is wanted as in `next`."""
        rule = f"{_WHOSE.get(source, '1')} AND rating BETWEEN ? AND ?"
        rows = self._base.execute(f"SELECT themes FROM puzzles WHERE {rule}", [least, most])
        return Counter(theme for (named,) in rows for theme in named.split())

    @_mending
    def stock(self) -> str:
        """Tell how many puzzles there are, by where they come from, how hard they are, and
        theme.
        """
        rows = self._base.execute("SELECT source, rating, box FROM puzzles").fetchall()
        own = sum(source == "mine" for source, *_rest in rows)
        tried = sum(box >= 0 for *_rest, box in rows)
        bands = Counter(int(rating) // _BAND * _BAND for _source, rating, _box in rows)
        ratings = (f"{least} to {least + _BAND - 1}: {bands[least]}" for least in sorted(bands))
        counts = (f"{theme} {count}" for theme, count in self.themes().most_common())
        text = later(
            "Puzzles: {total}, of which {own} are of your own games. You have tried {tried}."
        )
        told = _(text, total=counted(len(rows)), own=counted(own), tried=counted(tried))
        return "\n".join(
            (
                told,
                _("Ratings: {ratings}", ratings=", ".join(ratings)),
                _("Themes: {themes}", themes=", ".join(counts)),
            )
        )

    def _morning(self, days: int) -> float:
        """When a day begins, so many days from now; a day begins at midnight here."""
        now = time.localtime(self._now())
        return time.mktime((*now[:2], now.tm_mday + days, 0, 0, 0, 0, 0, -1))

    @property
    def standing(self) -> Standing:
        """How one stands."""
        row = self._base.execute(f"SELECT {PERSON_COLUMNS} FROM person").fetchone() or (
            *Rating().__dict__.values(),
            0,
            0,
        )
        due = self._base.execute(
            f"SELECT count(*) FROM puzzles WHERE {_DUE}", [self._now()] * 2
        ).fetchone()[0]
        return Standing(Rating(*row[:3]), row[3], row[4], due)


def _kept_puzzles(path: Path) -> Iterator[Puzzle]:
    with contextlib.suppress(Exception):  # a review that cannot be read has none
        review = json.loads(path.read_text(encoding="utf-8"))
        found = game_in(review["game"])
        day = day_of(found.tags.get("Date", ""))
        game = f"{line_of_review(path, review['game'])} {day} {game_name(found.tags)}"
        for kept in review["puzzles"]:
            board = parse_fen(kept["fen"])
            moves = [chess.Move.from_uci(move) for move in kept["moves"]]
            if moves and board.is_legal(moves[0]):
                yield Puzzle(
                    kept["fen"],
                    tuple(kept["moves"]),
                    game=game,
                    themes=themes_of(board, moves),
                    before=kept.get("before", ""),
                )
