"""Position sets on disk, one `.npy` per array. Writing piece by piece and mapping keep them out of memory.

A set is a folder with the arrays of `PositionSet` and `version`; it gets its name only once it is complete.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.files.atomic import aside, make_durable, replace, sync_folder
from selfplay.records.positions import PositionSet, empty_set

POSITION_SET_VERSION = 3


def write_set(folder: Path, pieces: Sequence[PositionSet | Path]) -> None:
    """Write the games of all pieces as one set, with scores if every piece has them.

    A piece can be the folder of a set, which is mapped only while it is read. Replaces whatever was at `folder`, but
    only once the set is complete: after an error it is still whole. Raises OSError, and DataError for a damaged piece.
    """
    samples = vars(empty_set())
    lengths, scored = {name: len(sample) for name, sample in samples.items()}, True
    for piece in (map_set(piece) if isinstance(piece, Path) else piece for piece in pieces):
        scored = scored and len(piece.target_scores) == len(piece.target_moves)
        for name, sample in samples.items():
            lengths[name] += len(getattr(piece, name)) - len(sample)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = aside(folder, "tmp"), aside(folder, "old")
    temporary.mkdir()
    try:
        for name, sample in samples.items():
            left_out = name == "target_scores" and not scored
            arrays = (_array(piece, name) for piece in (() if left_out else pieces))
            _write_joined(temporary / f"{name}.npy", sample, 0 if left_out else lengths[name], arrays)
        (temporary / "version").write_text(f"{POSITION_SET_VERSION}\n", encoding="ascii")
        sync_folder(temporary)
        if folder.is_dir():  # On Windows this fails as a whole while another process maps the files.
            replace(folder, old)
        replace(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.is_dir() and not folder.exists():
            replace(old, folder)
        raise
    sync_folder(folder.parent)


def _array(piece: PositionSet | Path, name: str) -> np.ndarray:
    if isinstance(piece, PositionSet):
        return np.asarray(getattr(piece, name))
    # A private copy is writable, and the kernels are compiled for writable arrays.
    return np.load(piece / f"{name}.npy", mmap_mode="c", allow_pickle=False).view(np.ndarray)


def _write_joined(path: Path, sample: np.ndarray, length: int, arrays: Iterable[np.ndarray]) -> None:
    """Write arrays as one. A sample with an entry means offsets, which keep counting from array to array."""
    shape = (length, *sample.shape[1:])
    descr = np.lib.format.dtype_to_descr(sample.dtype)
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
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

    Raises DataError if the folder is damaged or of another version.
    """
    try:
        version = (folder / "version").read_text(encoding="ascii").strip()
        if version != str(POSITION_SET_VERSION):
            raise DataError(f"{folder}: position set of version {version!r}, expected {POSITION_SET_VERSION}")
        arrays = {}
        for name, sample in vars(empty_set()).items():
            array = _array(folder, name)
            if array.dtype != sample.dtype or array.shape[1:] != sample.shape[1:]:
                raise DataError(f"{folder}: {name} is {array.dtype}{array.shape}")
            arrays[name] = array
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: not a position set ({error})") from error
    positions = PositionSet(**arrays)
    games, n, t = positions.n_games, positions.n_positions, len(positions.target_moves)
    lengths = {"game_first": games + 1, "target_first": n + 1, "target_probs": t} | dict.fromkeys(
        ("wdl", "moves_left", "usable"), n
    )
    fits = all(len(arrays[name]) == length for name, length in lengths.items())
    fits = fits and (positions.game_first[-1], positions.target_first[-1]) == (n, t)
    if not fits or len(positions.target_scores) not in (0, t):
        raise DataError(f"{folder}: not a position set (the lengths of its arrays do not fit)")
    return positions
