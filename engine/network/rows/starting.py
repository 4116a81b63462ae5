"""Random weights of tables of rows and of small layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.network.rows.flat_tables import parameter_shapes
from engine.nn.layers.initialization import initial

# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE, START_BIAS = np.float32(0.1), np.float32(0.5)


def starting_parameters(
    config: Any, active: int, layers: tuple[str, ...], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the parameters of a network by their fields, float32, zero but for the accumulator and the small `layers`.

    `active`: rows that an average position adds up.
    """
    shapes = parameter_shapes(config)
    start = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    start["bias"] += START_BIAS
    start["weight"] = initial(rng, "he", shapes["weight"], active) * START_SCALE
    for name in layers:
        _, outputs, inputs = shapes[name]
        start[name] = initial(rng, "glorot", shapes[name], inputs, outputs)
    return start
