"""Replay files: append-only segments of checksummed records, published by a rename when a generation is complete.

A segment is the magic bytes followed by records of u32 length, u32 crc32, payload. While games are being played it is
named `gen-NNNNN.part`, every record is fsynced before it counts, and a torn tail is cut when it is opened again.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from engine.errors import DataError
from engine.nn.atomic import atomic_write, sync_folder
from selfplay.games.record import SelfPlayRecord, decode_record, encode_record

__all__ = ["ReplayWriter", "published_generations", "read_segment", "segment_path", "write_segment"]

MAGIC = b"AINOREP1"
FRAME = struct.Struct("<II")
LARGEST_RECORD = 1 << 22  # bytes; a length beyond it is damage, not a game


def segment_path(folder: Path, generation: int) -> Path:
    """Where the published segment of a generation is."""
    return folder / f"gen-{generation:05d}.replay"


def published_generations(folder: Path) -> list[int]:
    """Numbers of the published generations, ascending."""
    return sorted(int(path.stem.removeprefix("gen-")) for path in folder.glob("gen-*.replay"))


def read_segment(path: Path) -> tuple[list[SelfPlayRecord], int]:
    """All intact records in file order, and how many bytes of a torn tail follow them.

    A record that is cut short or fails its checksum ends the segment. Raises DataError when the file is no segment.
    """
    data = path.read_bytes()
    if data[: len(MAGIC)] != MAGIC:
        raise DataError(f"{path}: not a replay segment: expected {MAGIC!r}, found {data[: len(MAGIC)]!r}")
    records, position = [], len(MAGIC)
    while position + FRAME.size <= len(data):
        length, checksum = FRAME.unpack_from(data, position)
        payload = data[position + FRAME.size : position + FRAME.size + length]
        if length > LARGEST_RECORD or len(payload) < length or zlib.crc32(payload) != checksum:
            break
        records.append(decode_record(payload))
        position += FRAME.size + length
    return records, len(data) - position


def write_segment(folder: Path, generation: int, games: Iterable[SelfPlayRecord]) -> Path:
    """Publish games that are there already as a generation's segment: all of them, or none if `games` raises."""
    path = segment_path(folder, generation)
    with atomic_write(path) as stream:
        stream.write(MAGIC)
        for game in games:
            stream.write(_frame(game))
    return path


def _frame(game: SelfPlayRecord) -> bytes:
    payload = encode_record(game)
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


class ReplayWriter:
    """Appends games of one generation; opening it again continues behind the last intact record.

    Attributes:
        games: the games already stored, by number.
        cut_bytes: length of the torn tail that was cut on opening.
    """

    def __init__(self, folder: Path, generation: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._published = segment_path(folder, generation)
        self._path = self._published.with_suffix(".part")
        self.cut_bytes = 0
        records: list[SelfPlayRecord] = []
        if self._path.is_file() and self._path.stat().st_size >= len(MAGIC):
            records, self.cut_bytes = read_segment(self._path)
        self.games = {record.number: record for record in records}
        self._stream = self._path.open("r+b" if self._path.is_file() else "w+b")
        self._stream.seek(0, os.SEEK_END)
        if self._stream.tell() < len(MAGIC):
            self._stream.seek(0)
            self._stream.write(MAGIC)
        else:
            self._stream.seek(self._stream.tell() - self.cut_bytes)
        self._stream.truncate()
        self._sync()
        sync_folder(folder)

    def append(self, game: SelfPlayRecord) -> None:
        """Store a finished game; it is on disk when this returns. A number stored before is left as it is."""
        if game.number in self.games:
            return
        self._stream.write(_frame(game))
        self._sync()
        self.games[game.number] = game

    def publish(self) -> Path:
        """Close the segment and give it its final name."""
        self.close()
        os.replace(self._path, self._published)
        sync_folder(self._published.parent)
        return self._published

    def close(self) -> None:
        """Close the file; what was appended stays for the next opening."""
        self._stream.close()

    def _sync(self) -> None:
        self._stream.flush()
        os.fsync(self._stream.fileno())
