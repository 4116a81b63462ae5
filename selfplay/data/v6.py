"""Lc0's training chunks of version 6 as files: one gzip file a game, or a tar archive of such
files.

A chunk is a run of 8,356-byte records, one per position, all from the side to move. This module has
the record layout and bounded reading; `selfplay/data/v6_games.py` turns records into games.
"""

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from engine.errors import DataError
from engine.files.text import PACKED_ERRORS, is_hidden, open_unpacked, unpacked
from engine.network.lc0.schema import FORMAT_NAMES
from engine.network.planes import (
    ALL_ONES,
    BLACK_TO_MOVE_PLANE,
    CASTLING_PLANE,
    FIFTY_MOVE_PLANE,
    ONES_PLANE,
    PLANES,
)
from engine.network.policy_map import POLICY_SIZE
from selfplay.data.cache import files_in
from selfplay.records.collect import LONGEST_GAME

VERSION = 6
CLASSICAL_INPUT = 1
STORED_PLANES = 104  # planes of the boards; single bytes give the planes after them
CASTLING_FIELDS = ("castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo")

# Values are q = win - loss, d = draw, m = plies to the end of the game; `orig` is the network's own
# opinion.
VALUE_FIELDS = (
    "root_q best_q root_d best_d root_m best_m plies_left result_q result_d played_q played_d played_m "
    "orig_q orig_d orig_m"
).split()

V6_RECORD = np.dtype(
    [
        ("version", "<u4"),
        ("input_format", "<u4"),
        ("probabilities", "<f4", POLICY_SIZE),  # -1 for illegal moves
        ("planes", "<u8", STORED_PLANES),  # the bits of every byte in reverse
        *((name, "u1") for name in CASTLING_FIELDS),
        ("side_to_move_or_enpassant", "u1"),  # 1 if Black is to move
        ("rule50", "u1"),
        ("invariance_info", "u1"),
        ("dummy", "u1"),
        *((name, "<f4") for name in VALUE_FIELDS),
        ("visits", "<u4"),  # visits of the root, including its own evaluation
        ("played_idx", "<u2"),
        ("best_idx", "<u2"),
        ("policy_kld", "<f4"),
        ("q_st", "<f4"),  # zero where Lc0 writes it
    ]
)

# Bits of `invariance_info` in the classical input format.
LENGTH_LIMIT = 1 << 4
ADJUDICATED = 1 << 5
NOT_FOR_TRAINING = 1 << 6  # such records keep the game's moves complete

_INPUT_FORMATS = FORMAT_NAMES["input"]
LARGEST_CHUNK = LONGEST_GAME * V6_RECORD.itemsize  # bytes
# Uint8[256].
REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(256, 8)[:, ::-1])


# ---- records -------------------------------------------------------------------------------------


def masks_of(records: np.ndarray) -> np.ndarray:
    """Return the input planes uint64[n, 112] of records [n], as `engine.network.planes.encode`
    writes them.
    """
    masks = np.zeros((len(records), PLANES), np.uint64)
    stored = np.ascontiguousarray(records["planes"])
    masks[:, :STORED_PLANES] = REVERSED[stored.view(np.uint8)].view("<u8")
    for plane, name in enumerate(CASTLING_FIELDS, start=CASTLING_PLANE):
        masks[:, plane] = np.where(records[name] != 0, ALL_ONES, 0)
    masks[:, BLACK_TO_MOVE_PLANE] = np.where(records["side_to_move_or_enpassant"] != 0, ALL_ONES, 0)
    masks[:, FIFTY_MOVE_PLANE] = records["rule50"]
    masks[:, ONES_PLANE] = ALL_ONES
    return masks


# ---- files ---------------------------------------------------------------------------------------


def is_tar(begin: bytes) -> bool:
    """Whether a file begins as a tar archive, in the oldest form, too, which has no name for
    itself.
    """
    try:
        return bool(tarfile.TarInfo.frombuf(begin[: tarfile.BLOCKSIZE], "utf-8", "replace").name)
    except tarfile.HeaderError:
        return False


def open_chunks(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, unpacked stream) of every chunk of a file, of a tar archive, packed or not, or of a
    folder of these.

    A stream is good until the next one is asked for. Nothing is unpacked to the disk; links and
    other files in an archive are skipped. Raises DataError, which names the file, for a damaged
    archive.
    """
    if path.is_dir():
        for file in files_in(path):
            yield from open_chunks(file)
        return
    try:
        with open_unpacked(path) as (stream, _):
            bounded, begin = _BoundedReader(stream), b""  # type: ignore[arg-type]
            with suppress(*PACKED_ERRORS):  # which whoever reads the chunk is told
                begin = bounded.peek()
            if not is_tar(begin):
                yield str(path), bounded
                return
            # Archives may stand one behind the other, with blocks of zeros between.
            while is_tar(begin):
                with tarfile.open(fileobj=bounded, mode="r:") as archive:
                    while (member := archive.next()) is not None:
                        archive.members = []  # type: ignore[attr-defined]  # it would remember every member
                        is_chunk = (
                            member.isreg()
                            and member.name.lower().endswith(".gz")
                            and not is_hidden(member.name)
                        )
                        if is_chunk and (content := archive.extractfile(member)) is not None:
                            with unpacked(content) as chunk:
                                yield f"{path}:{member.name}", chunk
                # The second of two at its end.
                if bounded.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError("it was cut short")
                while (begin := bounded.read(tarfile.BLOCKSIZE)) and not begin.strip(b"\0"):
                    pass
                bounded.seek(-len(begin), os.SEEK_CUR)
    except (*PACKED_ERRORS, tarfile.TarError, ValueError, OverflowError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


class _BoundedReader(io.BufferedReader):
    """Refuses single reads larger than any chunk needs, because archive headers may claim any
    size.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LARGEST_CHUNK + 1:
            raise tarfile.ReadError(f"{size} bytes at once")
        return super().read(size)


def read_chunk(name: str, stream: IO[bytes]) -> np.ndarray:
    """Return the records [n] of a stream of `open_chunks`.

    Raises DataError with the name for a chunk that is damaged, cut short, over-long, or of another
    version or format.
    """
    try:
        data = stream.read(LARGEST_CHUNK + 1)
    except (*PACKED_ERRORS, tarfile.TarError) as error:
        raise DataError(f"{name}: not a complete packed file: {error}") from error
    if len(data) > LARGEST_CHUNK:
        raise DataError(f"{name}: longer than {LONGEST_GAME} records, the most a game may have")
    rest = len(data) % V6_RECORD.itemsize
    records = np.frombuffer(data[: len(data) - rest], V6_RECORD)
    for field, expected, names in (
        ("version", VERSION, {}),
        ("input_format", CLASSICAL_INPUT, _INPUT_FORMATS),
    ):
        wrong = records[field][records[field] != expected]
        if len(wrong):
            content = f"{field} {wrong[0]}"
            if meaning := names.get(int(wrong[0])):
                content += f" ({meaning})"
            raise DataError(f"{name}: {content}, expected {expected}")
    if rest or not data:
        raise DataError(
            f"{name}: {len(data)} bytes, expected a multiple of a record's {V6_RECORD.itemsize}"
        )
    return records
