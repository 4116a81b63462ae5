"""The net files under fire: `.dit`, the older `.dit`, Lc0's, and checkpoints."""

import functools
import gzip
import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from engine.files import dit_file
from engine.network.lc0.reader import PlanesFile
from engine.network.lc0.writer import save_lc0
from engine.network.tower.model import TowerConfig, build_tower
from engine.network.weights import load_net
from engine.nn import dit
from engine.nn.layer import Layer
from engine.nn.layers import Activation, Dense, LayerNorm, Sequential
from engine.nn.training.checkpoint import VALUES, read_checkpoint, write_checkpoint
from tests.hardening.broken_files import Target
from tests.unit.network.lc0_transformers import DENSE, random_transformer

PREFIX = dit_file._PREFIX
JSON_WORDS = tuple(
    b'{ } [ ] [[ {"a": , : "layer" "dense" "conv2d" "residual" "sequential" "shape" "offset" "crc32" null true -1 NaN '
    b'Infinity 1e999 "\\ud800" "float16" \xff'.split(b" ")
)


TINY_TRANSFORMER = {**DENSE, "width": 8, "layers": 1, "heads": 2, "inner": 8, "hidden": 4, "planes": 1,
                    "embedding_hidden": 3, "smolgen": (1, 2, 2), "encoders": 1}  # fmt: skip


def tiny_config() -> TowerConfig:
    """A tower of a few kilobytes."""
    return TowerConfig(
        filters=8, blocks=1, se_ratio=2, policy="attention", policy_planes=4, policy_depth=4,
        value_channels=2, value_hidden=4, moves_left_channels=1, moves_left_hidden=2,
    )  # fmt: skip


def tiny_model() -> Layer:
    rng = np.random.default_rng(4)
    return Sequential(dense=Dense(3, 4, rng), norm=LayerNorm(4), activation=Activation("mish"), out=Dense(4, 2, rng))


@functools.cache
def _saved(kind: str) -> bytes:
    """The bytes of a small good file."""
    tower = build_tower(tiny_config(), np.random.default_rng(2))
    with TemporaryDirectory() as folder:
        path = Path(folder) / kind
        if kind == "tower.dit":
            dit.save(path, tower, {"kind": "random"}, "float16")
        elif kind == "layers.dit":
            dit.save(path, tiny_model(), {"kind": "random"})
        elif kind == "checkpoint.npz":
            write_checkpoint(path, {"weight": np.ones((3, 4)), "step": np.array(3)}, {"epoch": 1, "names": ["a"]})
        else:
            tensors = tower.named_parameters() | tower.named_buffers()
            save_lc0(path, PlanesFile(tiny_config(), tensors, {"training": {"training_steps": 7}}))
        return path.read_bytes()


# ---- .dit -----------------------------------------------------------------------------------------------------------


def dit_files() -> Target:
    """Nets of our own: the header's text is mutated, checksums, offsets and lengths follow."""
    samples = tuple(_unsealed(_saved(name)) for name in ("tower.dit", "layers.dit"))
    return Target("dit", ".dit", samples, read_dit, JSON_WORDS, seal_dit)


def read_dit(path: Path) -> None:
    model, _ = dit.load(path)
    if "trunk" in model.children():
        load_net(path)


def _unsealed(data: bytes) -> bytes:
    """Header, a zero byte, tensors."""
    _, _, length = PREFIX.unpack_from(data)
    return data[PREFIX.size : PREFIX.size + length] + b"\0" + data[dit_file._data_start(PREFIX.size + length) :]


def seal_dit(inside: bytes) -> bytes:
    text, _, data = inside.partition(b"\0")
    try:
        header: Any = json.loads(text)
        _put_right(header, data)
        text = dit_file._canonical(header)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        pass  # beyond repair: the reader gets it as it is
    start = PREFIX.pack(dit_file.DIT_MAGIC, dit_file.DIT_VERSION, len(text)) + text
    return start + bytes(dit_file._data_start(len(start)) - len(start)) + data


def _put_right(header: dict[str, Any], data: bytes) -> None:
    """Checksums of the tensors and of the header."""
    for entry in header["tensors"]:
        size = math.prod(entry["shape"]) * (2 if entry["dtype"] == "float16" else 4)
        entry["crc32"] = zlib.crc32(data[entry["offset"] : entry["offset"] + size])
    header["crc32"] = dit_file.header_checksum(header)


# ---- archives of arrays ---------------------------------------------------------------------------------------------

NPY_WORDS = (
    b"'descr': '<f4'", b"'|O'", b"'fortran_order': True", b"(3, 4)", b"(", b")", b"{", b"\x93NUMPY\x01\x00", b" ",
)  # fmt: skip


def checkpoints() -> Target:
    """Checkpoints of a training: one of the arrays is mutated, or the archive."""
    with zipfile.ZipFile(io.BytesIO(_saved("checkpoint.npz"))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    values = f"{VALUES}.npy"
    inside = tuple(_npy(array) for array in (np.ones((3, 4), np.float32), np.zeros((2, 0)), np.arange(4)))
    return Target(
        "checkpoint",
        ".npz",
        inside,
        read_checkpoint,
        NPY_WORDS,
        lambda one: _zip({values: members[values], "a.npy": one}),
    )


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _zip(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


# ---- Lc0 ------------------------------------------------------------------------------------------------------------


def lc0_nets() -> Target:
    """Lc0's nets: the protocol buffers are mutated, and packed again."""
    return Target(
        "pb",
        ".pb.gz",
        (_saved("net.pb"), random_transformer(0, **TINY_TRANSFORMER)),
        load_net,
        (b"\x0a", b"\x12\x80\x80\x80\x80\x10", b"\x0d\xc0\x01\0\0"),
        seal_lc0,
    )


def seal_lc0(inside: bytes) -> bytes:
    return gzip.compress(inside, 1, mtime=0)
