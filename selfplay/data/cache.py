"""Caches parsed data on disk and maps it from there, so that a second start takes seconds and data
of any size fits.

A position set on disk is a folder with the arrays of `PositionSet`, one `.npy` each; it gets its
name only once it is complete. It is written piece by piece.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.files.atomic import (
    LONGEST_NAME,
    aside,
    make_durable,
    naming,
    real_path,
    replace,
    sync_folder,
)
from engine.files.text import is_hidden, reading
from engine.native.locks import FileLock
from selfplay.records.collect import GameRecord, collect, verified_pieces, watched
from selfplay.records.positions import PositionSet, empty_set

log = logging.getLogger(__name__)

LARGEST_READ = 1 << 16  # bytes of an array that is read at once
# Of files that are taken from a folder.
ENDINGS = set(".bz2 .gz .pgn .tar .tgz .txt .xz .zip .zst".split())
PART_NAMES = "[0-9]*-[0-9]*"  # number, and place of the bookmark behind it
TOLD_SHARE = 0.5  # of a game's result in the values of positions; chunks have the least of it
PARSER_VERSION = 11  # raise it when targets or readers change: older caches are then parsed anew
_WAIT_S = 0.2  # between two looks whether another process has parsed the file


# ---- sets on disk --------------------------------------------------------------------------------


def write_set(folder: Path, pieces: Sequence[PositionSet | Path]) -> None:
    """Write the games of all pieces as one set.

    A piece can be the folder of a set, which is mapped only while it is read. Nothing may be at
    `folder`, which appears once the set is complete. Raises OSError, and DataError for a damaged
    piece.
    """
    samples = vars(empty_set())
    lengths = {name: len(sample) for name, sample in samples.items()}
    for piece in pieces:
        if isinstance(piece, Path):
            piece = map_set(piece)
        for name, sample in samples.items():
            lengths[name] += len(getattr(piece, name)) - len(sample)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = aside(folder)
    temporary.mkdir()
    try:
        for name, sample in samples.items():
            arrays = (_array(piece, name) for piece in pieces)
            _write_joined(temporary / f"{name}.npy", sample, lengths[name], arrays)
        sync_folder(temporary)
        replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _array(piece: PositionSet | Path, name: str) -> np.ndarray:
    if isinstance(piece, PositionSet):
        return np.asarray(getattr(piece, name))
    path = piece / f"{name}.npy"
    # A private copy is writable, as kernels demand. A process may have 65,000 maps: small arrays do
    # without.
    is_large = path.stat().st_size > LARGEST_READ
    return np.load(path, mmap_mode="c" if is_large else None, allow_pickle=False).view(np.ndarray)


def _write_joined(
    path: Path, sample: np.ndarray, length: int, arrays: Iterable[np.ndarray]
) -> None:
    """Write arrays as one. A sample with an entry means offsets, which keep counting from array to
    array.
    """
    shape = (length, *sample.shape[1:])
    descr = np.lib.format.dtype_to_descr(sample.dtype)
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, {"descr": descr, "fortran_order": False, "shape": shape}
        )
        stream.write(sample.data)
        end = 0
        for array in arrays:
            if len(sample):
                array, end = array[1:] + end, end + int(array[-1])
            stream.write(np.ascontiguousarray(array, sample.dtype).data)
        stream.flush()
        make_durable(stream.fileno())


def map_set(folder: Path) -> PositionSet:
    """Map the arrays of a set: pages are read on first use, and changes stay in memory.

    Raises DataError if the folder is damaged.
    """
    try:
        arrays = {}
        for name, sample in vars(empty_set()).items():
            array = _array(folder, name)
            if array.dtype != sample.dtype or array.shape[1:] != sample.shape[1:]:
                raise DataError(f"{folder}: {name} is {array.dtype}{array.shape}")
            arrays[name] = array
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: not a position set ({error})") from error
    positions = PositionSet(**arrays)
    games = positions.n_games
    n = positions.n_positions
    t = len(positions.target_moves)
    lengths = {
        "game_first": games + 1,
        "target_first": n + 1,
        "target_probs": t,
        "target_scores": t,
    }
    lengths |= dict.fromkeys(("wdl", "moves_left", "usable", "rating"), n)
    fits = all(len(arrays[name]) == length for name, length in lengths.items())
    fits = fits and (positions.game_first[-1], positions.target_first[-1]) == (n, t)
    if not fits:
        raise DataError(f"{folder}: not a position set (the lengths of its arrays do not fit)")
    return positions


# ---- parsed files --------------------------------------------------------------------------------


@dataclass
class Bookmark:
    """How far a reader has got in a file, so that another one can continue there."""

    # Behind the last game yielded: bytes of text of a PGN file, games of training chunks.
    place: int = 0
    # Tells which part of the file's bytes was read, 0..1; 0 if it is not known.
    share: Callable[[], float] = lambda: 0.0


# Yields the games after the bookmark, which it moves on.
Reader = Callable[[Path, Bookmark], Iterator[GameRecord]]
# Gets the share of the file that has been read, 0..1, and the games so far.
OnRead = Callable[[float, int], None]


def files_in(folder: Path, seen: set[Path] | None = None) -> list[Path]:
    """Return the files that may hold data of a folder and the folders in it, by name; no hidden
    ones, no dead links.

    seen: folders that are not read again, where links lead to them; by default, those above the
    folder.
    """
    place = real_path(folder)
    if seen is None:
        seen = {*place.parents}
    seen.add(place)
    files = list[Path]()
    for entry in sorted(folder.iterdir()):
        if is_hidden(entry.name):
            continue
        if entry.is_dir() and real_path(entry) not in seen:
            files += files_in(entry, seen)
        elif entry.suffix.lower() in ENDINGS and entry.is_file():
            files.append(entry)
    return files


def load_or_parse(
    path: Path, reader: Reader, cache: Path | None, watch: OnRead = lambda share, games: None
) -> PositionSet:
    """Return the file's games, from the cache folder if parsed before. Without a cache folder they
    stay in memory.

    Name, size and time of the file, or of all in a folder, reader and parser version name a cache
    entry. Skips games that `verify_games` refuses and logs their number. If reading is interrupted,
    the next call continues from there. Raises DataError for a file not in the reader's format.
    """
    if cache is None:
        bookmark = Bookmark()
        games = watched(reader(path, bookmark), lambda count: watch(bookmark.share(), count))
        positions, skipped = collect(games, TOLD_SHARE)
        _tell_skipped(path, skipped)
        return positions
    entry = cache / _entry_name(path, reader)
    if entry.is_dir():
        try:
            return map_set(entry)
        except DataError as error:
            log.warning("%s; %s is read anew", str(error), path)
        # The error is gone, and with it its maps: Windows removes no file that is mapped.
        shutil.rmtree(entry, ignore_errors=True)
    pieces = entry.with_name(f".{entry.name}.pieces")
    with naming(cache):
        pieces.mkdir(parents=True, exist_ok=True)
        with FileLock(pieces / "lock").held(_WAIT_S):
            if not entry.is_dir():  # else another process has parsed it meanwhile
                _parse_in_parts(path, reader, entry, pieces, watch)
            shutil.rmtree(pieces, ignore_errors=True)
    return map_set(entry)


def _entry_name(path: Path, reader: Reader) -> str:
    facts = os.fsencode(real_path(path))
    with reading(path):
        files = [path]
        if path.is_dir():
            files += files_in(path)
        for file in files:
            status = file.stat()
            facts += f"|{status.st_size}|{status.st_mtime_ns}".encode()
    facts += f"|{reader.__name__}|{PARSER_VERSION}".encode()
    return f"{path.name[:LONGEST_NAME]}-{hashlib.sha256(facts).hexdigest()[:12]}"


def _parse_in_parts(path: Path, reader: Reader, entry: Path, folder: Path, watch: OnRead) -> None:
    """Write every piece as a set of its own, whose name tells where the next one begins, and join
    them at the end.
    """
    parts = sorted(folder.glob(PART_NAMES))
    bookmark = Bookmark()
    if parts:
        bookmark.place = int(parts[-1].name.split("-")[1])
    games = sum(map_set(part).n_games for part in parts)
    skipped = 0
    records = watched(reader(path, bookmark), lambda count: watch(bookmark.share(), count), games)
    for piece, left_out in verified_pieces(records, TOLD_SHARE):
        parts.append(folder / f"{len(parts):06d}-{bookmark.place}")
        write_set(parts[-1], [piece])
        skipped += left_out
    _tell_skipped(path, skipped)
    if len(parts) == 1:
        replace(parts[0], entry)
        sync_folder(entry.parent)
    else:
        write_set(entry, parts)


def _tell_skipped(path: Path, skipped: int) -> None:
    if skipped:
        log.warning(
            "%s: %d games with illegal moves, or a result that the board contradicts, skipped",
            path,
            skipped,
        )
