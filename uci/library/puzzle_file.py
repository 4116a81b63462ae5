"""The file of puzzles: what was trained cannot be made anew, so it is checked and copied every day,
and found again where it was damaged.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import DataError
from engine.files.atomic import aside, replace
from engine.files.text import printable
from uci.language import _
from uci.library.glicko import MOST_RATING

FILE = "puzzles.sqlite"
COPY = "puzzles.copy.sqlite"  # of what was trained, as the day began
# What ends the names of a database's files; those of an old one would spoil a new one.
_PARTS = ("", "-journal", "-wal", "-shm")
_DAY_S = 86_400.0
_WAIT_S = 30.0  # for another program that writes
_PUZZLE = "key, fen, moves, source, rating, deviation, volatility, box, due"
PERSON_COLUMNS = "rating, deviation, volatility, streak, longest"
_ADDED = ("game", "themes", "before")  # columns that files of version 1.0 lack
_SPOILT = f"(rating < 0 OR rating > {MOST_RATING})"
_TABLES = """
CREATE TABLE IF NOT EXISTS puzzles (key TEXT PRIMARY KEY, fen TEXT, moves TEXT, source TEXT, rating REAL,
  deviation REAL, volatility REAL DEFAULT 0.06, box INTEGER DEFAULT -1, due REAL, game TEXT DEFAULT '',
  themes TEXT DEFAULT '', before TEXT DEFAULT '');
CREATE INDEX IF NOT EXISTS by_due ON puzzles (due);
CREATE INDEX IF NOT EXISTS by_rating ON puzzles (rating);
CREATE TABLE IF NOT EXISTS person (rating REAL, deviation REAL, volatility REAL, streak INTEGER, longest INTEGER);
CREATE TABLE IF NOT EXISTS drawn (review TEXT PRIMARY KEY);
"""
# What cannot be made anew, of each table: its columns, and of which rows.
_TRUTH = {
    "puzzles": (f"{_PUZZLE}, {', '.join(_ADDED)}", "box >= 0 OR source = 'mine'"),
    "person": (PERSON_COLUMNS, "1"),
}


class PuzzleFile:
    """The database of a folder; `now` tells seconds since 1970.

    Where it cannot be used, it is left as it is, and what is trained is not kept. A damaged one is
    set aside, and what was trained comes back from its copy. `problem` says either.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._path = folder / FILE
        self._copy = folder / COPY
        self._now = now
        self.problem = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not _can_lock(folder):
                raise OSError(_("nothing can be written or locked there"))
            self.base = self._checked()
        except (OSError, sqlite3.Error, DataError) as error:
            text = _(
                "Puzzles are not kept: {path}: {error}", path=printable(self._path), error=error
            )
            self.problem = text
            self.base = self._in_memory()

    def _checked(self) -> sqlite3.Connection:
        """Open the file; if nobody did today, look for damage, and copy what was trained."""
        is_lost = not self._path.exists() or not self._path.stat().st_size
        if is_lost and self._copy.exists():
            return self._found_again()
        try:
            base = _opened(self._path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return self._found_again()
        try:
            if self._is_copied_today():
                return base
            if base.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                self._keep_copy(base)
                return base
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                base.close()
                raise
        base.close()
        return self._found_again()

    def _is_copied_today(self) -> bool:
        with contextlib.suppress(OSError):
            copied = self._copy.stat().st_mtime
            return time.localtime(copied)[:3] == time.localtime(self._now())[:3]
        return False

    def _keep_copy(self, base: sqlite3.Connection) -> None:
        temporary = aside(self._copy, "tmp")
        try:
            with contextlib.closing(_opened(temporary)) as copy:
                _copy_truth(base, copy)
            replace(temporary, self._copy)
        finally:
            temporary.unlink(missing_ok=True)

    def find_again(self) -> None:
        """Take what was trained from the copy, because the file turned out to be damaged. Raises
        OSError and sqlite3.Error.
        """
        self.base.close()
        self.base = self._found_again()

    def _found_again(self) -> sqlite3.Connection:
        told = _("There was no copy of it.")
        kept = self._path.with_name(f"{FILE}.{time.strftime('%Y%m%d-%H%M%S')}")
        damaged = self._path.exists()
        for kind in _PARTS:
            with contextlib.suppress(FileNotFoundError):
                replace(Path(f"{self._path}{kind}"), Path(f"{kept}{kind}"))
        base = _opened(self._path)
        if self._copy.exists():
            day = time.strftime("%Y-%m-%d", time.localtime(self._copy.stat().st_mtime))
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(_opened(self._copy)) as copy,
            ):
                _copy_truth(copy, base)
                told = _("What you had trained up to {day} is back.", day=day)
        text = _("The file of puzzles was damaged and is kept as {file}.", file=printable(kept))
        self.problem = f"{text} {told}" if damaged else told
        return base

    def _in_memory(self) -> sqlite3.Connection:
        """Return a database in memory, with what the file tells where it can be read."""
        base = _opened(":memory:")
        with contextlib.suppress(sqlite3.Error, DataError, OSError):
            place = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            with contextlib.closing(sqlite3.connect(place, uri=True)) as file:
                _check(file)
                _copy_truth(file, base)
        return base


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error tells of a file that is damaged, and not of one that is locked or full."""
    return type(error) is sqlite3.DatabaseError


def _copy_truth(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    with target:
        for table, (columns, which) in _TRUTH.items():
            rows = source.execute(f"SELECT {columns} FROM {table} WHERE {which}")
            places = ", ".join("?" * len(rows.description))
            target.executemany(
                f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})", rows
            )


def _opened(path: Path | str) -> sqlite3.Connection:
    """Open a file of puzzles, or begin one. Raises DataError or sqlite3.Error where it is another
    version's.
    """
    base = sqlite3.connect(path, timeout=_WAIT_S)
    try:
        base.executescript(_TABLES)
        _check(base)
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


def _check(base: sqlite3.Connection) -> None:
    """Raise DataError or sqlite3.Error where the tables are another version's."""
    for table, columns in (("puzzles", _PUZZLE), ("drawn", "review"), ("person", PERSON_COLUMNS)):
        row = base.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchone() or ()
    if not all(isinstance(value, float | int) for value in row):
        raise DataError(f"person: {row}")


def _can_lock(folder: Path) -> bool:
    """Whether SQLite can keep others out of a file in a folder. Asked of a new file, it answers at
    once.
    """
    probe = aside(folder / FILE, "tmp")
    try:
        with contextlib.closing(sqlite3.connect(probe, timeout=0.0)) as base:
            base.execute("CREATE TABLE probe (one)")
    except sqlite3.Error:
        return False
    finally:
        for left in folder.glob(f"{probe.name}*"):
            left.unlink(missing_ok=True)
    return True
