"""Caches parsed data on disk and maps it from there, so that a second start takes seconds and data of any size fits."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.files.atomic import naming
from engine.files.text import reading
from selfplay.records.collect import GameRecord, collect, verified_pieces, watched
from selfplay.records.positions import PositionSet
from selfplay.records.store import map_set, write_set

log = logging.getLogger(__name__)

PART_NAMES = "[0-9]*-[0-9]*"  # number, and place of the bookmark behind it
PARSER_VERSION = 6  # raise it when targets or readers change: older caches are then parsed anew


@dataclass
class Bookmark:
    """How far a reader has got in a file, so that another one can continue there."""

    place: int = 0  # behind the last game yielded: bytes of text of a PGN file, games of training chunks
    share: float = 0.0  # part of the file's bytes that were read, 0..1; 0 if not known


Reader = Callable[[Path, Bookmark], Iterator[GameRecord]]  # yields the games after the bookmark, which it moves on
OnRead = Callable[[float, int], None]  # gets the share of the file that has been read, 0..1, and the games so far


def load_or_parse(
    path: Path, reader: Reader, cache: Path | None, watch: OnRead = lambda share, games: None
) -> PositionSet:
    """Return the file's games, from the cache folder if parsed before. Without a cache folder they stay in memory.

    File name, size, modification time, reader and parser version name a cache entry. Skips games with illegal moves and
    counts them in the log. If reading is interrupted, the next call continues from there.
    Raises DataError for a file not in the reader's format.
    """
    if cache is None:
        bookmark = Bookmark()
        positions, skipped = collect(watched(reader(path, bookmark), lambda games: watch(bookmark.share, games)))
        _tell_skipped(path, skipped)
        return positions
    entry = cache / f"{path.name}-{_fingerprint(path, reader)}"
    if not entry.is_dir():
        with naming(cache):
            _parse_in_parts(path, reader, entry, watch)
    return map_set(entry)


def _parse_in_parts(path: Path, reader: Reader, entry: Path, watch: OnRead) -> None:
    """Write every piece as a set of its own, whose name tells where the next one begins, and join them at the end."""
    folder = entry.with_name(f".{entry.name}.pieces")
    parts = sorted(folder.glob(PART_NAMES))
    bookmark = Bookmark(int(parts[-1].name.split("-")[1])) if parts else Bookmark()
    games, skipped = sum(map_set(part).n_games for part in parts), 0
    records = watched(reader(path, bookmark), lambda count: watch(bookmark.share, count), games)
    for piece, left_out in verified_pieces(records):
        parts.append(folder / f"{len(parts):06d}-{bookmark.place}")
        write_set(parts[-1], [piece])
        skipped += left_out
    _tell_skipped(path, skipped)
    try:
        write_set(entry, parts)
    except PermissionError:  # On Windows: another process has written the same set meanwhile, and maps it.
        map_set(entry)
    shutil.rmtree(folder, ignore_errors=True)


def _tell_skipped(path: Path, skipped: int) -> None:
    if skipped:
        log.warning("%s: %d games with illegal moves skipped", path, skipped)


def _fingerprint(path: Path, reader: Callable) -> str:
    with reading(path):
        status = path.stat()
    facts = f"|{status.st_size}|{status.st_mtime_ns}|{reader.__name__}|{PARSER_VERSION}"
    return hashlib.sha256(os.fsencode(path.resolve()) + facts.encode()).hexdigest()[:12]
