"""A folder of labels: row files that grow by appended chunks, and a journal that lists the valid
chunks.

settings.json  inputs of the labels; the same settings and seed give the same bytes
values.rows    positions with a value, 32 bytes each
scored.rows    positions with a value and up to eight scored moves, 64 bytes each (`packed` has the
               layout of both)
journal        48 bytes for each published chunk: the lengths of both files after it, and their
               checksums

A chunk is on disk before the journal names it. Rows beyond the journal's last whole record were
being written when the process died; the writer cuts them off and samples them again.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
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

JOURNAL = "journal"
VALUES_FILE = "values.rows"
SCORED = "scored.rows"
FOLDER_SETTINGS = "settings.json"
JOURNAL_MAGIC = b"AJ01"
# Magic, chunk, values, scored, offered, crc of both parts, 0, crc of the record.
RECORD = struct.Struct("<4sIQQQIIII")
MOST_JOURNAL_BYTES = RECORD.size << 24
ROWS_PER_PASS = 1 << 22  # that are summarised at a time
BALANCED_CP = 150
SETTINGS_OF_1_0_0 = {"depth": -1, "groups_of": 0}  # It could choose these; every folder names them.


@dataclass(frozen=True)
class Chunk:
    """Packed rows of one chunk, and the number of positions examined for it."""

    values: np.ndarray  # uint64 [N, 4]
    scored: np.ndarray  # uint64 [M, 8]
    offered: int


@dataclass(frozen=True)
class Published:
    """Totals that a journal gives after a number of chunks."""

    chunks: int = 0
    values: int = 0
    scored: int = 0
    offered: int = 0


class LabelFolder:
    """The published labels of a folder, mapped from disk; a writer may still be appending.

    Attributes:
        settings: inputs of the labels.
        published: totals so far.
        values: uint64 [N, 4] packed rows.
        scored: uint64 [M, 8] packed rows.

    Raises DataError for a folder that is missing, damaged, shorter than its journal says, or of a
    kind that Aino no longer reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = _read_settings(folder / FOLDER_SETTINGS)
        if any(
            self.settings.get(name, usual) != usual for name, usual in SETTINGS_OF_1_0_0.items()
        ):
            raise DataError(
                f"{folder}: labels of siblings in groups, or of another depth; Aino 1.0.0 learns from them"
            )
        records = _read_journal(folder / JOURNAL)
        self.published = _published(records)
        self._records = records
        self.values = _mapped(folder / VALUES_FILE, self.published.values, VALUE_WORDS)
        self.scored = _mapped(folder / SCORED, self.published.scored, SCORED_WORDS)

    def verify(self) -> None:
        """Compare every chunk with its checksum. Raises DataError naming the first mismatch."""
        first = (0, 0)
        for number, values, scored, _, values_crc, scored_crc in self._records:
            found = (
                zlib.crc32(self.values[first[0] : values].data),
                zlib.crc32(self.scored[first[1] : scored].data),
            )
            if found != (values_crc, scored_crc):
                raise DataError(
                    f"{self.folder}: chunk {number}: its rows do not have the journal's checksums"
                )
            first = (values, scored)


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
    named = {name: int(count) for name, count in zip(SOURCES, counts, strict=False)}
    return Composition(named, len(rows), calm, balanced)


def begin_or_continue(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings of a new folder of labels. Raises RunError where it has others, DataError
    where they are damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FOLDER_SETTINGS
    if not path.is_file():
        write_file(path, json.dumps(settings, indent=2))
        return
    stored = _read_settings(path)
    names = stored.keys() | settings.keys()
    different = sorted(name for name in names if stored.get(name) != settings.get(name))
    if different:
        raise RunError(
            f"{folder} holds labels with other {', '.join(different)} (see {FOLDER_SETTINGS})"
        )


class LabelWriter:
    """Appends to a folder from where its journal ends, or begins a new folder.

    Raises RunError for a folder with other settings, DataError for a damaged one.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        begin_or_continue(folder, settings)
        self.folder = folder
        self.published = _published(_read_journal(folder / JOURNAL))
        self._streams = {name: open(folder / name, "ab") for name in (VALUES_FILE, SCORED, JOURNAL)}  # noqa: SIM115
        sync_folder(folder)
        now = self.published
        sizes = (
            now.values * VALUE_WORDS * 8,
            now.scored * SCORED_WORDS * 8,
            now.chunks * RECORD.size,
        )
        for name, size in zip(self._streams, sizes, strict=True):
            found = (folder / name).stat().st_size
            if found < size:
                raise DataError(
                    f"{folder / name}: expected {size:,} bytes by the journal, found {found:,}"
                )
            os.truncate(folder / name, size)

    def publish(self, chunks: Iterable[Chunk]) -> None:
        """Append chunks: first sync their rows to disk, then write the journal."""
        records = []
        with naming(self.folder):
            for chunk in chunks:
                now = self.published
                values, scored = (
                    np.ascontiguousarray(part) for part in (chunk.values, chunk.scored)
                )
                self._streams[VALUES_FILE].write(values.data)
                self._streams[SCORED].write(scored.data)
                self.published = Published(
                    now.chunks + 1,
                    now.values + len(values),
                    now.scored + len(scored),
                    now.offered + chunk.offered,
                )
                records.append(
                    _record(
                        now.chunks, self.published, zlib.crc32(values.data), zlib.crc32(scored.data)
                    )
                )
            for name in (VALUES_FILE, SCORED):
                self._sync(name)
            self._streams[JOURNAL].write(b"".join(records))
            self._sync(JOURNAL)

    def close(self) -> None:
        with naming(self.folder), ExitStack() as streams:
            for stream in self._streams.values():
                streams.callback(stream.close)

    def _sync(self, name: str) -> None:
        self._streams[name].flush()
        make_durable(self._streams[name].fileno())


def _record(number: int, after: Published, values_crc: int, scored_crc: int) -> bytes:
    totals = after.values, after.scored, after.offered
    body = RECORD.pack(JOURNAL_MAGIC, number, *totals, values_crc, scored_crc, 0, 0)[:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def _read_journal(path: Path) -> list[tuple[int, ...]]:
    """(chunk, values, scored, offered, both checksums) of every record, without torn ones at the
    end.
    """
    if not path.is_file():
        return []
    with reading(path):
        if path.stat().st_size > MOST_JOURNAL_BYTES:
            raise DataError(
                f"{path}: expected at most {MOST_JOURNAL_BYTES:,} bytes, found {path.stat().st_size:,}"
            )
        data = path.read_bytes()
    records: list[tuple[int, ...]] = []
    whole = [
        data[at : at + RECORD.size] for at in range(0, len(data) - RECORD.size + 1, RECORD.size)
    ]
    good = [
        one[:4] == JOURNAL_MAGIC and one[-4:] == struct.pack("<I", zlib.crc32(one[:-4]))
        for one in whole
    ]
    torn = good.index(False) if False in good else len(good)
    if any(good[torn:]):
        raise DataError(f"{path}: record {torn} is damaged")
    for record in whole[:torn]:
        _, number, values, scored, offered, values_crc, scored_crc, _, _ = RECORD.unpack(record)
        last = records[-1] if records else (-1, 0, 0, 0)
        if number != len(records) or values < last[1] or scored < last[2] or offered < last[3]:
            raise DataError(f"{path}: record {len(records)} does not follow the one before it")
        records.append((number, values, scored, offered, values_crc, scored_crc))
    return records


def _published(records: list[tuple[int, ...]]) -> Published:
    return Published(len(records), *records[-1][1:4]) if records else Published()


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        return read_noted(path)
    except ConfigError as error:
        raise DataError(f"not the settings of a label folder: {error}") from error


def _mapped(path: Path, rows: int, words: int) -> np.ndarray:
    if rows == 0:
        return np.zeros((0, words), np.uint64)
    with reading(path):
        size = path.stat().st_size
        if size < rows * words * 8:
            raise DataError(
                f"{path}: expected {rows * words * 8:,} bytes by the journal, found {size:,}"
            )
        return np.memmap(path, np.dtype("<u8"), "r", shape=(rows, words))
