"""Replay files: append-only segments of checksummed records, published by a rename when a
generation is complete.

A segment is the magic bytes followed by records of u32 length, u32 crc32, payload. While games are
being played, the segment is named `gen-NNNNN.part` and a record counts only after its fsync.
Reopening it cuts damage out.
"""

import logging
import math
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from engine.errors import DataError
from engine.files.atomic import atomic_write, make_durable, replace, sync_folder
from selfplay.records.game import HEADER, SelfPlayRecord, decode_record, encode_record

REPLAY_MAGIC = b"AINOREP1"
FRAME = struct.Struct("<II")
LARGEST_RECORD = 1 << 22  # bytes; a length beyond it is damage, not a game

log = logging.getLogger(__name__)


def segment_path(folder: Path, generation: int) -> Path:
    return folder / f"gen-{generation:05d}.replay"


def part_path(folder: Path, generation: int) -> Path:
    """Path of a generation's segment while its games are being played."""
    return segment_path(folder, generation).with_suffix(".part")


def published_generations(folder: Path, first: int = 0, last: float = math.inf) -> list[int]:
    """Numbers of the published generations from `first` to `last`, ascending."""
    return sorted(n for n in generation_files(folder, "replay") if first <= n <= last)


def generation_files(folder: Path, ending: str) -> dict[int, Path]:
    """Return the files `gen-NNNNN.ending` of a folder by generation; copies of them that carry more
    words are none.
    """
    files = {}
    for path in folder.glob("gen-*"):
        if name := re.fullmatch(rf"gen-(\d{{5,}})\.{ending}", path.name):
            files[int(name[1])] = path
    return files


def read_segment(path: Path) -> tuple[list[SelfPlayRecord], int]:
    """All intact records in file order, and the number of damaged bytes between and after them.

    A record that is cut short or fails its checksum is damage; reading resumes at the next intact
    record. Raises DataError when the file is not a segment.
    """
    data = path.read_bytes()
    if data[: len(REPLAY_MAGIC)] != REPLAY_MAGIC:
        raise DataError(
            f"{path}: not a replay segment: expected {REPLAY_MAGIC!r}, found {data[: len(REPLAY_MAGIC)]!r}"
        )
    records = []
    position = len(REPLAY_MAGIC)
    damaged = 0
    while position < len(data):
        payload = _payload_at(data, position)
        if payload is None:
            position += 1
            damaged += 1
            continue
        records.append(decode_record(payload))
        position += FRAME.size + len(payload)
    return records, damaged


def _payload_at(data: bytes, start: int) -> bytes | None:
    """Payload of the record at `start`, or None if no intact record begins there (as in a tail of
    zeros).
    """
    if start + FRAME.size > len(data):
        return None
    length, checksum = FRAME.unpack_from(data, start)
    if not HEADER.size <= length <= min(LARGEST_RECORD, len(data) - start - FRAME.size):
        return None
    payload = data[start + FRAME.size : start + FRAME.size + length]
    if zlib.crc32(payload) != checksum:
        return None
    return payload


def published_games(folder: Path, generation: int) -> list[SelfPlayRecord]:
    """Return the games of a published generation by number. Logs a warning if some are damaged.
    Raises DataError.
    """
    path = segment_path(folder, generation)
    records, damaged = read_segment(path)
    if damaged:
        log.warning(
            "%s: %d damaged bytes; continuing with the %d intact games", path, damaged, len(records)
        )
    return sorted(records, key=lambda record: record.number)


def reopen_segment(folder: Path, generation: int) -> None:
    """Unpublish a segment, if it exists, so that a ReplayWriter can complete it."""
    path = segment_path(folder, generation)
    if path.is_file():
        replace(path, part_path(folder, generation))
        sync_folder(folder)


def write_records(path: Path, games: Iterable[SelfPlayRecord]) -> None:
    """Write a segment: with all games, or not at all if `games` raises."""
    with atomic_write(path) as stream:
        stream.write(REPLAY_MAGIC)
        for game in games:
            stream.write(_frame(game))


def _frame(game: SelfPlayRecord) -> bytes:
    payload = encode_record(game)
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


class ReplayWriter:
    """Appends games of one generation. Reopening continues after the intact records. Raises
    OSError.

    Attributes: games: the games already stored, by number. cut_bytes: bytes of damage cut out on
        opening (a torn tail, or records that fail their checksum).
    """

    def __init__(self, folder: Path, generation: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._published = segment_path(folder, generation)
        self._path = part_path(folder, generation)
        begun = self._path.is_file() and self._path.stat().st_size >= len(REPLAY_MAGIC)
        records: list[SelfPlayRecord] = []
        self.cut_bytes = 0
        if begun:
            records, self.cut_bytes = read_segment(self._path)
        if not begun or self.cut_bytes:
            write_records(self._path, records)
        self.games = {record.number: record for record in records}
        # The stream is unbuffered so that `close` has nothing to retry after a failed write.
        self._stream = self._path.open("ab", buffering=0)

    def append(self, game: SelfPlayRecord) -> None:
        """Store a finished game on disk before returning. Does nothing if its number is already
        stored.
        """
        if game.number in self.games:
            return
        rest = memoryview(_frame(game))
        while rest:
            rest = rest[self._stream.write(rest) :]
        make_durable(self._stream.fileno())
        self.games[game.number] = game

    def publish(self) -> None:
        """Close the segment and give it its final name."""
        self.close()
        replace(self._path, self._published)
        sync_folder(self._published.parent)

    def close(self) -> None:
        """Close the file; the next opening continues with the appended games."""
        self._stream.close()
