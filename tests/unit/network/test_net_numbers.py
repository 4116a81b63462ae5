"""Nets whose numbers are not finite, or do not stay so, are refused when they are loaded and not by
a search.
"""

import numpy as np
import pytest
from numpy.random import default_rng

from engine.backend import NUMPY
from engine.errors import ConfigError, NetFileError
from engine.files.dit_file import load_tensors, save_tensors
from engine.network.device_network import DeviceTower
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.tower.tower_model import TowerConfig
from engine.network.weights import load_net
from engine.nn import dit

TOWER = TowerConfig(
    16, 1, value_channels=4, value_hidden=16, moves_left_channels=2, moves_left_hidden=8
)
NORM = "trunk.block0.norm1"


def tower(change):
    """A random tower whose named tensors were changed in place."""
    model = TOWER.build(default_rng(1))
    change(model.named_parameters() | model.named_buffers())
    return model


def overflow_in_folding(tensors):
    tensors[f"{NORM}.gamma"][3] = 3e38
    tensors[f"{NORM}.running_variance"][3] = 0.0


def overflow_in_answers(tensors):
    for name, array in tensors.items():
        if name.endswith(("conv1.weight", "conv2.weight")):
            array *= np.float32(1e10)


def with_huge(name):
    """A sparse network that has a tensor whose sums overflow."""
    model = SparseNetwork(SparseConfig(128), default_rng(1))
    array = model.named_parameters()[name]
    array[...] = np.sign(array) * np.float32(2e38) + (array == 0) * np.float32(3.4e38)
    return model


SPARSE_TENSORS = (
    "trunk.accumulator", "policy", "value.dense1", "value.dense2", "value.output",
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            tower(lambda tensors: tensors[f"{NORM}.running_variance"].fill(-1.0)),
            rf"{NORM}\.running_variance: expected no negative variance, found -1",
        ),
        (tower(overflow_in_folding), "found infinity or NaN"),
        (tower(overflow_in_answers), "expected finite answers"),
        *(
            (with_huge(f"{name}.weight"), "expected weights with finite sums")
            for name in SPARSE_TENSORS
        ),
    ],
)
def test_a_net_whose_numbers_do_not_stay_finite_is_refused(tmp_path, model, message):
    path = tmp_path / "bad.dit"
    dit.save(path, model)
    with pytest.raises(NetFileError, match=message) as caught:
        load_net(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    "model",
    [
        tower(lambda tensors: None),
        SparseNetwork(SparseConfig(128), default_rng(1)),
    ],
)
def test_infinity_in_a_file_with_right_checksums_is_refused(tmp_path, model):
    path = tmp_path / "bad.dit"
    dit.save(path, model)
    header, tensors = load_tensors(path)  # `dit.save` would refuse the number as well
    next(iter(tensors.values())).flat[5] = np.inf
    save_tensors(path, {name: header[name] for name in header.keys() - {"tensors"}}, tensors)
    with pytest.raises(NetFileError, match="finite numbers in"):
        load_net(path)


def test_weights_too_large_for_half_precision_are_refused_by_a_device():
    model = tower(lambda tensors: tensors[f"{NORM}.gamma"].fill(1e6))
    tensors = model.named_parameters() | model.named_buffers()
    with pytest.raises(ConfigError, match="float16 can hold"):
        DeviceTower(tensors, TOWER, NUMPY, "float16")
    assert DeviceTower(tensors, TOWER, NUMPY, "float32").config == TOWER
