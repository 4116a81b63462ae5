"""Reads text files of any length line by line, packed or not. Every fault is a DataError that names the file."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import DataError
from engine.files.text import PACKED_ERRORS, open_unpacked, utf8_pieces

log = logging.getLogger(__name__)

LONGEST_LINE = 1 << 24  # characters; no valid file has a longer line
LINES_PER_LOOK = 512  # lines between two updates of the share of the file that has been read
MOST_TOLD = 20  # most skipped games logged one by one per file

_UNPACK: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


@dataclass
class Bookmark:
    """How far a reader has got in a file, so that another one can continue there.

    Attributes:
        lines: lines up to the end of the last game that was yielded; of training chunks, the games.
        share: part of the file's bytes that were read, 0..1; 0 if not known.
    """

    lines: int = 0
    share: float = 0.0


def numbered_lines(
    path: Path, encoding: str = "utf-8", errors: str = "strict", bookmark: Bookmark | None = None
) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file, unpacked if its name ends in .xz, .gz or .bz2.

    Begins after the lines of a `bookmark`, which it moves on. Raises DataError for files that cannot be read, are
    damaged or cut short, or have a line over LONGEST_LINE.
    """
    bookmark = bookmark or Bookmark()
    number, first = 0, bookmark.lines
    unpack = _UNPACK.get(path.suffix, lambda raw: raw)
    try:
        with path.open("rb") as raw, io.TextIOWrapper(unpack(raw), encoding, errors) as stream:
            size = os.fstat(raw.fileno()).st_size
            while line := stream.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE:
                    raise OSError(f"a line of over {LONGEST_LINE:,} characters")
                number += 1
                if number % LINES_PER_LOOK == 0:
                    bookmark.share = raw.tell() / max(1, size)
                if number == 1:
                    line = line.removeprefix("\ufeff")
                if number > first:
                    bookmark.lines = number
                    yield number, line.rstrip("\r\n")
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}:{number + 1}: cannot be read: {error}") from error


def position_lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of a list of positions in any encoding; without blank lines and those that begin with #."""
    number = 0
    try:
        with open_unpacked(path) as (stream, _):
            for piece in utf8_pieces(stream):
                for line in piece.splitlines():
                    number += 1
                    if line.strip() and not line.startswith(b"#"):
                        yield number, line.decode()
    except PACKED_ERRORS as error:
        raise DataError(f"{path}:{number + 1}: cannot be read: {error}") from error


class SkipLog:
    """Logs the games that a reader skips: the first ones by line, the rest as a number at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def note(self, line: int, reason: str) -> None:
        """Count, and at first log, a skipped game that begins or breaks at `line`."""
        self.count += 1
        if self.count <= MOST_TOLD:
            log.warning("%s:%d: game skipped: %s", self.path, line, reason)

    def close(self) -> None:
        """Log how many more games were skipped."""
        if self.count > MOST_TOLD:
            log.warning("%s: %d more games skipped", self.path, self.count - MOST_TOLD)
