"""Position sets on disk, one `.npy` per array. Writing piece by piece and mapping keep them out of memory.

A set is a folder with the arrays of `PositionSet` and `version`; it gets its name only once it is complete.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import IO

import numpy as np

from engine.errors import DataError
from engine.files.atomic import sync_folder
from selfplay.records.positions import PositionSet, empty_set

VERSION = 3
OFFSETS = ("game_first", "target_first")  # arrays that keep counting across pieces and have one extra entry


def write_set(folder: Path, pieces: Iterable[PositionSet]) -> None:
    """Write the games of all pieces as one set, with scores if every piece has them.

    Replaces whatever was at `folder`, but only once the set is complete. Raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        columns = {field.name: _Column(temporary, field.name) for field in fields(PositionSet)}
        try:
            for piece in pieces:
                for name, column in columns.items():
                    column.append(getattr(piece, name))
            if len(columns["target_scores"]) != len(columns["target_moves"]):
                columns["target_scores"].clear()
        finally:
            for column in columns.values():
                column.close()
        (temporary / "version").write_text(f"{VERSION}\n", encoding="ascii")
        sync_folder(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


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
    _check_lengths(folder, positions)
    return positions


def _check_lengths(folder: Path, positions: PositionSet) -> None:
    n, t = positions.n_positions, len(positions.target_moves)
    lengths = {name: len(getattr(positions, name)) for name in ("target_probs", "wdl", "moves_left", "usable")}
    expected = {"target_probs": t, "wdl": n, "moves_left": n, "usable": n}
    ends = (
        len(positions.game_first),
        len(positions.target_first),
        int(positions.game_first[-1]),
        int(positions.target_first[-1]),
    )
    if (
        lengths != expected
        or ends != (positions.n_games + 1, n + 1, n, t)
        or len(positions.target_scores) not in (0, t)
    ):
        raise DataError(f"{folder}: not a position set (the lengths of its arrays do not fit)")


class _Column:
    """One array that grows on disk. NumPy leaves room in the header for any length."""

    def __init__(self, folder: Path, name: str) -> None:
        self._sample = getattr(empty_set(), name)
        self._length = 0
        self._end = 0  # the last offset so far
        self._stream: IO[bytes] = (folder / f"{name}.npy").open("wb")
        self._write_header()
        self._header_size = self._stream.tell()
        self._is_offsets = name in OFFSETS
        if self._is_offsets:
            self._write(self._sample)

    def __len__(self) -> int:
        return self._length

    def append(self, array: np.ndarray) -> None:
        if self._is_offsets:
            array = array[1:] + self._end
            self._end = int(array[-1]) if len(array) else self._end
        self._write(array)

    def clear(self) -> None:
        self._stream.truncate(self._header_size)
        self._length = 0

    def close(self) -> None:
        self._stream.seek(0)
        self._write_header()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def _write(self, array: np.ndarray) -> None:
        self._stream.write(np.ascontiguousarray(array, self._sample.dtype).data)
        self._length += len(array)

    def _write_header(self) -> None:
        shape = (self._length, *self._sample.shape[1:])
        descr = np.lib.format.dtype_to_descr(self._sample.dtype)
        header = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)
