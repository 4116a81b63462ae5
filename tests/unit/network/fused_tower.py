"""A tower ready to play, made from the layers of a model, and its whole answer."""

import numpy as np

from engine.network.outputs import CHUNK
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower
from engine.nn import MultiHead
from engine.nn.layer import Layer


def random_model(config: TowerConfig, rng: np.random.Generator) -> MultiHead:
    """A tower whose biases, gains and running statistics all matter."""
    model = build_tower(config, rng)
    for name, array in {**model.named_parameters(), **model.named_buffers()}.items():
        if name.endswith(("gamma", "running_variance")):
            array[...] = rng.uniform(0.6, 1.4, array.shape)
        elif name.endswith(("beta", "running_mean", "bias")):
            array[...] = rng.normal(0, 0.1, array.shape)
    return model


def fused(model: Layer, config: TowerConfig) -> FusedTower:
    return FusedTower(model.named_parameters() | model.named_buffers(), config)


def infer(tower: FusedTower, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits of all moves float32 [n, 1858], wdl [n, 3] and moves left [n] of masks uint64 [n,
    112].
    """
    n = len(masks)
    answers = (
        np.zeros((n, POLICY_SIZE), np.float32),
        np.zeros((n, 3), np.float32),
        np.zeros(n, np.float32),
    )
    index, n_moves = (
        np.tile(np.arange(POLICY_SIZE, dtype=np.int16), (n, 1)),
        np.full(n, POLICY_SIZE, np.int32),
    )
    for first in range(0, n, CHUNK):
        tower.evaluate_chunk(
            *(array[first : first + CHUNK] for array in (masks, index, n_moves, *answers))
        )
    return answers
