"""An index of the games in a folder. The PGN files and reviews are the truth; the index is made anew when lost."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from engine.errors import DataError
from engine.files.atomic import atomic_write
from engine.native.locks import FileLock
from uci.game.game_file import REVIEWED
from uci.game.timed_game import PERSON
from uci.language import _
from uci.library.explorer import KEPT_PLIES, Continuation, Explorer
from uci.library.game_files import FoundGame, find_games, game_key, read_at, remove_at
from uci.terminal.author_notes import game_name
from uci.terminal.opening_names import OpeningNamer

INDEX, REVIEWS, NAMES = "index.sqlite", "reviews", "names.json"
PAGE = 50  # games in one part of a list
_VERSION = 4  # of the tables and what stands in them
_BATCH = 1000  # games between two commits
_TABLES = """
CREATE TABLE files (name TEXT PRIMARY KEY, size INTEGER, changed INTEGER, repeats INTEGER);
CREATE TABLE games (key TEXT PRIMARY KEY, file TEXT, place INTEGER, date TEXT, white TEXT, black TEXT,
  result TEXT, opening TEXT, ending TEXT, plies INTEGER, mine TEXT, moves BLOB);
CREATE INDEX by_date ON games (date DESC, place DESC);
CREATE INDEX by_file ON games (file);
CREATE TABLE reviews (key TEXT PRIMARY KEY, changed INTEGER, accuracy_white REAL, accuracy_black REAL,
  mistakes TEXT);
"""
_COLUMNS = ("key", "date", "white", "black", "result", "opening", "ending", "plies", "mine", "accuracy_white",
            "accuracy_black")  # fmt: skip
_DAY = "substr(date, 1, 10)"  # the time of day follows where it is known
_DAY_S = 86_400
_WAIT_S = 0.5  # between two looks whether others are ready
# An own side is "white" or "black". NULL: neither player has one of the own names.
_MINE = "CASE WHEN folded(white) IN ({0}) THEN 'white' WHEN folded(black) IN ({0}) THEN 'black' END"


@dataclass(frozen=True)
class Wanted:
    """What a list of games shows: a part of an opening's or a player's name, a result for oneself, an own side."""

    text: str = ""
    result: str = ""  # won, lost, drawn, other, "" for all
    side: str = ""  # white, black, "" for both

    def condition(self) -> tuple[str, list[str]]:
        """Return SQL, and what stands for its question marks."""
        rules, values = ["1"], list[str]()
        for word in self.text.split():
            names = ("opening", "white", "black")
            if not word.isascii():  # SQLite knows capitals of ASCII only
                word, names = word.casefold(), ("folded(opening)", "folded(white)", "folded(black)")
            rules.append("(" + " OR ".join(f"{name} LIKE ? ESCAPE '!'" for name in names) + ")")
            plain = re.sub("([!%_])", r"!\1", word)
            values += [f"%{plain}%"] * 3
        win, loss = ("result = CASE mine WHEN 'white' THEN '1-0' WHEN 'black' THEN '0-1' END",
                     "result = CASE mine WHEN 'white' THEN '0-1' WHEN 'black' THEN '1-0' END")  # fmt: skip
        drawn, other = "result = '1/2-1/2'", "result NOT IN ('1-0', '0-1', '1/2-1/2')"
        rules += [{"won": win, "lost": loss, "drawn": drawn, "other": other}.get(self.result, "1")]
        if self.side:
            rules.append("mine = ?")
            values.append(self.side)
        return " AND ".join(rules), values


@contextlib.contextmanager
def alone_in(folder: Path, work: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Wait until no other thread or program does this work in a folder; `on_wait` is called again and again."""
    lock = FileLock(folder / REVIEWS / f".{work}")
    while not lock.try_acquire():
        on_wait()
        time.sleep(_WAIT_S)
    try:
        yield
    finally:
        lock.release()


class GameIndex:
    """The index of a folder, for one thread; others open their own. Raises DataError where the folder is unusable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._home = _home(folder)
            self._base = self._open()
            self._own = set(self.names)
            self._explored: tuple[object, Explorer] | None = None  # what the latest explorer was made of
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"{folder / INDEX}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        path = self._home / INDEX
        base = sqlite3.connect(path, timeout=30.0, isolation_level=None)
        try:
            base.execute("PRAGMA journal_mode = WAL")
        except sqlite3.DatabaseError as error:
            base.close()
            if isinstance(error, sqlite3.OperationalError):  # locked, or the disk is full: no reason to begin anew
                raise
            return self._open_anew()  # this is no database
        base.execute("PRAGMA synchronous = NORMAL")
        base.create_function("folded", 1, str.casefold, deterministic=True)
        base.execute("BEGIN IMMEDIATE")  # other threads open it, too
        if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
            for kind, name in base.execute("SELECT type, name FROM sqlite_master WHERE type <> 'index'").fetchall():
                if not name.startswith("sqlite_"):
                    base.execute(f'DROP {kind} IF EXISTS "{name}"')
            for command in filter(str.strip, _TABLES.split(";")):
                base.execute(command)
            base.execute(f"PRAGMA user_version = {_VERSION}")
        base.execute("COMMIT")
        base.isolation_level = "DEFERRED"
        self._file = os.stat(path)
        return base

    def _open_anew(self) -> sqlite3.Connection:
        """Begin with an empty index: the games' files have all that was in it."""
        for left in self._home.glob(f"{INDEX}*"):
            left.unlink(missing_ok=True)
        return self._open()

    def _check(self) -> None:
        """Look for damage once a day, because that takes seconds in a large library. Raises DatabaseError."""
        today = int(time.time() // _DAY_S)
        if self._base.execute("PRAGMA application_id").fetchone() != (today,):  # the day of the latest look
            if self._base.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError(f"{self._home / INDEX} is damaged")
            self._base.execute(f"PRAGMA application_id = {today}")

    @property
    def is_current(self) -> bool:
        """Whether this is still the file of the folder, or another one took its place."""
        with contextlib.suppress(OSError):
            return os.path.samestat(self._file, os.stat(self._home / INDEX))
        return False

    def close(self) -> None:
        """End the connection."""
        self._base.close()

    def interrupt(self) -> None:
        """Let what the index is asked for at the moment fail; from any thread."""
        self._base.interrupt()

    # ---- keeping up with the files ----------------------------------------------------------------------------------

    def refresh(self, on_games: Callable[[int], None] = lambda games: None) -> list[str]:
        """Read files that are new or have changed and forget those that are gone; return what was unreadable.

        `on_games` hears how many games were read so far. A file that was read in part, by a program that was killed,
        counts as changed.
        """
        with alone_in(self._home, "reading"):
            try:
                self._check()
                problems = self._refresh(on_games)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                self._base.close()
                self._base = self._open_anew()
                problems = self._refresh(on_games)
        if self._home != self.folder:
            problems.append(
                _("Nothing can be written in {folder}: reviews and puzzles are not kept.", folder=self.folder)
            )
        return problems

    def _refresh(self, on_games: Callable[[int], None]) -> list[str]:
        problems, namer, read = list[str](), OpeningNamer(), 0
        self._own = set(self.names)
        found = {}
        for path in self.folder.glob("[!.]*.pgn"):
            with contextlib.suppress(OSError):  # a link to nothing, or a file that has just been deleted
                if REVIEWED not in path.name:
                    found[path.name] = path.stat()
        known = {name: (size, changed) for name, size, changed in self._base.execute(
            "SELECT name, size, changed FROM files")}  # fmt: skip
        old = {name for name in known if name not in found or known[name] != _state(found[name])}
        if old:  # games that these files had may stand in others, too, which have to be looked at again
            old |= {name for (name,) in self._base.execute("SELECT name FROM files WHERE repeats > 0")}
        with self._base:
            for name in old:
                self._base.execute("DELETE FROM games WHERE file = ?", [name])
                self._base.execute("DELETE FROM files WHERE name = ?", [name])
        for name in sorted(found, key=lambda name: found[name].st_mtime_ns):
            if name in known and name not in old:
                continue
            try:
                for count in self._read_file(name, found[name].st_size, found[name].st_mtime_ns, namer):
                    on_games(read + count)
                read += count
            except DataError as error:
                problems.append(str(error))
                if not isinstance(error.__cause__, OSError):  # else it may be readable the next time
                    self._note_read(name, found[name].st_size, found[name].st_mtime_ns, 0)
        self._refresh_reviews()
        return problems

    def _read_file(self, name: str, size: int, changed: int, namer: OpeningNamer) -> Iterator[int]:
        """Take a file's games up, batch by batch; yield how many. It counts as read with the last batch only."""
        self._note_read(name, -1, -1, 0)
        count = repeats = 0
        for count, game in enumerate(find_games(self.folder / name), 1):
            repeats += 1 - self._take_up(name, game, namer)
            if count % _BATCH == 0:
                self._base.commit()
                yield count
        self._note_read(name, size, changed, repeats)
        yield count

    def _note_read(self, *row: object) -> None:
        self._base.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", row)
        self._base.commit()

    def _take_up(self, name: str, game: FoundGame, namer: OpeningNamer) -> int:
        tags = game.tags
        opening = tags.get("Opening", "?").strip("?") or ("" if "FEN" in tags else namer.name(game.moves))
        date = _day(tags.get("UTCDate") or tags.get("Date", ""))
        date += f" {tags['UTCTime']}" if len(date) == 10 and "UTCTime" in tags else ""
        white, black = tags.get("White", "?"), tags.get("Black", "?")
        if white == black == "?":  # a chapter of a study
            white, black = game_name(tags), ""
        row = (game.key, name, game.place, date, white, black, tags.get("Result", "*"), opening,
               tags.get("Termination", ""), len(game.moves) // 2, self._side(white, black),
               None if "FEN" in tags else game.moves[: 2 * KEPT_PLIES])  # fmt: skip
        marks = ", ".join("?" * len(row))
        return self._base.execute(f"INSERT OR IGNORE INTO games VALUES ({marks})", row).rowcount

    def _refresh_reviews(self) -> None:
        found = {path.stem: path for path in (self.folder / REVIEWS).glob("*.json")}
        known = dict(self._base.execute("SELECT key, changed FROM reviews"))
        with self._base:
            self._base.executemany("DELETE FROM reviews WHERE key = ?", [[key] for key in known if key not in found])
            for key, path in found.items():
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # a review that cannot be read
                    changed = path.stat().st_mtime_ns
                    if known.get(key) != changed:
                        facts = json.loads(path.read_text(encoding="utf-8"))["facts"]
                        row = (key, changed, facts["white"], facts["black"], json.dumps(facts["mistakes"]))
                        self._base.execute("INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?)", row)

    # ---- one's own names --------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """One's own names in games, without regard to capitals; `you` is always one."""
        try:
            told = json.loads((self.folder / NAMES).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            told = []
        return [PERSON.casefold(), *(name for name in told if isinstance(name, str))]

    def add_name(self, name: str) -> None:
        """Remember another own name, and find the own side in all games anew. Raises DataError."""
        names = [*dict.fromkeys([*self.names[1:], name.strip().casefold()])]
        try:
            with atomic_write(self.folder / NAMES) as file:
                file.write(json.dumps(names).encode())
        except OSError as error:
            raise DataError(str(error)) from error
        names = self.names
        with self._base:
            self._base.execute(f"UPDATE games SET mine = {_MINE.format(', '.join('?' * len(names)))}", names * 2)

    def _side(self, white: str, black: str) -> str | None:
        return "white" if white.casefold() in self._own else "black" if black.casefold() in self._own else None

    def likely_names(self, file: str) -> list[str]:
        """Return the players of most games of a file, if one's own name is none of them."""
        rows = self._base.execute("SELECT white, black, mine FROM games WHERE file = ?", [file]).fetchall()
        if any(mine for _, _, mine in rows):
            return []
        return [name for name, _ in Counter(name for row in rows for name in row[:2]).most_common(5)]

    def has_games_of(self, file: str) -> bool:
        """Whether a file has games that no other file had before."""
        return self._base.execute("SELECT 1 FROM games WHERE file = ? LIMIT 1", [file]).fetchone() is not None

    # ---- what it tells ----------------------------------------------------------------------------------------------

    def find(self, wanted: Wanted, offset: int = 0, count: int = PAGE) -> tuple[list[dict[str, Any]], int]:
        """Return a part of the games, latest first, and how many there are in all."""
        rule, values = wanted.condition()
        rows = self._base.execute(
            f"SELECT {', '.join(_COLUMNS).replace('date', _DAY)} FROM games LEFT JOIN reviews USING (key) WHERE {rule} "
            "ORDER BY date DESC, place DESC LIMIT ? OFFSET ?",
            [*values, count, offset],
        )
        games = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        return games, int(self._base.execute(f"SELECT count(*) FROM games WHERE {rule}", values).fetchone()[0])

    def progress(self) -> list[dict[str, Any]]:
        """One's own reviewed games, oldest first: date, accuracy, and mistakes in opening, middlegame, endgame."""
        rows = self._base.execute(
            f"SELECT {_DAY}, mine, accuracy_white, accuracy_black, mistakes FROM games JOIN reviews USING (key) "
            "WHERE mine IS NOT NULL ORDER BY date, place"
        )
        return [
            {"date": date, "accuracy": white if mine == "white" else black, "mistakes": json.loads(mistakes)[mine]}
            for date, mine, white, black, mistakes in rows
        ]

    def explore(self, board: chess.Board, side: str) -> list[Continuation]:
        """Return what was played in a position, in all games, or in those with an own side (white, black)."""
        wanted = (self._base.execute("PRAGMA data_version").fetchone(), self._base.total_changes, side)
        if self._explored is None or self._explored[0] != wanted:
            rule, values = Wanted(side=side).condition()
            rows = self._base.execute(f"SELECT moves, result FROM games WHERE moves IS NOT NULL AND {rule}", values)
            self._explored = wanted, Explorer(rows.fetchall())
        return self._explored[1].explore(board)

    def unreviewed(self) -> list[str]:
        """Return the keys of one's own games that have no review, latest first."""
        rows = self._base.execute(
            "SELECT key FROM games LEFT JOIN reviews USING (key) WHERE mine IS NOT NULL AND reviews.key IS NULL "
            "AND plies > 0 ORDER BY date DESC, place DESC"
        )
        return [key for (key,) in rows]

    def side(self, key: str) -> chess.Color | None:
        """One's own side in a game."""
        row = self._base.execute("SELECT mine FROM games WHERE key = ?", [key]).fetchone()
        return None if row is None or row[0] is None else row[0] == "white"

    def game(self, key: str) -> chess.pgn.Game:
        """Return a game from its file. Raises DataError where that has changed meanwhile, or has no such game."""
        path, place = self._place(key)
        game = read_at(path, place)
        if game_key(game) != key:
            raise DataError(_("{path} has changed; open My games again", path=path))
        return game

    def delete(self, key: str) -> None:
        """Remove a game from all files that have it, and its review. Raises DataError."""
        self.game(key)
        path, place = self._place(key)
        self.review_file(key).unlink(missing_ok=True)
        self._remove_at(path, place)
        with self._base:
            self._base.execute("DELETE FROM games WHERE key = ?", [key])
        for (name,) in self._base.execute("SELECT name FROM files WHERE repeats > 0").fetchall():
            path = self.folder / name
            places = [game.place for game in find_games(path) if game.key == key] if path.exists() else []
            for place in reversed(places):
                self._remove_at(path, place)

    def _remove_at(self, path: Path, place: int) -> None:
        gone = remove_at(path, place)
        with self._base:
            self._base.execute(
                "UPDATE games SET place = place - ? WHERE file = ? AND place > ?", [gone, path.name, place]
            )
            if path.exists():
                self._base.execute("UPDATE files SET size = ?, changed = ? WHERE name = ?",
                                   [*_state(path.stat()), path.name])  # fmt: skip

    def review_file(self, key: str) -> Path:
        """Where the review of a game is."""
        return self.folder / REVIEWS / f"{key}.json"

    def _place(self, key: str) -> tuple[Path, int]:
        row = self._base.execute("SELECT file, place FROM games WHERE key = ?", [key]).fetchone()
        if row is None:
            raise DataError(_("that game is not in the list any more"))
        return self.folder / row[0], row[1]


def _home(folder: Path) -> Path:
    """Return the folder that the index is in: another one where nothing can be written. Raises OSError."""
    try:
        (folder / REVIEWS).mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        if not folder.is_dir():
            raise
    return _temporary(folder)


@functools.cache
def _temporary(folder: Path) -> Path:
    """Return a folder in a folder's place, as long as the program runs."""
    made = Path(tempfile.mkdtemp(prefix="aino-index-"))
    (made / REVIEWS).mkdir()
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _day(date: str) -> str:
    """Return a PGN's date as far as it is known, to be sorted: 2025.03.01, 2025.03, 2025, or nothing.

    Other programs also write 2025-3-1 and 01.03.2025.
    """
    parts = [int(part) for part in re.findall(r"\d+", date[:20])]
    year = next((at for at, part in enumerate(parts) if part > 31), None)
    if year is None:
        return ""
    rest = parts[year + 1 :] if year == 0 else parts[:year][::-1]
    if rest[:1] > [12]:  # a month stands before its day
        rest = rest[1::-1]
    return ".".join([f"{parts[year]:04}", *(f"{part:02}" for part in rest[:2] if part)])


def _state(stat: Any) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns
