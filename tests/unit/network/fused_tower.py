"""A tower ready to play, made from the layers of a model, and its whole answer."""

import numpy as np
from numpy.testing import assert_array_equal

from engine.network.outputs import CHUNK
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.tower_model import TowerConfig
from engine.network.tower.tower_play import FusedTower


def random_model(config, rng):
    """A tower whose biases, gains and running statistics all matter."""
    model = config.build(rng)
    for name, array in {**model.named_parameters(), **model.named_buffers()}.items():
        if name.endswith(("gamma", "running_variance")):
            array[...] = rng.uniform(0.6, 1.4, array.shape)
        elif name.endswith(("beta", "running_mean", "bias")):
            array[...] = rng.normal(0, 0.1, array.shape)
    return model


def fused(model, config):
    return FusedTower(model.named_parameters() | model.named_buffers(), config)


def untrained(name, seed):
    """A tower ready to play with the sizes of this name and random weights."""
    config = TowerConfig.parse(name)
    return fused(config.build(np.random.default_rng(seed)), config)


def infer(tower, masks):
    """Logits of all moves float32 [n, 1858], wdl [n, 3] and moves left [n] of masks uint64 [n,
    112].
    """
    n = len(masks)
    answers = (
        np.zeros((n, POLICY_SIZE), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros(n, np.float32),
    )
    index = np.tile(np.arange(POLICY_SIZE, dtype=np.int16), (n, 1))
    n_moves = np.full(n, POLICY_SIZE, np.int32)
    for first in range(0, n, CHUNK):
        tower.evaluate_chunk(
            *(array[first : first + CHUNK] for array in (masks, index, n_moves, *answers))
        )
    return answers


def assert_bits_depend_on_the_position_alone(network, masks, rng):
    """Answers to 20 positions are the same alone, in another order, and beside themselves."""
    alone = [
        np.concatenate(parts)
        for parts in zip(*(infer(network, masks[i : i + 1]) for i in range(20)), strict=True)
    ]
    order = rng.permutation(20)
    for shuffled, expected in zip(infer(network, masks[order]), alone, strict=True):
        assert_array_equal(shuffled, expected[order])
    for same, expected in zip(infer(network, np.repeat(masks[:1], 13, axis=0)), alone, strict=True):
        assert_array_equal(same, np.repeat(expected[:1], 13, axis=0))
