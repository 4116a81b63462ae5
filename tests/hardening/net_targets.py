"""The net files under fire: `.dit`, the older `.dit`, Lc0's, and checkpoints."""

import functools
import gzip
import io
import json
import math
import zipfile
import zlib
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.files import dit_file
from engine.network.lc0.reader import PlanesFile
from engine.network.lc0.writer import save_lc0
from engine.network.tower.tower_model import TowerConfig
from engine.network.weights import load_net
from engine.nn import dit
from engine.nn.training.checkpoint import VALUES, read_checkpoint, write_checkpoint
from tests.gradient.cases import CASES
from tests.hardening.broken_files import Target
from tests.unit.network.lc0_transformers import DENSE, random_transformer

PREFIX = dit_file._PREFIX
JSON_WORDS = tuple(
    b'{ } [ ] [[ {"a": , : "layer" "dense" "conv2d" "residual" "sequential" "shape" "offset" "crc32" null true -1 NaN '
    b'Infinity 1e999 "\\ud800" "float16" \xff'.split(b" ")
)


TINY_TRANSFORMER = {**DENSE, "width": 8, "layers": 1, "heads": 2, "inner": 8, "hidden": 4, "planes": 1,
                    "embedding_hidden": 3, "smolgen": (1, 2, 2), "encoders": 1}  # fmt: skip


def tiny_config():
    """A tower of a few kilobytes."""
    return TowerConfig(
        filters=8, blocks=1, se_ratio=2, policy="attention", policy_planes=4, policy_depth=4,
        value_channels=2, value_hidden=4, moves_left_channels=1, moves_left_hidden=2,
    )  # fmt: skip


def _saved(save, name="file"):
    """The bytes that a function writes to a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        save(path)
        return path.read_bytes()


@functools.cache
def tiny_tower():
    return tiny_config().build(np.random.default_rng(2))


# ---- .dit ----------------------------------------------------------------------------------------


def dit_files():
    """A tower and every layer: the header's text is mutated, checksums, offsets and lengths follow."""
    layers = [case.layer for case in CASES]
    files = [_saved(partial(dit.save, model=layer, card={"kind": "random"})) for layer in layers]
    files.append(_saved(partial(dit.save, model=tiny_tower(), dtype="float16")))
    return Target("dit", ".dit", tuple(map(_unsealed, files)), read_dit, JSON_WORDS, seal_dit)


def read_dit(path):
    model, _ = dit.load(path)
    if {"trunk", "policy"} <= model.children().keys():
        load_net(path)


def _unsealed(data):
    """Header, a zero byte, tensors."""
    _, _, length = PREFIX.unpack_from(data)
    return (
        data[PREFIX.size : PREFIX.size + length]
        + b"\0"
        + data[dit_file._data_start(PREFIX.size + length) :]
    )


def seal_dit(inside):
    text, _, data = inside.partition(b"\0")
    try:
        header = json.loads(text)
        _put_right(header, data)
        text = dit_file._canonical(header)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        pass  # beyond repair: the reader gets it as it is
    start = PREFIX.pack(dit_file.DIT_MAGIC, dit_file.DIT_VERSION, len(text)) + text
    return start + bytes(dit_file._data_start(len(start)) - len(start)) + data


def _put_right(header, data):
    """Checksums of the tensors and of the header."""
    for entry in header["tensors"]:
        size = math.prod(entry["shape"]) * (2 if entry["dtype"] == "float16" else 4)
        entry["crc32"] = zlib.crc32(data[entry["offset"] : entry["offset"] + size])
    header["crc32"] = dit_file.header_checksum(header)


# ---- archives of arrays --------------------------------------------------------------------------

NPY_WORDS = (
    b"'descr': '<f4'", b"'|O'", b"'fortran_order': True", b"(3, 4)", b"(", b")", b"{", b"\x93NUMPY\x01\x00", b" ",
)  # fmt: skip


def checkpoints():
    """Checkpoints of a training: one of the arrays is mutated, or the archive."""
    arrays = {"a": np.ones((3, 4))}
    saved = _saved(partial(write_checkpoint, arrays=arrays, values={"epoch": 1, "names": ["a"]}))
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    values = f"{VALUES}.npy"
    inside = tuple(
        _npy(array) for array in (np.ones((3, 4), np.float32), np.zeros((2, 0)), np.arange(4))
    )
    return Target(
        "checkpoint",
        ".npz",
        inside,
        read_checkpoint,
        NPY_WORDS,
        lambda array: _zip({values: members[values], "a.npy": array}),
    )


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _zip(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


# ---- Lc0 -----------------------------------------------------------------------------------------


def lc0_nets():
    """Lc0's nets: the protocol buffers are mutated, and packed again."""
    tensors = tiny_tower().named_parameters() | tiny_tower().named_buffers()
    tower = PlanesFile(tiny_config(), tensors, {"training": {"training_steps": 7}})
    samples = (
        _saved(partial(save_lc0, tower=tower), "net.pb"),
        random_transformer(0, **TINY_TRANSFORMER),
    )
    words = b"\x0a", b"\x12\x80\x80\x80\x80\x10", b"\x0d\xc0\x01\0\0"
    return Target(
        "pb", ".pb.gz", samples, load_net, words, partial(gzip.compress, compresslevel=1, mtime=0)
    )
