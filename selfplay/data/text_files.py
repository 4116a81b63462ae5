"""Reads text files of any length line by line, packed or not. Every fault is a DataError that names the file."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from engine.errors import DataError

__all__ = ["SkipLog", "numbered_lines"]

log = logging.getLogger(__name__)

LONGEST_LINE = 1 << 24  # characters; no valid file has a longer line
MOST_TOLD = 20  # most skipped games logged one by one per file

_OPENERS: dict[str, Callable[..., Any]] = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


def numbered_lines(path: Path, encoding: str = "utf-8", errors: str = "strict") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file, unpacked if its name ends in .xz, .gz or .bz2.

    Raises DataError for files that cannot be read, are damaged or cut short, or have a line over LONGEST_LINE.
    """
    number = 0
    try:
        with _OPENERS.get(path.suffix, open)(path, "rt", encoding=encoding, errors=errors) as stream:
            while line := _bounded(stream):
                number += 1
                yield number, line.rstrip("\r\n")
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}:{number + 1}: cannot be read: {error}") from error


def _bounded(stream: TextIO) -> str:
    line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise OSError(f"a line of over {LONGEST_LINE:,} characters")
    return line


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
