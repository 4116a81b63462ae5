"""An index of the games in a folder. The PGN files and reviews are the truth; the index is made
anew when lost.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeVar, cast

import chess
import chess.pgn

from engine.board.notation import board_after
from engine.errors import DataError
from engine.files.atomic import aside
from engine.files.text import printable, searchable
from engine.native.awake import awake_s
from engine.native.locks import FileLock
from uci.game.game_file import REVIEWS, owning, pgn_files
from uci.language import _, later, several, translated
from uci.library.changes import Change, delete, edit
from uci.library.explorer import KEPT_PLIES, Continuation, Explorer
from uci.library.game_files import (
    FoundGame,
    find_games,
    game_key,
    is_key,
    read_at,
)
from uci.library.own_names import OwnNames
from uci.library.wanted import Wanted, day_of
from uci.terminal.author_notes import game_name, is_told
from uci.terminal.opening_names import OpeningNamer

Answer = TypeVar("Answer")

INDEX = "index.sqlite"
PAGE = 50  # games in one part of a list
_MOST_FILES = 50  # to choose from for the explorer
_VERSION = 7  # of the tables and what stands in them
_STEP_S = 0.1  # of reading, between which others are answered
_MEMORY = ":memory:"
_TABLES = """
CREATE TABLE files (name BLOB PRIMARY KEY, size INTEGER, changed INTEGER);
CREATE TABLE games (key TEXT PRIMARY KEY, date TEXT, white TEXT, black TEXT, result TEXT, opening TEXT, ending TEXT,
  plies INTEGER, mine TEXT, moves BLOB, words TEXT);
CREATE INDEX by_date ON games (date);
CREATE TABLE places (file BLOB, place INTEGER, end INTEGER, key TEXT, text TEXT, PRIMARY KEY (file, place));
CREATE INDEX by_key ON places (key);
CREATE TABLE reviews (key TEXT PRIMARY KEY, changed INTEGER, accuracy_white REAL, accuracy_black REAL,
  mistakes TEXT);
"""
_COLUMNS = ("key", "date", "white", "black", "result", "opening", "ending", "plies", "mine", "accuracy_white",
            "accuracy_black")  # fmt: skip
_FORGET_LOST = "DELETE FROM games WHERE key NOT IN (SELECT key FROM places)"
_SEARCHED = ("Event", "Site", "Round", "Result", "ECO", "WhiteElo", "BlackElo")
_DAY = "substr(date, 1, 10)"  # the time of day follows where it is known
_DAY_S = 86_400
_WAIT_S = 0.02  # between two looks whether another program has read the folder
# An own side is "white" or "black". NULL: neither player has one of the own names.
_MINE = "CASE WHEN folded(white) IN ({0}) THEN 'white' WHEN folded(black) IN ({0}) THEN 'black' END"


class GameIndex:
    """The index of a folder, for one thread; others open their own. Raises DataError where the
    folder is unusable.

    Where no other program can be kept out of a file, or nothing can be written, the index is in
    memory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.own_names = folder, OwnNames(folder)
        try:
            with contextlib.suppress(OSError):  # nothing can be written there
                (folder / REVIEWS).mkdir(parents=True, exist_ok=True)
            pgn_files(folder)
            is_kept = (folder / REVIEWS).is_dir() and can_lock(folder)
            self._base = self._open(str(folder / INDEX) if is_kept else _MEMORY)
        except (OSError, sqlite3.Error) as error:
            raise DataError(f"{printable(folder / INDEX)}: {error}") from error
        self._explored: tuple[object, Explorer] | None = (
            None  # what the latest explorer was made of
        )

    def _open(self, path: str) -> sqlite3.Connection:
        try:
            base = sqlite3.connect(path, timeout=30.0, isolation_level=None)
            with contextlib.ExitStack() as opened:
                opened.callback(base.close)
                base.execute(
                    "PRAGMA journal_mode = DELETE"
                )  # a write-ahead log spoils files on network drives
                base.execute("PRAGMA synchronous = NORMAL")
                base.create_function("folded", 1, str.casefold, deterministic=True)
                base.create_function("searched", 1, searchable, deterministic=True)
                base.execute("BEGIN IMMEDIATE")  # other programs open it, too
                if base.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    _begin_anew(base)
                base.execute("COMMIT")
                opened.pop_all()
        except sqlite3.OperationalError:  # locked, or the disk is full: no reason to throw it away
            if path == _MEMORY:
                raise
            return self._open(_MEMORY)
        except sqlite3.DatabaseError:  # this is no database
            return self._open_anew()
        base.isolation_level = "DEFERRED"
        self._place = path
        self._file = os.stat(path) if path != _MEMORY else None
        return base

    def _open_anew(self) -> sqlite3.Connection:
        """Begin with an empty index: the games' files have all that was in it."""
        for left in self.folder.glob(f"{INDEX}*"):
            left.unlink(missing_ok=True)
        return self._open(str(self.folder / INDEX))

    def _check(self) -> None:
        """Look for damage once a day, because that takes seconds in a large library. Raises
        DatabaseError.
        """
        today = int(time.time() // _DAY_S)
        if self._base.execute("PRAGMA application_id").fetchone() != (
            today,
        ):  # the day of the latest look
            if self._base.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError(f"{self._place} is damaged")
            self._base.execute(f"PRAGMA application_id = {today}")

    @property
    def is_current(self) -> bool:
        """Whether this is still the file of the folder, or another one took its place."""
        with contextlib.suppress(OSError):
            return self._file is None or os.path.samestat(self._file, os.stat(self._place))
        return False

    def close(self) -> None:
        """End the connection."""
        self._base.close()

    def interrupt(self) -> None:
        """Let what the index is asked for at the moment fail; from any thread."""
        self._base.interrupt()

    # ---- keeping up with the files ---------------------------------------------------------------

    def refresh(self, on_games: Callable[[int], None] = lambda games: None) -> list[str]:
        """Do all steps of `refreshing` at once."""
        return finish(self.refreshing(on_games))

    def refreshing(
        self, on_games: Callable[[int], None] = lambda games: None
    ) -> Generator[None, None, list[str]]:
        """Read files that are new or have changed and forget those that are gone; return what was
        unreadable.

        `on_games` hears how many games were read so far. Others may use the index between two
        steps. A file that was read in part, by a program that was killed, counts as changed. Where
        SQLite fails, the index goes on in memory.
        """
        lock = FileLock(self.folder / REVIEWS / ".reading")
        with contextlib.suppress(OSError):  # nothing can be written there, or locked
            while not lock.try_acquire():
                time.sleep(_WAIT_S)
                yield
        try:
            while True:
                try:
                    self._check()
                    problems = yield from self._refreshing(on_games)
                    break
                except sqlite3.DatabaseError as error:
                    if (
                        self._place == _MEMORY
                        or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
                    ):
                        raise
                    self._base.close()
                    is_damaged = not isinstance(error, sqlite3.OperationalError)
                    self._base = self._open_anew() if is_damaged else self._open(_MEMORY)
        finally:
            lock.release()
        if not ((self.folder / REVIEWS).is_dir() and os.access(self.folder / REVIEWS, os.W_OK)):
            text = later("Nothing can be written in {folder}: reviews and puzzles are not kept.")
            problems.append(_(text, folder=printable(self.folder)))
        return problems

    def _refreshing(self, on_games: Callable[[int], None]) -> Generator[None, None, list[str]]:
        problems, namer, read = self.own_names.read(), OpeningNamer(), 0
        found = {}
        for path in pgn_files(self.folder):
            with contextlib.suppress(
                OSError
            ):  # a link to nothing, or a file that has just been deleted
                found[os.fsencode(path.name)] = path.stat()
        known = {
            name: (size, changed)
            for name, size, changed in self._base.execute("SELECT * FROM files")
        }
        old = [[name] for name in known if name not in found or known[name] != _state(found[name])]
        with self._base:
            self._base.executemany("DELETE FROM places WHERE file = ?", old)
            self._base.executemany("DELETE FROM files WHERE name = ?", old)
            if old:
                self._base.execute(_FORGET_LOST)
        for name in sorted(found, key=lambda name: found[name].st_mtime_ns):
            if name in known and [name] not in old:
                continue
            path, faults = self.folder / os.fsdecode(name), list[str]()
            try:
                for count in self._read_file(name, _state(found[name]), namer, faults):
                    on_games(read + count)
                    yield
                read += count
            except DataError as error:
                problems.append(str(error))
                if not isinstance(
                    error.__cause__, OSError
                ):  # else it may be readable the next time
                    self._note_read(name, *_state(found[name]))
            if faults:
                one, many = (
                    later("{file}: {count} fault, {fault}"),
                    later("{file}: {count} faults, first {fault}"),
                )
                facts = {"file": printable(path.name), "fault": translated(faults[0])}
                problems.append(several(one, many, len(faults), **facts))
        self._refresh_reviews()
        return problems

    def _read_file(
        self, name: bytes, state: tuple[int, int], namer: OpeningNamer, faults: list[str]
    ) -> Generator[int, None, None]:
        """Take a file's games up, step by step; yield how many. It counts as read with the last
        step only.
        """
        self._note_read(name, -1, -1)
        count, begun = 0, awake_s()
        for count, game in enumerate(find_games(self.folder / os.fsdecode(name), faults), 1):
            self._take_up(name, game, namer)
            if awake_s() > begun + _STEP_S:
                self._base.commit()
                yield count
                begun = awake_s()
        self._note_read(name, *state)
        yield count

    def _note_read(self, *row: object) -> None:
        self._base.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", row)
        self._base.commit()

    def _take_up(self, file: bytes, game: FoundGame, namer: OpeningNamer) -> None:
        tags, key = {name: text for name, text in game.tags.items() if is_told(text)}, game.key
        opening = tags.get("Opening") or ("" if game.start else namer.name(game.moves))
        date = day_of(tags.get("UTCDate", "")) or day_of(tags.get("Date", ""))
        date += f" {tags['UTCTime']}" if len(date) == 10 and "UTCTime" in tags else ""
        white, black = tags.get("White", "?"), tags.get("Black", "?")
        if white == black == "?":  # a chapter of a study
            white, black = game_name(tags), ""
        codes = (
            game.moves[at : at + 2] for at in range(0, min(len(game.moves), 2 * KEPT_PLIES), 2)
        )
        moves = (
            None if game.start else b"".join(itertools.takewhile(b"\0\0".__ne__, codes))
        )  # up to a pass, 0
        own = self.own_names.all
        side = "white" if white.casefold() in own else "black" if black.casefold() in own else None
        words = searchable(
            " ".join([date, white, black, opening, *(tags.get(name, "") for name in _SEARCHED)])
        )
        row = (key, date, white, black, tags.get("Result", "*"), opening, tags.get("Termination", ""),
               len(game.moves) // 2, side, moves, words)  # fmt: skip
        self._base.execute(f"INSERT OR IGNORE INTO games VALUES ({', '.join('?' * len(row))})", row)
        self._base.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?)",
                           (file, game.place, game.end, key, game.digest))  # fmt: skip

    def _refresh_reviews(self) -> None:
        found = {
            path.stem: path for path in (self.folder / REVIEWS).glob("*.json") if is_key(path.stem)
        }
        known = dict(self._base.execute("SELECT key, changed FROM reviews"))
        with self._base:
            self._base.executemany(
                "DELETE FROM reviews WHERE key = ?", [[key] for key in known if key not in found]
            )
            for key, path in found.items():
                with contextlib.suppress(
                    Exception
                ):  # another version or program may have written anything there
                    changed = path.stat().st_mtime_ns
                    if known.get(key) != changed:
                        self._take_up_review(
                            key, changed, json.loads(path.read_text(encoding="utf-8"))["facts"]
                        )

    def _take_up_review(self, key: str, changed: int, facts: Any) -> None:
        sides = chess.COLOR_NAMES[::-1]  # White first
        mistakes = {side: [int(count) for count in facts["mistakes"][side]] for side in sides}
        accuracies = [None if facts[side] is None else float(facts[side]) for side in sides]
        row = (key, changed, *accuracies, json.dumps(mistakes))
        self._base.execute("INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?)", row)

    # ---- one's own names -------------------------------------------------------------------------

    def add_name(self, name: str, mine: bool = True) -> None:
        """Note that a name is one's own, or is not, and find the own side in all games anew. Raises
        OSError.

        Of nobody's name, "", it is only noted that the question was answered.
        """
        self.own_names.change(name, mine)
        names = self.own_names.all
        with self._base:
            self._base.execute(
                f"UPDATE games SET mine = {_MINE.format(', '.join('?' * len(names)))}", names * 2
            )

    def likely_names(self, file: str = "") -> list[str]:
        """Return who played most games without an own name: of a file, if it has no other games, or
        of all.
        """
        rule, values = "mine IS NULL", list[Any]()
        if file:
            rule, values = "key IN (SELECT key FROM places WHERE file = ?)", [os.fsencode(file)]
            if self._base.execute(
                f"SELECT 1 FROM games WHERE {rule} AND mine IS NOT NULL LIMIT 1", values
            ).fetchone():
                return []
        rule += " AND black <> ''"  # else it is a chapter of a study
        each = " UNION ALL ".join(
            f"SELECT {side} AS name FROM games WHERE {rule}" for side in ("white", "black")
        )
        rows = self._base.execute(f"SELECT min(name) FROM ({each}) WHERE name <> '?' GROUP BY folded(name) "
                                  "ORDER BY count(*) DESC, min(name) LIMIT 5", values * 2)  # fmt: skip
        return [name for (name,) in rows]

    def drop_known(self, file: str) -> bool:
        """Remove a file if all its games stand in other files, too, in the same words. Returns
        whether it went.

        Of a file that another program changes or reads meanwhile, the index knows nothing: it
        stays.
        """
        new = ("SELECT 1 FROM places WHERE file = ? AND NOT EXISTS (SELECT 1 FROM places other WHERE other.key = "
               "places.key AND other.text = places.text AND other.file <> places.file)")  # fmt: skip
        with owning(self.folder):
            is_known = (
                self._has_read(os.fsencode(file))
                and not self._base.execute(new, [os.fsencode(file)]).fetchone()
            )
            if is_known:
                (self.folder / file).unlink(missing_ok=True)
        return is_known

    # ---- what it tells ---------------------------------------------------------------------------

    def find(self, wanted: Wanted, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return a part of the games, latest first, and how many there are in all.

        With each come its file, the digest of its text there, and how many copies of the game there
        are.
        """
        rule, values = wanted.condition()
        if wanted.line:
            rule += " AND games.rowid IN (SELECT value FROM json_each(?))"
            moves = map(chess.Move.from_uci, wanted.line.split())
            values.append(
                json.dumps(self._explorer(wanted).games(board_after(chess.Board(), *moves)))
            )
        rows = self._base.execute(
            f"SELECT {', '.join(_COLUMNS).replace('date', _DAY)} FROM games LEFT JOIN reviews USING (key) WHERE {rule} "
            f"ORDER BY {wanted.sorting} LIMIT ? OFFSET ?",
            [*values, PAGE, offset],
        )
        games = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        for game in games:
            file, _begin, _end, text, copies = self._copies(game["key"])
            game |= {"file": printable(os.fsdecode(file)), "text": text, "copies": copies}
        return games, int(
            self._base.execute(f"SELECT count(*) FROM games WHERE {rule}", values).fetchone()[0]
        )

    def progress(self) -> list[dict[str, Any]]:
        """One's own reviewed games, oldest first: date, accuracy, and mistakes in opening,
        middlegame, endgame.
        """
        rows = self._base.execute(
            f"SELECT {_DAY}, mine, accuracy_white, accuracy_black, mistakes FROM games JOIN reviews USING (key) "
            "WHERE mine IS NOT NULL ORDER BY date, games.rowid"
        )
        return [
            {
                "date": date,
                "accuracy": white if mine == "white" else black,
                "mistakes": json.loads(mistakes)[mine],
            }
            for date, mine, white, black, mistakes in rows
        ]

    def explore(self, board: chess.Board, side: str = "", file: str = "") -> list[Continuation]:
        """Return what was played in a position: in all games, those of an own side (white, black),
        or a file's.
        """
        return self._explorer(Wanted(side=side, file=file)).explore(board)

    def _explorer(self, wanted: Wanted) -> Explorer:
        """Return the explorer of all games, or of those of a side or file that is wanted."""
        rule, values = Wanted(side=wanted.side, file=wanted.file).condition()
        about = (
            self._base.execute("PRAGMA data_version").fetchone(),
            self._base.total_changes,
            rule,
            values,
        )
        if self._explored is None or self._explored[0] != about:
            sql = f"SELECT games.rowid, moves, result FROM games WHERE moves IS NOT NULL AND {rule}"
            self._explored = about, Explorer(self._base.execute(sql, values).fetchall())
        return self._explored[1]

    def files(self) -> list[str]:
        """Return the names of the files with several games, the largest first, for the explorer."""
        rows = self._base.execute(
            "SELECT file FROM places GROUP BY file HAVING count(*) > 1 ORDER BY count(*) DESC"
        )
        return [name for (file,) in rows if printable(name := os.fsdecode(file)) == name][
            :_MOST_FILES
        ]

    def unreviewed(self) -> list[str]:
        """Return the keys of one's own games that have no review, latest first."""
        rows = self._base.execute(
            "SELECT key FROM games LEFT JOIN reviews USING (key) WHERE mine IS NOT NULL AND reviews.key IS NULL "
            "AND plies > 0 ORDER BY date DESC, games.rowid DESC"
        )
        return [key for (key,) in rows]

    def side(self, key: str) -> chess.Color | None:
        """One's own side in a game."""
        row = self._base.execute("SELECT mine FROM games WHERE key = ?", [key]).fetchone()
        return None if row is None or row[0] is None else row[0] == "white"

    def game(self, key: str) -> chess.pgn.Game:
        """Return a game from its file. Raises DataError where that has changed meanwhile, or has no
        such game.
        """
        return self.game_text(key)[0]

    def game_text(self, key: str) -> tuple[chess.pgn.Game, str]:
        """Return a game from its file as `game` does, and the digest of its text there."""
        file, place, _end, text, _count = self._copies(key)
        path = self.folder / os.fsdecode(file)
        game = read_at(path, place)
        if game is None or game_key(game) != key:
            raise DataError(_("{path} has changed; open My games again", path=printable(path)))
        return game, text

    def delete(self, key: str, text: str = "") -> str:
        """Remove a game from its file, if its text there is the one with this digest ("": as the
        index knows it).

        Its review goes with its last copy. Returns a sentence on the copies that stay, "" where
        none does. Raises DataError.
        """
        file, place, end, known, copies = self._copies(key, text)
        change = delete(self.folder / os.fsdecode(file), place, end, known)
        if copies == 1:
            with owning(self.folder):
                for left in (self.folder / REVIEWS).glob(f"{key}.*"):
                    left.unlink(missing_ok=True)
        self._note_change(file, place, end, change)
        with self._base:
            self._base.execute(_FORGET_LOST)
        if copies == 1:
            return ""
        file = self._copies(key)[0]
        return several("{count} equal game stays, in {file}.", "{count} equal games stay, one of them in {file}.",
                       copies - 1, file=printable(os.fsdecode(file)))  # fmt: skip

    def rewrite(self, key: str, text: str, game: chess.pgn.Game) -> tuple[str, Path]:
        """Write what was changed in a game of this key into its text with this digest; return the
        new one's, and the file.

        Raises DataError.
        """
        file, place, end, known, _copies = self._copies(key, text)
        path = self.folder / os.fsdecode(file)
        change = edit(path, place, end, known, game)
        self._note_change(file, place, end, change)
        with self._base:
            row = (file, place, change.end, key, change.digest)
            self._base.execute("INSERT INTO places VALUES (?, ?, ?, ?, ?)", row)
        return change.digest, path

    def _note_change(self, file: bytes, place: int, end: int, change: Change) -> None:
        """Forget where a game stood, and move the places of those behind it."""
        known = self._base.execute("SELECT size, changed FROM files WHERE name = ?", [file])
        is_current = known.fetchone() == _state(change.before)
        with self._base:
            self._base.execute("DELETE FROM places WHERE file = ? AND place = ?", [file, place])
            self._base.execute(
                "UPDATE OR REPLACE places SET place = -(place + ?), end = end + ? WHERE file = ? "
                "AND place > ?",
                [change.shift, change.shift, file, place],
            )
            # None may meet another on the way.
            self._base.execute("UPDATE OR REPLACE places SET place = -place WHERE place < 0")
            if is_current and change.after is not None:
                state = _state(change.after)
                self._base.execute(
                    "UPDATE files SET size = ?, changed = ? WHERE name = ?", [*state, file]
                )

    def _has_read(self, file: bytes) -> bool:
        """Whether the index knows a file as it is now."""
        path = self.folder / os.fsdecode(file)
        state = _state(path.stat()) if path.exists() else None
        return bool(
            self._base.execute("SELECT size, changed FROM files WHERE name = ?", [file]).fetchone()
            == state
        )

    def _copies(self, key: str, text: str = "") -> tuple[bytes, int, int, str, int]:
        """(file, place, end, digest) of the copy of a game with most in it, or of the one with this
        digest; copies.
        """
        rows = self._base.execute(
            "SELECT file, place, end, text FROM places WHERE key = ? ORDER BY end - place DESC, file, place",
            [key],
        ).fetchall()
        found = next((row for row in rows if text in ("", row[3])), None)
        if found is None:
            raise DataError(_("that game is not in the list any more"))
        return *found, len(rows)


def finish(steps: Generator[object, None, Answer]) -> Answer:
    """Do all steps; return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(Answer, end.value)


def can_lock(folder: Path) -> bool:
    """Whether SQLite can keep others out of a file in a folder. Asked of a new file, it answers at
    once.
    """
    probe = aside(folder / INDEX, "tmp")
    try:
        with contextlib.closing(sqlite3.connect(probe, timeout=0.0, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            _begin_anew(base)
            base.execute("ROLLBACK")
    except sqlite3.Error:
        return False
    finally:
        for left in folder.glob(f"{probe.name}*"):
            left.unlink(missing_ok=True)
    return True


def _begin_anew(base: sqlite3.Connection) -> None:
    for kind, name in base.execute(
        "SELECT type, name FROM sqlite_master WHERE type <> 'index'"
    ).fetchall():
        if not name.startswith("sqlite_"):
            base.execute(f'DROP {kind} IF EXISTS "{name}"')
    for command in filter(str.strip, _TABLES.split(";")):
        base.execute(command)
    base.execute(f"PRAGMA user_version = {_VERSION}")


def _state(stat: Any) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns
