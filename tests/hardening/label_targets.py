"""What the teacher inside the process reads, under fire: its net file, and label folders."""

import json
import struct
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from selfplay.data.label_rows import LabelRows
from selfplay.families.policy.sparse_sampler import LabelSampler, new_sparse_batch
from selfplay.records import label_folder
from selfplay.records.label_folder import LabelFolder, composition, fields_of
from selfplay.records.packed import SCORED_WORDS, VALUE_WORDS, pack_row
from selfplay.teachers.net_file import NNUE_VERSION, NetShape, read_stockfish_net
from tests.hardening.broken_files import Target
from tests.selfplay.teachers.nets import net_bytes, random_positions

SMALL = NetShape(features=11, width=16, buckets=2)
VALUE_BYTES, SCORED_BYTES = VALUE_WORDS * 8, SCORED_WORDS * 8
N_ROWS = 6


def teacher_nets():
    """Net files of a small architecture: what is mutated is the file as it is, for it has no
    checksum.
    """
    words = (
        struct.pack("<I", NNUE_VERSION),
        struct.pack("<I", SMALL.transformer_hash),
        b"\xff\xff\xff\x7f",
        b"\0\0\0\x80",
    )
    samples = (net_bytes(SMALL), net_bytes(SMALL, description=b""))
    return Target("nnue", ".nnue", samples, lambda path: read_stockfish_net(path, SMALL), words)


def label_rows():
    """Label folders as one file, journal and rows: rows and the journal's numbers are mutated,
    checksums follow.
    """
    return Target(
        "labels",
        ".labels",
        (_folder_bytes(),),
        read_labels,
        (label_folder.JOURNAL_MAGIC, b"\xff" * 8, bytes(16)),
        seal_labels,
    )


def _folder_bytes():
    """The journal's only record without its checksums, then rows of both kinds."""
    rows = random_positions(2 * N_ROWS, 3)
    values, scored = (np.zeros((N_ROWS, words), np.uint64) for words in (VALUE_WORDS, SCORED_WORDS))
    for i in range(N_ROWS):
        pack_row(rows[i], np.int64(i), np.int64(77 + i), np.int64(0), np.int64(16), values[i])
        pack_row(
            rows[N_ROWS + i], np.int64(-i), np.int64(77 + i), np.int64(9), np.int64(2), scored[i]
        )
        scored[i, VALUE_WORDS:] = i * 0x0001_0304_0000_0705
    return struct.pack("<IQQQ", 0, N_ROWS, N_ROWS, 50) + values.tobytes() + scored.tobytes()


def seal_labels(inside):
    """Journal, length of the values and rows, with checksums that are right where the numbers let
    them be.
    """
    head = inside[:28].ljust(28, b"\0")
    data = inside[28:]
    number, n_values, n_scored, offered = struct.unpack("<IQQQ", head)
    cut = min(len(data), n_values * VALUE_BYTES)
    values, scored = data[:cut], data[cut:]
    crcs = zlib.crc32(values), zlib.crc32(scored[: n_scored * SCORED_BYTES])
    body = label_folder.RECORD.pack(
        label_folder.JOURNAL_MAGIC, number, n_values, n_scored, offered, *crcs, 0, 0
    )[:-4]
    return struct.pack("<I", cut) + body + struct.pack("<I", zlib.crc32(body)) + data


def read_labels(path):
    data = path.read_bytes().ljust(4, b"\0")  # the length of the values comes first
    cut = struct.unpack_from("<I", data)[0]
    journal = data[4 : 4 + label_folder.RECORD.size]
    rows = data[4 + label_folder.RECORD.size :]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / label_folder.FOLDER_SETTINGS).write_text(json.dumps({}))
        (folder / label_folder.JOURNAL).write_bytes(journal)
        (folder / label_folder.VALUES_FILE).write_bytes(rows[:cut])
        (folder / label_folder.SCORED).write_bytes(rows[cut:])
        labels = LabelFolder(folder)
        labels.verify()
        for part in (labels.values, labels.scored):
            composition(part)
            if len(part):
                numbers = np.arange(len(part))
                batch = new_sparse_batch(len(part))
                LabelSampler(LabelRows(name, part)).fill(numbers, np.full(len(part), -1), batch)
                fields_of(part)
