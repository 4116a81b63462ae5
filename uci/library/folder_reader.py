"""Reading a folder of games into the catalogue, in steps, and keeping up with what changes
there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engine.errors import DataError
from engine.files.atomic import real_path
from engine.files.text import printable, reading
from engine.native.uptime import uptime_s
from uci.game.game_file import ANALYSES, pgn_files
from uci.language import later, several, translated
from uci.library.catalogue import Catalogue
from uci.library.cooperative import Steps
from uci.library.game_files import FoundGame, find_games
from uci.openings.opening_names import OpeningNamer

_STEP_S = 0.1  # of reading, between which others are answered
# A file that was changed so short a time ago may change again without another time: the clock of a
# FAT drive goes on by two seconds at once.
_TICK_S = 3.0

OnGames = Callable[[int, int], None]  # how many games were read, and about how many are left


@dataclass(frozen=True)
class FileMark:
    """What tells a file from what it becomes when it is changed.

    Attributes:
        state: its size and times, and which file it is.
        digest: of its content while its times may not tell of another change; else b"".
    """

    state: tuple[int, ...]
    digest: bytes

    @classmethod
    def of(cls, path: Path) -> FileMark:
        """Return the mark of a file as it is now. Raises OSError."""
        now = time.time()
        state = _state(path.stat())
        return cls(state, b"" if _is_settled(state, now) else _content(path))

    def renewed(self, path: Path) -> FileMark | None:
        """Return a mark of the file, or None where it is not the same any more. Raises OSError."""
        now = time.time()
        state = _state(path.stat())
        if state != self.state or (self.digest and _content(path) != self.digest):
            return None
        return FileMark(state, b"" if _is_settled(state, now) else self.digest)


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _is_settled(state: tuple[int, ...], now: float) -> bool:
    return max(state[:2]) / 1e9 < now - _TICK_S


def _content(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").digest()


class FolderReader:
    """Reads what a catalogue does not know yet of a folder's games and analyses."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder, self._catalogue = folder, catalogue
        self._marks: dict[str, FileMark] = {}  # of the files that were read
        # Files that are being read, by whoever has the next turn.
        self._readings: dict[str, Steps] = {}

    def refreshing(self, on_games: OnGames, imported: str) -> Generator[None, None, list[str]]:
        """Read files that are new or have changed, the latest first, and forget those that are
        gone; return what was unreadable, of a file just `imported` in variations, too.

        Others may ask the catalogue between two steps.
        """
        files = self._files()
        for gone in self._marks.keys() - files.keys():
            self.forget(gone)
        changed = [file for file in files if not self.knows(file)]
        sizes = {file: files[file][2] for file in changed}
        progress = _Progress(sum(sizes.values()), on_games)
        namer = OpeningNamer()
        problems = list[str]()
        for file in sorted(changed, key=lambda file: files[file], reverse=True):
            begin = partial(self._read, file, namer, progress, problems, file == imported)
            yield from self._shared(file, begin)
            progress.end_file(sizes[file])
        return problems

    def _files(self) -> dict[str, tuple[int, ...]]:
        """Return the names of all files, below the folder, and their states. A link to one of them
        is no other file.
        """
        links = {}  # by what they lead to
        files = {}
        for folder in (self._folder, self._folder / ANALYSES):
            home = real_path(folder)
            for path in pgn_files(folder):
                if path.is_symlink():
                    links[real_path(path)] = path
                else:
                    files[home / path.name] = path
        states = {}
        for path in (links | files).values():
            # A link to nothing, or a file that has just been deleted, is none.
            with contextlib.suppress(OSError):
                states[path.relative_to(self._folder).as_posix()] = _state(path.stat())
        return states

    def knows(self, file: str) -> bool:
        """Whether a file was read as it is now."""
        mark = self._marks.get(file)
        with contextlib.suppress(OSError):
            mark = mark and mark.renewed(self._folder / file)
            if mark:
                self._marks[file] = mark
                return True
        return False

    def release(self, file: str) -> None:
        """Close a file that is being read, so that it can be changed. It will be read anew."""
        if reading := self._readings.pop(file, None):
            reading.close()

    def note_change(self, file: str, before: os.stat_result, after: os.stat_result | None) -> None:
        """Take note that a file was changed here, and the catalogue knows how: from one state to
        another, or to nothing.

        Where other programs changed it, too, it is read again.
        """
        mark = self._marks.pop(file, None)
        if mark is None or mark.state != _state(before) or after is None:
            return
        with contextlib.suppress(OSError):
            changed = FileMark.of(self._folder / file)
            if changed.state == _state(after):
                self._marks[file] = changed

    def forget(self, file: str) -> None:
        """Forget a file, which has gone."""
        self._marks.pop(file, None)
        self.release(file)
        self._catalogue.forget(file)

    def _shared(self, file: str, begin: Callable[[], Steps]) -> Steps:
        """Read a file, or go on with the reading of it that others have begun; begin anew where the
        file is changed here meanwhile.
        """
        is_first = True
        while is_first or not self._is_done(file):
            is_first = False
            reading = self._readings.setdefault(file, begin())
            while self._readings.get(file) is reading:
                try:
                    next(reading)
                except BaseException as error:
                    del self._readings[file]
                    if isinstance(error, StopIteration):
                        return
                    raise
                yield

    def _is_done(self, file: str) -> bool:
        """Whether a file was read, or has gone."""
        return self.knows(file) or not (self._folder / file).exists()

    def _read(
        self,
        file: str,
        namer: OpeningNamer,
        progress: _Progress,
        problems: list[str],
        with_variations: bool,
    ) -> Steps:
        """Read a file: a new one is listed step by step, one that has changed all at once."""
        path = self._folder / file
        faults = list[str]()
        is_new = not self._catalogue.has_file(file)
        games = list[tuple[FoundGame, str]]()
        begun = uptime_s()
        try:
            with reading(path):
                mark = FileMark.of(path)
            for game in find_games(path, faults, with_variations):
                games.append((game, "" if game.start else namer.name(game.moves)))
                progress.games += 1
                if uptime_s() < begun + _STEP_S:
                    continue
                if is_new:
                    self._catalogue.add(file, mark.state[0], games)
                    games = []
                progress.tell(game.place.end)
                yield
                begun = uptime_s()
        except DataError as error:
            problems.append(str(error))
            if isinstance(error.__cause__, OSError):  # it may be readable the next time
                return
        if not is_new:
            self._catalogue.forget(file)
        self._catalogue.add(file, mark.state[0], games)
        self._marks[file] = mark
        if faults:
            singular = later("{file}: {count} fault, {fault}")
            plural = later("{file}: {count} faults, first {fault}")
            values = {"file": printable(path.name), "fault": translated(faults[0])}
            problems.append(several(singular, plural, len(faults), **values))


@dataclass
class _Progress:
    """Tells how many games were read, and about how many are left in so many bytes."""

    left: int
    on_games: OnGames
    read: int = 0  # bytes of files that were read
    games: int = 0

    def tell(self, place: int) -> None:
        """Tell it at a place in a file."""
        usual = (self.read + place) / self.games
        self.on_games(self.games, max(0, round((self.left - place) / usual)))

    def end_file(self, size: int) -> None:
        """Take note that a file of this size was read."""
        self.read += size
        self.left -= size
