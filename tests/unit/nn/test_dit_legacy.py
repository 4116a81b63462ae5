"""Files of the `aino` 2.2.0 package, made here by its layout: read, never unpickled, refused when damaged."""

import io
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import NetFileError
from engine.nn import MultiHead
from engine.nn.dit import load, save


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def layers(*shapes: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    arrays = {}
    for i, (inputs, outputs) in enumerate(shapes):
        arrays[f"layer_{i}_w"] = rng.standard_normal((inputs, outputs)).astype(np.float32)
        arrays[f"layer_{i}_b"] = rng.standard_normal((1, outputs)).astype(np.float32)
    return arrays


def single_head(**changes: Any) -> dict[str, Any]:
    """A net's arrays, some of them changed, or left out where the change is None."""
    data = {
        "config": np.array([4, 6, 5, 3]),
        "activation": np.array("tanh"),
        "output_activation": np.array("sigmoid"),
        "is_multi_head": np.array(False),
    }
    data |= layers((4, 6), (6, 5), (5, 3)) | changes
    return {name: value for name, value in data.items() if value is not None}


def multi_head(**changes: Any) -> dict[str, Any]:
    heads = [{"size": 3, "activation": "softmax", "loss": "cross_entropy"}, {"size": 1, "activation": "tanh"}]
    data = {
        "config": np.array([4, 6]),
        "activation": np.array("relu"),
        "output_activation": np.array("softmax"),
        "is_multi_head": np.array(True),
        "heads_config": np.array(heads, dtype=object),
    }
    return data | layers((4, 6), (6, 3), (6, 1)) | changes


def write(path: Path, data: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        np.savez(file, **data)
    return path


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


X = np.random.default_rng(2).standard_normal((7, 4)).astype(np.float32)


def test_a_single_head_net_answers_as_it_did(tmp_path: Path) -> None:
    data = single_head()
    model, header = load(write(tmp_path / "old.dit", data))
    a = np.tanh(X @ data["layer_0_w"] + data["layer_0_b"])
    a = np.tanh(a @ data["layer_1_w"] + data["layer_1_b"])
    assert np.allclose(model.forward(X)[0], sigmoid(a @ data["layer_2_w"] + data["layer_2_b"]), atol=1e-6)
    assert header["provenance"]["versions"] == {"aino": "2.2.0"}


def test_softmax_is_computed_as_that_package_computed_it(tmp_path: Path) -> None:
    """Its forward pass knew sigmoid and tanh and took ReLU for everything else."""
    data = single_head(output_activation=np.array("softmax"), activation=np.array("relu"))
    path = write(tmp_path / "old.dit", data)
    a = np.maximum(X @ data["layer_0_w"] + data["layer_0_b"], 0)
    a = np.maximum(a @ data["layer_1_w"] + data["layer_1_b"], 0)
    expected = np.maximum(a @ data["layer_2_w"] + data["layer_2_b"], 0)
    assert np.allclose(load(path)[0].forward(X)[0], expected, atol=1e-5)


def test_heads_are_read_without_their_pickle(tmp_path: Path) -> None:
    data = multi_head(heads_config=np.array([Bomb(tmp_path / "exploded")], dtype=object))
    path = write(tmp_path / "old.dit", data)
    model, _ = load(path)
    assert isinstance(model, MultiHead)
    outputs = model.forward(X)[0]
    trunk = np.maximum(X @ data["layer_0_w"] + data["layer_0_b"], 0)
    assert np.allclose(outputs["head0"], trunk @ data["layer_1_w"] + data["layer_1_b"], atol=1e-5)
    assert np.allclose(outputs["head1"], trunk @ data["layer_2_w"] + data["layer_2_b"], atol=1e-5)
    assert not (tmp_path / "exploded").exists()
    assert np.load(path, allow_pickle=True)["heads_config"] is not None  # which does execute it
    assert (tmp_path / "exploded").exists()


def test_an_old_net_can_be_saved_as_a_new_file(tmp_path: Path) -> None:
    model, _ = load(write(tmp_path / "old.dit", multi_head()))
    save(tmp_path / "new.dit", model)
    again, _ = load(tmp_path / "new.dit")
    assert np.array_equal(again.forward(X)[0]["head1"], model.forward(X)[0]["head1"])


# ---- damage -------------------------------------------------------------------------------------------------------


def assert_refused(path: Path, match: str = "expected|is not a net file") -> None:
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(NetFileError, match=match):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert time.process_time() - start < 1


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "old.dit", single_head()).read_bytes()
    for length in range(0, len(data), 64):
        (tmp_path / "cut.dit").write_bytes(data[:length])
        assert_refused(tmp_path / "cut.dit")


def test_damaged_bytes_are_refused_or_harmless(tmp_path: Path) -> None:
    """A zip repeats its names and has dates and attributes nobody reads: the answers may not change."""
    data = write(tmp_path / "old.dit", single_head()).read_bytes()
    expected = load(tmp_path / "old.dit")[0].forward(X)[0]
    path = tmp_path / "damaged.dit"
    refused = 0
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            model, _ = load(path)
        except NetFileError:
            refused += 1
        else:
            assert np.array_equal(model.forward(X)[0], expected)
    assert refused > len(data) // 3 * 0.7


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"config": np.array([[4, 6, 5, 3]])}, "config"),
        ({"config": np.array([4, 6, 5, 1 << 40])}, "weights of shapes"),
        ({"config": np.array([4.0, 6.0, 5.0, 3.0])}, "config"),
        ({"config": np.array([4, -6, 5, 3])}, "config"),
        ({"config": np.array([4])}, "config"),
        ({"activation": np.array(7)}, "activation"),
        ({"activation": np.array(["tanh"])}, "activation"),
        ({"activation": np.array("tanh", dtype=object)}, "numbers or text"),
        ({"layer_1_w": np.zeros((6, 4), np.float32)}, "layer_1_w"),
        ({"layer_1_b": np.zeros(5, np.float32)}, "layer_1_b"),
        ({"layer_1_w": np.full((6, 5), np.nan, np.float32)}, "finite"),
        ({"layer_1_w": np.zeros((6, 5), dtype=object)}, "numbers or text"),
        ({"layer_9_w": np.zeros((6, 5), np.float32)}, "without a gap"),
        ({"layer_3_w": np.zeros((3, 2), np.float32), "layer_3_b": np.zeros((1, 2), np.float32)}, "weights of shapes"),
        *[({name: None}, "expected") for name in ("config", "activation", "output_activation", "is_multi_head")],
        *[({name: None}, "expected") for name in ("layer_0_w", "layer_2_b")],
    ],
)
def test_contents_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    assert_refused(write(tmp_path / "old.dit", single_head(**changes)), match)


def with_member(path: Path, name: str, member: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    """The good file with one member replaced."""
    buffer = io.BytesIO()
    np.savez(buffer, **single_head())
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for info in source.infolist():
            if info.filename != name:
                target.writestr(info.filename, source.read(info))
        target.writestr(name, member, method)
    return path


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "shape", ["(1099511627776, 1)", "(1048576, 1048576)", "(-1, -1)", "(4,)", "'x'", "(" * 3000, "9" * 3000]
)
def test_absurd_sizes_are_refused_before_allocation(tmp_path: Path, shape: str) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n"
    assert_refused(with_member(tmp_path / "old.dit", "layer_0_w.npy", npy_header(text) + bytes(96)))


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    bomb = npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4194304,)}\n") + bytes(1 << 24)
    path = with_member(tmp_path / "old.dit", "layer_0_w.npy", bomb, zipfile.ZIP_DEFLATED)
    assert_refused(path, "within the file|uncompressed")
