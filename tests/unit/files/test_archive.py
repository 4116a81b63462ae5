"""Archives of arrays, such as checkpoints: nothing is unpickled or decompressed, and no damage goes unnoticed."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import NetFileError
from engine.files.archive import read_arrays

ARRAYS: dict[str, Any] = {"a": np.arange(12.0).reshape(3, 4).T, "word": np.array("tanh"), "none": np.zeros((2, 0))}


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "arrays.npz", **ARRAYS)
    return tmp_path / "arrays.npz"


def test_arrays_come_back_unless_a_byte_of_them_is_damaged(path: Path) -> None:
    """A zip repeats its names and has dates and attributes nobody reads: the arrays may not change."""
    data, refused = path.read_bytes(), 0
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            found = read_arrays(path, "arrays")
        except NetFileError:
            refused += 1
        else:
            assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert refused > len(data) // 3 * 0.7


def test_objects_are_never_unpickled(path: Path) -> None:
    exploded = path.with_name("exploded")
    np.savez(path, **ARRAYS, objects=np.array([Bomb(exploded)], dtype=object))
    with pytest.raises(NetFileError, match="numbers or text in objects"):
        read_arrays(path, "arrays")
    assert not exploded.exists()
    assert np.load(path, allow_pickle=True)["objects"] is not None  # which does execute it
    assert exploded.exists()


def test_packed_and_repeated_members_are_refused(path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(1 << 22, np.float32))
    for method, expected in ((zipfile.ZIP_DEFLATED, "within the file"), (zipfile.ZIP_STORED, "every array once")):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", stream.getvalue(), method)
            archive.writestr("a", stream.getvalue(), method)
        with pytest.raises(NetFileError, match=expected):
            read_arrays(path, "arrays")
