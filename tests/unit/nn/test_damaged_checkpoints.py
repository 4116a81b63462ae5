"""Checkpoints: nothing is unpickled, and no damage goes unnoticed."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import NetFileError
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint

ARRAYS = {
    "a": np.arange(12.0).reshape(3, 4).T,
    "word": np.array("tanh"),
    "none": np.zeros((2, 0)),
}
VALUES = {"epoch": 3}


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.fixture
def path(tmp_path):
    write_checkpoint(tmp_path / "run.npz", ARRAYS, VALUES)
    return tmp_path / "run.npz"


def test_arrays_come_back_unless_a_byte_of_them_is_damaged(path):
    """A zip repeats its names and has dates and attributes nobody reads: the arrays may not change."""
    data = path.read_bytes()
    refused = 0
    for place in range(0, len(data), 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            found, values = read_checkpoint(path)
        except NetFileError:
            refused += 1
        else:
            assert values == VALUES
            assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert refused > len(data) // 3 * 0.7


def test_objects_are_never_unpickled(path):
    exploded = path.with_name("exploded")
    np.savez(path, **ARRAYS, objects=np.array([Bomb(exploded)], dtype=object))
    with pytest.raises(NetFileError, match="a complete checkpoint"):
        read_checkpoint(path)
    assert not exploded.exists()
    assert np.load(path, allow_pickle=True)["objects"] is not None  # which does execute it
    assert exploded.exists()
