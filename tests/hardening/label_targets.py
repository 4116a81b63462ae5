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
from selfplay.records.label_folder import LabelFolder, Published, composition
from selfplay.records.packed import VALUE_WORDS
from selfplay.teachers.net_file import NNUE_VERSION, read_stockfish_net
from tests.hardening.broken_files import Target
from tests.selfplay.teachers.nets import SMALL, material_labels, net_bytes

N_ROWS = 12
TOTALS = struct.Struct("<IQQ")


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
    """A label folder as one file: the totals and the rows are mutated."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "labels"
        material_labels(folder, N_ROWS)
        labels = LabelFolder(folder)
        totals = TOTALS.pack(*astuple(labels.published))
        sample = totals + labels.values.tobytes() + labels.scored.tobytes()
    return Target("labels", ".labels", (sample,), read_labels, (b"\xff" * 8, bytes(16)))


def read_labels(path):
    data = path.read_bytes().ljust(TOTALS.size, b"\0")
    totals = Published(*TOTALS.unpack_from(data))
    end_of_values = TOTALS.size + totals.values * VALUE_WORDS * 8
    files = {
        label_folder.FOLDER_SETTINGS: b"{}",
        label_folder.PUBLISHED: json.dumps(asdict(totals)).encode(),
        label_folder.VALUES_FILE: data[TOTALS.size : end_of_values],
        label_folder.SCORED_FILE: data[end_of_values:],
    }
    with TemporaryDirectory() as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        labels = LabelFolder(Path(name))
        labels.verify()
        for part in (labels.values, labels.scored):
            composition(part)
            if len(part):
                numbers = np.arange(len(part))
                batch = new_sparse_batch(len(part))
                LabelSampler(LabelRows(name, part)).fill(numbers, np.full(len(part), -1), batch)
