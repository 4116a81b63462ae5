"""A folder of labels: row files that grow, and a file that tells how many of their rows are labels.

settings.json   inputs of the labels; the same settings and seed give the same bytes
values.rows     positions with a value, 32 bytes each
scored.rows     positions with a value and up to eight scored moves, 64 bytes each (`packed` has the
                layout of both)
published.json  totals so far; replaced as a whole once the rows are on disk

Rows beyond the totals were being written when the process died; the writer cuts them off and samples
them again.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.errors import ConfigError, DataError, RunError
from engine.files.atomic import make_durable, naming, sync_folder, write_file
from engine.files.settings_file import read_noted
from engine.files.text import reading
from selfplay.records.packed import (
    SCORE_FIELDS,
    SCORED_WORDS,
    SOURCE_MASK,
    SOURCES,
    VALUE_WORDS,
    fill_keys,
)

VALUES_FILE = "values.rows"
SCORED_FILE = "scored.rows"
FOLDER_SETTINGS = "settings.json"
PUBLISHED = "published.json"
ROWS_PER_PASS = 1 << 22  # that are summarised at a time
BALANCED_CP = 150


@dataclass(frozen=True)
class Chunk:
    """Packed rows of one chunk."""

    values: np.ndarray  # uint64 [N, 4]
    scored: np.ndarray  # uint64 [M, 8]


@dataclass(frozen=True)
class Published:
    """Totals of the chunks that a folder has."""

    chunks: int = 0
    values: int = 0
    scored: int = 0

    def after(self, chunk: Chunk) -> "Published":
        """Return the totals with one more chunk."""
        return Published(
            chunks=self.chunks + 1,
            values=self.values + len(chunk.values),
            scored=self.scored + len(chunk.scored),
        )


class LabelFolder:
    """The published labels of a folder, mapped from disk; a writer may still be appending.

    Attributes:
        settings: inputs of the labels.
        published: totals so far.
        values: uint64 [N, 4] packed rows.
        scored: uint64 [M, 8] packed rows.

    Raises DataError for a folder that is missing, damaged or shorter than its totals say.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = _read_object(folder / FOLDER_SETTINGS)
        self.published = _read_published(folder)
        self.values = _mapped(folder / VALUES_FILE, self.published.values, VALUE_WORDS)
        self.scored = _mapped(folder / SCORED_FILE, self.published.scored, SCORED_WORDS)

    def verify(self) -> None:
        """Unpack every row. Raises DataError for the first that is not a position."""
        for rows, name in ((self.values, VALUES_FILE), (self.scored, SCORED_FILE)):
            for first in range(0, len(rows), ROWS_PER_PASS):
                keys_of_rows(rows[first : first + ROWS_PER_PASS], self.folder / name, first)


def fields_of(rows: np.ndarray) -> np.ndarray:
    """Score, root, clocks and kind of packed rows [N, 4 or 8]: a structured view [N]."""
    return rows[:, 3:4].view(SCORE_FIELDS)[:, 0]


def keys_of_rows(rows: np.ndarray, name: object, first: int = 0) -> np.ndarray:
    """Position keys uint64[N] of packed rows [N, 4 or 8], those from `first` on of what `name` is.

    Raises DataError for a row that is not a position.
    """
    keys = np.zeros(len(rows), np.uint64)
    bad = fill_keys(np.ascontiguousarray(rows), np.zeros(ROW_WORDS, np.uint64), keys)
    if bad >= 0:
        raise DataError(f"{name}: row {first + bad:,} is not a position")
    return keys


@dataclass(frozen=True)
class Composition:
    """Rows by source, and how many of all are calm and balanced (within 150 cp)."""

    sources: dict[str, int]
    rows: int
    calm: int
    balanced: int


def composition(rows: np.ndarray) -> Composition:
    counts = np.zeros(SOURCE_MASK + 1, np.int64)
    calm = 0
    balanced = 0
    for first in range(0, len(rows), ROWS_PER_PASS):
        fields = fields_of(rows[first : first + ROWS_PER_PASS])
        kinds = np.bincount(fields["kind"], minlength=256)
        counts += kinds.reshape(16, 16).sum(axis=0)
        calm += int(kinds.reshape(8, 2, 16)[:, 1].sum())
        balanced += int(np.count_nonzero(np.abs(fields["score"].astype(np.int32)) < BALANCED_CP))
    sources = dict(zip(SOURCES, counts.tolist(), strict=False))
    return Composition(sources, len(rows), calm, balanced)


def begin_or_continue(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a new folder of labels. Raises RunError where it has others, DataError
    where they are damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FOLDER_SETTINGS
    if not path.is_file():
        write_file(path, json.dumps(settings, indent=2))
        return
    stored = _read_object(path)
    names = stored.keys() | settings.keys()
    different = sorted(name for name in names if stored.get(name) != settings.get(name))
    if different:
        raise RunError(
            f"{folder} holds labels with other {', '.join(different)} (see {FOLDER_SETTINGS})"
        )


class LabelWriter:
    """Appends to a folder from where its totals end, or begins a new folder.

    Raises RunError for a folder with other settings, DataError for a damaged one.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        begin_or_continue(folder, settings)
        self.folder = folder
        self.published = _read_published(folder)
        _cut_off(folder / VALUES_FILE, self.published.values * VALUE_WORDS * 8)
        _cut_off(folder / SCORED_FILE, self.published.scored * SCORED_WORDS * 8)

    def publish(self, chunks: Sequence[Chunk]) -> None:
        """Append chunks: first their rows, then the totals."""
        totals = self.published
        for chunk in chunks:
            totals = totals.after(chunk)
        with naming(self.folder):
            _append_rows(self.folder / VALUES_FILE, [chunk.values for chunk in chunks])
            _append_rows(self.folder / SCORED_FILE, [chunk.scored for chunk in chunks])
            sync_folder(self.folder)
            write_file(self.folder / PUBLISHED, json.dumps(asdict(totals)))
        self.published = totals


def _append_rows(path: Path, parts: list[np.ndarray]) -> None:
    """Write rows to the end of a file; they are on disk when this returns."""
    with open(path, "ab") as stream:
        for rows in parts:
            stream.write(np.ascontiguousarray(rows).data)
        stream.flush()
        make_durable(stream.fileno())


def _cut_off(path: Path, size: int) -> None:
    """Cut a row file down to its published bytes; a missing file is one without rows."""
    path.touch()
    _check_size(path, size)
    os.truncate(path, size)


def _check_size(path: Path, size: int) -> None:
    if path.stat().st_size < size:
        raise DataError(
            f"{path}: expected {size:,} bytes by {PUBLISHED}, found {path.stat().st_size:,}"
        )


def _read_published(folder: Path) -> Published:
    path = folder / PUBLISHED
    if not path.is_file():
        return Published()
    content = _read_object(path)
    names = asdict(Published())
    totals: list[Any] = list(map(content.get, names))
    if not all(map(_is_count, totals)):
        raise DataError(f"{path}: expected the totals {', '.join(names)}, found {content}")
    return Published(*totals)


def _is_count(total: Any) -> bool:
    return isinstance(total, int) and 0 <= total < 1 << 48


def _read_object(path: Path) -> dict[str, Any]:
    try:
        return read_noted(path)
    except ConfigError as error:
        raise DataError(f"not a label folder: {error}") from error


def _mapped(path: Path, rows: int, words: int) -> np.ndarray:
    if rows == 0:
        return np.zeros((0, words), np.uint64)
    with reading(path):
        _check_size(path, rows * words * 8)
        return np.memmap(path, np.dtype("<u8"), "r", shape=(rows, words))
