"""Reads text files of any length line by line, packed or not. Every fault is a DataError that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import DataError
from engine.files.text import PACKED_ERRORS, open_unpacked, utf8_pieces

PIECE = 1 << 16  # bytes that are read at once


@dataclass
class Bookmark:
    """How far a reader has got in a file, so that another one can continue there."""

    lines: int = 0  # lines up to the end of the last game yielded; of PGN, bytes of text; of chunks, games
    share: float = 0.0  # part of the file's bytes that were read, 0..1; 0 if not known


def numbered_lines(path: Path, bookmark: Bookmark | None = None) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line without its end) of a text file, unpacked if its name ends in .gz, .bz2, .xz or .zst.

    Begins after the lines of a `bookmark`, which it moves on. Raises DataError for files that cannot be read, are
    damaged or cut short, or have a line over LONGEST_LINE.
    """
    bookmark = bookmark or Bookmark()
    count, first = 0, bookmark.lines
    try:
        with open_unpacked(path) as (stream, share):
            for piece in utf8_pieces(stream, PIECE):
                bookmark.share = share()
                for line in piece.splitlines():
                    count += 1
                    if count > first:
                        bookmark.lines = count
                        yield count, line.decode()
    except PACKED_ERRORS as error:
        raise DataError(f"{path}:{count + 1}: cannot be read: {error}") from error


def position_lines(path: Path) -> Iterator[tuple[int, str]]:
    """`numbered_lines` of a list of positions, without blank lines and those that begin with #."""
    return ((number, line) for number, line in numbered_lines(path) if line.strip() and not line.startswith("#"))
