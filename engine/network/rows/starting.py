"""Random weights of tables of rows and of small layers."""

from __future__ import annotations

import numpy as np

from engine.nn.layers.initialization import glorot_normal, he_normal

# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE, START_BIAS = np.float32(0.1), np.float32(0.5)


def table_of_rows(rng: np.random.Generator, shape: tuple[int, ...], active: int) -> np.ndarray:
    """float32 [rows, width]; `active`: rows that an average position adds up."""
    return he_normal(rng, shape, active) * START_SCALE


def small_layer(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """float32 [versions, outputs, inputs]."""
    return glorot_normal(rng, shape, shape[2], shape[1])
