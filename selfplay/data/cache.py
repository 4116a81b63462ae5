"""Caches parsed data on disk and maps it from there: a second start takes seconds, and any size fits."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import DataError
from selfplay.records.collect import GameRecord, collect, verified_pieces
from selfplay.records.positions import PositionSet
from selfplay.records.store import map_set, write_set

__all__ = ["load_or_parse"]

log = logging.getLogger(__name__)

PARSER_VERSION = 4  # raise it when targets or readers change: older caches are then parsed anew


def load_or_parse(path: Path, reader: Callable[[Path], Iterator[GameRecord]], cache: Path | None) -> PositionSet:
    """The file's games, from the cache folder if parsed before. Without a cache folder they stay in memory.

    File name, size, modification time, reader and parser version name a cache entry. Games with illegal moves
    are left out and counted in the log. Raises DataError for a file not in the reader's format.
    """
    if cache is None:
        positions, skipped = collect(reader(path))
        _tell_skipped(path, skipped)
        return positions
    entry = cache / f"{path.name}-{_fingerprint(path, reader)}"
    if not entry.is_dir():
        skipped = 0

        def pieces() -> Iterator[PositionSet]:
            nonlocal skipped
            for piece, left_out in verified_pieces(reader(path)):
                skipped += left_out
                yield piece

        write_set(entry, pieces())
        _tell_skipped(path, skipped)
    return map_set(entry)


def _tell_skipped(path: Path, skipped: int) -> None:
    if skipped:
        log.warning("%s: %d games with illegal moves skipped", path, skipped)


def _fingerprint(path: Path, reader: Callable) -> str:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    text = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{reader.__name__}|{PARSER_VERSION}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
