"""All puzzles of a folder: those of one's own mistakes, which the reviews tell, those that come with
Aino, and those that were imported.
"""

import contextlib
import itertools
import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.board.pgn.annotations import game_name
from engine.errors import DataError
from engine.files.atomic import atomic_write
from uci.language import _, later, several
from uci.library.game_files import games_in, review_files
from uci.library.game_query import day_of
from uci.library.puzzles import Puzzle, read_lichess, read_set

IMPORTED = "puzzles"  # the folder of those that were imported: files of a puzzle a line, as JSON
MOST_IMPORTED = 100_000  # puzzles: they are kept in memory; a person solves some dozens a day
_BATCH = 1000  # puzzles that are read in one step


class PuzzleStock:
    """The puzzles of a folder of games."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # By the names and the times of the reviews.
        self._reviewed: dict[tuple[str, int], list[Puzzle]] = {}
        self._puzzles = dict[str, Puzzle]()

    @cached_property
    def _shipped(self) -> list[Puzzle]:
        return list(read_set())

    @cached_property
    def _imported(self) -> list[Puzzle]:
        paths = sorted((self._folder / IMPORTED).glob("*.json"))
        return list(itertools.chain.from_iterable(map(_read_imported, paths)))

    def puzzles(self) -> dict[str, Puzzle]:
        """Return all puzzles by their keys: those of the latest reviews come first."""
        if self._look_for_reviews() or not self._puzzles:
            self._puzzles = self._put_together()
        return self._puzzles

    def _look_for_reviews(self) -> bool:
        """Read the reviews that are new, and forget those that are gone; return whether there were
        any.
        """
        paths = {}
        for path in review_files(self._folder):
            with contextlib.suppress(FileNotFoundError):
                paths[path.name, path.stat().st_mtime_ns] = path
        if paths.keys() == self._reviewed.keys():
            return False
        self._reviewed = {
            name: self._reviewed.get(name) or list(_puzzles_of_review(path))
            for name, path in paths.items()
        }
        return True

    def _put_together(self) -> dict[str, Puzzle]:
        puzzles = dict[str, Puzzle]()
        for name in sorted(self._reviewed, key=lambda name: name[1], reverse=True):
            for puzzle in self._reviewed[name]:
                latest = puzzles.setdefault(puzzle.key, puzzle)
                # A review that was made again may know more of the solution.
                if len(latest.moves) < len(puzzle.moves):
                    puzzles[puzzle.key] = puzzle
        for puzzle in itertools.chain(self._shipped, self._imported):
            puzzles.setdefault(puzzle.key, puzzle)
        return puzzles

    def adding(self, path: Path, name: str) -> Generator[None, None, str]:
        """Take up the puzzles of a file that is called so, in steps, so that puzzles can be
        answered meanwhile. No more than MOST_IMPORTED are taken up in all.

        Returns a sentence on it. Raises DataError without a puzzle, and OSError.
        """
        faults = list[str]()
        rows = read_lichess(path, on_fault=lambda fault: faults.append(f"{name}:{fault}"))
        new = dict[str, Puzzle]()
        count = 0
        known_keys = self.puzzles().keys()
        room = MOST_IMPORTED - len(self._imported)
        while len(new) < room and (batch := list(itertools.islice(rows, _BATCH))):
            count += len(batch)
            new |= {puzzle.key: puzzle for puzzle in batch if puzzle.key not in known_keys}
            yield
        if not count and room > 0:
            sentence = _("{name}: no puzzle in Lichess's format", name=name)
            if faults:
                sentence += f" ({faults[0]})"
            raise DataError(sentence)
        if new:
            self._keep(list(new.values())[:room])
        sentence = several("{count} new puzzle.", "{count} new puzzles.", len(new))
        if faults:
            singular = later("Skipped {count} row that is no puzzle, {fault}")
            plural = later("Skipped {count} rows that are no puzzles, first {fault}")
            sentence += " " + several(singular, plural, len(faults), fault=faults[0])
        return sentence

    def _keep(self, puzzles: Iterable[Puzzle]) -> None:
        """Keep imported puzzles in a file of their own. Raises OSError."""
        folder = self._folder / IMPORTED
        folder.mkdir(parents=True, exist_ok=True)
        number = 1
        while (path := folder / f"{number:04}.json").exists():
            number += 1
        with atomic_write(path) as stream:
            for puzzle in puzzles:
                stream.write(json.dumps(asdict(puzzle)).encode() + b"\n")
        del self._imported
        self._puzzles = {}


def _read_imported(path: Path) -> Iterator[Puzzle]:
    """Yield the puzzles of a file that was imported; lines that cannot be read have none."""
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            yield _puzzle_of(json.loads(line))


def _puzzle_of(fields: dict[str, Any]) -> Puzzle:
    """Return the puzzle of what JSON made of its fields."""
    moves = tuple(fields["moves"])
    themes = tuple(fields["themes"])
    return Puzzle(**(fields | {"moves": moves, "themes": themes}))


def _puzzles_of_review(path: Path) -> Iterator[Puzzle]:
    with contextlib.suppress(Exception):  # another program may have written anything there
        review = json.loads(path.read_text(encoding="utf-8"))
        tags = games_in(review["game"].encode())[0].tags
        game = f"{path.stem} {day_of(tags.get('Date', ''))} {game_name(tags)}"
        for fields in review["puzzles"]:
            yield _puzzle_of(fields | {"game": game})
