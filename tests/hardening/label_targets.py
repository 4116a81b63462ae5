"""What the teacher inside the process reads, under fire: its net file, and label folders."""

import json
import struct
from dataclasses import asdict, astuple
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from selfplay.data.label_rows import LabelRows
from selfplay.families.policy.sparse_sampler import LabelSampler, new_sparse_batch
from selfplay.records import label_folder
from selfplay.records.label_folder import LabelFolder, Published, composition, fields_of
from selfplay.records.packed import SCORED_WORDS, VALUE_WORDS, pack_row
from selfplay.teachers.net_file import NNUE_VERSION, NetShape, read_stockfish_net
from tests.hardening.broken_files import Target
from tests.selfplay.teachers.nets import net_bytes, random_positions

SMALL = NetShape(features=11, width=16, buckets=2)
VALUE_BYTES = VALUE_WORDS * 8
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
    """Label folders as one file: the totals and the rows are mutated."""
    return Target("labels", ".labels", (_folder_bytes(),), read_labels, (b"\xff" * 8, bytes(16)))


def _folder_bytes():
    """The totals, and rows of both kinds."""
    rows = random_positions(2 * N_ROWS, 3)
    values, scored = (np.zeros((N_ROWS, words), np.uint64) for words in (VALUE_WORDS, SCORED_WORDS))
    for i in range(N_ROWS):
        pack_row(rows[i], np.int64(i), np.int64(77 + i), np.int64(0), np.int64(16), values[i])
        pack_row(
            rows[N_ROWS + i], np.int64(-i), np.int64(77 + i), np.int64(9), np.int64(2), scored[i]
        )
        scored[i, VALUE_WORDS:] = i * 0x0001_0304_0000_0705
    totals = Published(chunks=1, values=N_ROWS, scored=N_ROWS)
    return struct.pack("<IQQ", *astuple(totals)) + values.tobytes() + scored.tobytes()


def read_labels(path):
    data = path.read_bytes().ljust(20, b"\0")
    totals = Published(*struct.unpack_from("<IQQ", data))
    rows = data[20:]
    end_of_values = min(len(rows), totals.values * VALUE_BYTES)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / label_folder.FOLDER_SETTINGS).write_text(json.dumps({}))
        (folder / label_folder.PUBLISHED).write_text(json.dumps(asdict(totals)))
        (folder / label_folder.VALUES_FILE).write_bytes(rows[:end_of_values])
        (folder / label_folder.SCORED_FILE).write_bytes(rows[end_of_values:])
        labels = LabelFolder(folder)
        labels.verify()
        for part in (labels.values, labels.scored):
            composition(part)
            if len(part):
                numbers = np.arange(len(part))
                batch = new_sparse_batch(len(part))
                LabelSampler(LabelRows(name, part)).fill(numbers, np.full(len(part), -1), batch)
                fields_of(part)
