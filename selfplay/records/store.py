"""Position sets on disk, one `.npy` per array. Writing piece by piece and mapping keep them out of memory.

A set is a folder with the arrays of `PositionSet` and `version`; it gets its name only once it is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.errors import DataError
from engine.files.atomic import sync_folder
from selfplay.records.positions import PositionSet, empty_set

VERSION = 3
PER_POSITION = ("wdl", "moves_left", "usable")  # arrays as long as `moves`


def write_set(folder: Path, pieces: Sequence[PositionSet]) -> None:
    """Write the games of all pieces as one set, with scores if every piece has them.

    Replaces whatever was at `folder`, but only once the set is complete. Raises OSError.
    """
    scored = all(len(piece.target_scores) == len(piece.target_moves) for piece in pieces)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, sample in vars(empty_set()).items():
            arrays = [getattr(piece, name) for piece in pieces if scored or name != "target_scores"]
            _write_joined(temporary / f"{name}.npy", sample, arrays)
        (temporary / "version").write_text(f"{VERSION}\n", encoding="ascii")
        sync_folder(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def _write_joined(path: Path, sample: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
    """Write arrays as one. A sample with an entry means offsets, which keep counting from array to array."""
    shape = (len(sample) + sum(len(array) - len(sample) for array in arrays), *sample.shape[1:])
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
        os.fsync(stream.fileno())


def map_set(folder: Path) -> PositionSet:
    """Map the arrays of a set: pages are read on first use, and changes stay in memory.

    Raises DataError if the folder is damaged or of another version.
    """
    try:
        version = (folder / "version").read_text(encoding="ascii").strip()
        if version != str(VERSION):
            raise DataError(f"{folder}: position set of version {version!r}, expected {VERSION}")
        arrays = {}
        for name, sample in vars(empty_set()).items():
            # A private copy is writable, and the kernels are compiled for writable arrays.
            array = np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False).view(np.ndarray)
            if array.dtype != sample.dtype or array.shape[1:] != sample.shape[1:]:
                raise DataError(f"{folder}: {name} is {array.dtype}{array.shape}")
            arrays[name] = array
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: not a position set ({error})") from error
    positions = PositionSet(**arrays)
    games, n, t = positions.n_games, positions.n_positions, len(positions.target_moves)
    expected = {
        "game_first": games + 1,
        "target_first": n + 1,
        "target_probs": t,
        "wdl": n,
        "moves_left": n,
        "usable": n,
    }
    fits = all(len(arrays[name]) == length for name, length in expected.items())
    fits = fits and (positions.game_first[-1], positions.target_first[-1]) == (n, t)
    if not fits or len(positions.target_scores) not in (0, t):
        raise DataError(f"{folder}: not a position set (the lengths of its arrays do not fit)")
    return positions
