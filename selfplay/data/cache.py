"""Parsed data kept as .npz beside the run, so that a second start takes seconds."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from selfplay.data.collect import GameRecord, collect
from selfplay.data.positions import PositionSet

__all__ = ["load_or_parse"]

log = logging.getLogger(__name__)

PARSER_VERSION = 1  # raise it when targets or readers change: older caches are then parsed anew


def load_or_parse(path: Path, reader: Callable[[Path], Iterator[GameRecord]], cache: Path | None) -> PositionSet:
    """The file's games, from the cache folder if they were parsed before.

    A cache entry is named by file name, size, modification time, reader and parser version. Games with illegal moves
    are left out and counted in the log. Raises DataError for a file that is not of the reader's form.
    """
    entry = None if cache is None else cache / f"{path.name}-{_fingerprint(path, reader)}.npz"
    if entry is not None and entry.is_file():
        return PositionSet.load(entry)
    positions, skipped = collect(reader(path))
    if skipped:
        log.warning("%s: %d games with illegal moves skipped, %d games left", path, skipped, positions.n_games)
    if entry is not None:
        positions.save(entry)
    return positions


def _fingerprint(path: Path, reader: Callable) -> str:
    status = path.stat()
    text = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{reader.__name__}|{PARSER_VERSION}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
