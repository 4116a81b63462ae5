"""`.dit` files: what is saved comes back, and every fault is a NetFileError that says what is
wrong.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.errors import ConfigError, NetFileError
from engine.files.dit_file import ALIGNMENT, DIT_MAGIC, MAX_HEADER_BYTES, header_checksum
from engine.files.provenance import _commit, provenance
from engine.nn import REGISTRY, Activation, BatchNorm, Dense, Sequential
from engine.nn.dit import load, save
from engine.nn.layer import register
from engine.nn.numeric import floats_as
from tests.gradient.cases import RNG, arrays_in, of_every_layer
from tests.unit.nn.small_trainings import changed, tensors

PREFIX = struct.Struct("<8sIQ")  # magic, version, header length


def small_model():
    rng = np.random.default_rng(4)
    model = Sequential(
        a=Dense(3, 5, rng), norm=BatchNorm(5), act=Activation("mish"), b=Dense(5, 1, rng)
    )
    model.forward(rng.standard_normal((8, 3)).astype(np.float32), training=True)
    return model


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "net.dit"
    save(
        path,
        small_model(),
        {"games": 12, "note": "é", "file": "M\udcfcller.pgn"},
        configuration={"rate": 0.1},
    )
    return path


def rewrite(path, change):
    """Change the header as a careful forger would: with a right checksum, length and alignment."""
    old = path.read_bytes()
    end = PREFIX.size + PREFIX.unpack_from(old)[2]
    header = json.loads(old[PREFIX.size : end])
    change(header)
    header["crc32"] = header_checksum(header)
    head = headed(json.dumps(header).encode())
    path.write_bytes(head + bytes(-len(head) % ALIGNMENT) + old[end + -end % ALIGNMENT :])


def headed(text):
    return PREFIX.pack(DIT_MAGIC, 1, len(text)) + text


def assert_refused(path, match):
    with pytest.raises(NetFileError, match=match) as caught:
        load(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)


# ---- what is saved comes back --------------------------------------------------------------------


def test_a_model_comes_back_bit_for_bit(path):
    loaded, header = load(path)
    assert loaded.config() == small_model().config()
    assert not changed(loaded, small_model())
    assert header["card"] == {"games": 12, "note": "é", "file": "M\udcfcller.pgn"}
    assert header["configuration"] == {"rate": 0.1}
    assert header["provenance"]["backend"] == "numpy"
    assert header["provenance"]["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["/opt/bin/aino-train", "/data/my labels/", "--cache=/a/b//", "/", "runs/one/"],
            "aino-train 'my labels/' --cache=b// / runs/one/",
        ),
        (
            [r"C:\Users\Ann\aino-train", r"--out=C:\Users\Ann\a.dit", r"D:\b.pgn"],
            "aino-train --out=a.dit b.pgn",
        ),
        (["../ann/c.pgn", r"..\ann\d", r"\\host\e"], "c.pgn d e"),
        (["/opt/bin/aino-train", "--out=/home/me/a b.dit"], "aino-train '--out=a b.dit'"),
    ],
)
def test_folders_of_users_are_left_out_of_a_command(monkeypatch, words, command):
    monkeypatch.setattr(sys, "argv", words)
    assert provenance()["command"] == command


def test_a_file_says_where_it_comes_from(path):
    before = datetime.now(UTC).replace(microsecond=0)
    save(path, small_model(), configuration={"seed": 3})
    origin = load(path)[1]["provenance"]
    assert origin["aino"] == engine.__version__
    assert before <= datetime.fromisoformat(origin["date"]) <= datetime.now(UTC)
    assert origin["seed"] == 3
    assert origin["command"] == provenance()["command"]
    assert ("commit" in origin) == (Path(engine.__file__).parents[1] / ".git").exists()
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", origin.get("commit", "0" * 40))


@pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")
def test_a_commit_is_told_without_a_change_of_the_repository(tmp_path):
    def git(*words):
        command = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
        return subprocess.check_output(command, text=True).strip()

    commit_of = _commit.__wrapped__
    assert commit_of(tmp_path) == ""
    git("init")
    file, index = tmp_path / "file", tmp_path / ".git" / "index"
    file.write_text("one")
    git("add", "file")
    git("commit", "-m", "first")
    head = git("rev-parse", "HEAD")
    os.utime(file, (1, 1))  # Git would look at it again, and note in the index that it is the same.
    before = index.read_bytes()
    (tmp_path / "other").write_text("not tracked")
    assert commit_of(tmp_path) == head
    file.write_text("two")
    assert commit_of(tmp_path) == f"{head}-dirty"
    assert index.read_bytes() == before
    if sys.platform == "linux":  # Elsewhere names are Unicode. Decoding this one ended a training.
        (tmp_path / os.fsdecode(b"caf\xe9")).write_text("one")
        git("config", "core.quotePath", "false")
        git("add", os.fsdecode(b"caf\xe9"))
        assert commit_of(tmp_path) == f"{head}-dirty"


def test_half_precision_keeps_the_statistics(tmp_path):
    model = small_model()
    model.named_parameters()["b.bias"][...] = 1e6  # beyond half precision
    save(tmp_path / "half.dit", model, dtype="float16")
    loaded, header = load(tmp_path / "half.dit")
    stored = {entry["name"]: entry["dtype"] for entry in header["tensors"]}
    assert stored["a.weight"] == "float16"
    assert stored["norm.running_variance"] == stored["b.bias"] == "float32"
    before = tensors(model)
    for name, array in tensors(loaded).items():
        assert np.allclose(array, before[name], rtol=1e-3, atol=1e-6), name


@of_every_layer
def test_every_layer_comes_back(case, tmp_path):
    layer = case.layer.astype(np.float32)
    save(tmp_path / "layer.dit", layer)
    loaded, _ = load(tmp_path / "layer.dit")
    assert loaded.config() == layer.config()
    assert not changed(loaded, layer)
    outputs = []
    for twin in (loaded, layer):
        twin.reseed(1)
        y, _ = twin.forward(floats_as(np.float32, case.x), training=True, **case.options)
        outputs.append(arrays_in(y))
    for array, expected in zip(*outputs, strict=True):
        assert np.array_equal(array, expected, equal_nan=True)


def test_a_layer_of_ones_own_with_a_large_setting_comes_back(tmp_path, monkeypatch):
    """It was saved, and refused when it was loaded: the number was taken for a size."""

    monkeypatch.setattr("engine.nn.layer.REGISTRY", dict(REGISTRY))

    @register("limited")
    class Limited(Activation):
        def __init__(self, largest):
            super().__init__("relu")
            self.largest = largest

    save(tmp_path / "own.dit", Sequential(Dense(2, 3, RNG), Limited(10**9)))
    assert load(tmp_path / "own.dit")[0].config()["layers"]["limited1"] == {
        "layer": "limited",
        "largest": 10**9,
    }


def test_a_failed_save_keeps_the_old_file(path):
    before = path.read_bytes()
    for model, number in ((small_model(), np.nan), (small_model().astype(np.float64), 1e39)):
        model.named_parameters()["a.weight"][0, 0] = number
        with pytest.raises(NetFileError, match=r"finite numbers to save in a\.weight"):
            save(path, model)
    with pytest.raises(ConfigError, match="JSON"):
        save(path, small_model(), {"object": object()})
    with pytest.raises(ConfigError, match="float64"):
        save(path, small_model(), dtype="float64")
    with pytest.raises(NetFileError, match="nowhere"):
        save(path.parent / "nowhere" / "net.dit", small_model())
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


# ---- faults --------------------------------------------------------------------------------------


def test_what_cannot_be_opened_is_refused(tmp_path):
    assert_refused(tmp_path / "none.dit", "file not found")
    assert_refused(tmp_path, "cannot be read")


def test_a_file_cut_anywhere_is_refused_at_once(tmp_path):
    path = tmp_path / "large.dit"
    save(path, Sequential(a=Dense(64, 64, RNG), norm=BatchNorm(64), b=Dense(64, 3, RNG)))
    data = path.read_bytes()
    for length in (*range(24), *range(24, len(data), 128)):
        path.write_bytes(data[:length])
        with refused_cheaply():
            load(path)


@contextmanager
def refused_cheaply():
    """A typed error without a large allocation."""
    tracemalloc.start()
    with pytest.raises(NetFileError):
        yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_every_damaged_byte_is_refused(path):
    data = path.read_bytes()
    for place in (*range(24), *range(24, len(data), 13)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        with pytest.raises(NetFileError):
            load(path)


@pytest.mark.parametrize(
    ("spoiled", "match"),
    [
        (lambda data: data + b"\0", "bytes of tensors"),
        (
            lambda data: data[:8] + struct.pack("<I", 7) + data[12:],
            "expected version 1, found version 7",
        ),
        (
            lambda data: data[:12] + struct.pack("<Q", MAX_HEADER_BYTES + 1) + data[20:],
            "a header of at most",
        ),
        *[
            (lambda _, text=text: headed(text), "header")
            for text in (
                b"\xff\xfe",
                b"[1]",
                b"[" * 100_000,
                b'{"card": NaN}',
                b'{"card": "\\ud800"}',
                b"{}",
            )
        ],
    ],
)
def test_a_spoiled_file_is_refused(path, spoiled, match):
    path.write_bytes(spoiled(path.read_bytes()))
    assert_refused(path, match)


def entry(header):
    return header["tensors"][0]


def nest(header):
    for _ in range(300):  # too deep to build
        header["model"] = {"layer": "sequential", "layers": {"inner": header["model"]}}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda h: h.pop("tensors"), "entry 'tensors'"), (lambda h: h.update(model=[]), "entry 'model'"),
        (lambda h: h.update(tensors=[7]), "tensor entries"), (lambda h: entry(h).update(dtype="object"), "dtype"),
        (lambda h: entry(h).update(shape=[5, -3]), "shape"),
        (lambda h: entry(h).update(shape=[1 << 30, 1 << 30]), "bytes of tensors|offset"),
        (lambda h: entry(h).update(offset=64), "offset"),
        (lambda h: entry(h).update(name="a.bias"), "twice"),
        (lambda h: entry(h).update(name="a.height"), r"missing \['a\.weight'\]"),
        (lambda h: entry(h).update(shape=[3, 5]), r"a\.weight: expected shape \(5, 3\), found \(3, 5\)"),
        (lambda h: h["tensors"].clear(), "more than"),
        (lambda h: h["model"].update(layer="perceptron"), "unknown layer 'perceptron'"),
        (lambda h: h["model"]["layers"]["a"].update(inputs=25, outputs=25), "more numbers than the file holds"),
        (lambda h: h["model"]["layers"]["norm"].update(channels=1 << 40), "needs more than"),
        (lambda h: h["model"]["layers"]["norm"].update(epsilon="small"), "'batch_norm' does not fit"),
        (lambda h: h["model"]["layers"].pop("norm"), "unknown"), (nest, "expected an architecture"),
    ],
)  # fmt: skip
def test_a_forged_header_is_refused(path, change, match):
    rewrite(path, change)
    assert_refused(path, match)
