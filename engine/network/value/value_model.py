"""The value network as a layer that holds its parameters, for files and training; kernels compute
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from engine.network.rows.flat_tables import parameter_shapes
from engine.network.rows.piece_count import PIECE_BUCKETS
from engine.network.value import value_parameters as parameters
from engine.network.value.value_parameters import ValueConfig, value_config_of
from engine.nn.layer import Layer, register
from engine.nn.layers.initialization import initial

TYPICAL_ROWS = 24  # rows of a view of an average position
# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE, START_BIAS = np.float32(0.1), np.float32(0.5)


@register("two_views")
class ValueNetwork(Layer):
    """The parameters of a value network of these sizes, random from `rng`, float32."""

    def __init__(self, config: ValueConfig, rng: np.random.Generator) -> None:
        super().__init__()
        self._config = config
        start = starting_parameters(config, TYPICAL_ROWS, ("dense1", "dense2", "output"), rng)
        names = parameters.VALUE_PARAMETERS.items()
        self.params = {name.removeprefix(parameters.PREFIX): start[key] for key, name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        return cls(value_config_of(config), rng)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        width = self._config.width
        rows = {"inputs": parameters.VALUE_ROWS, "outputs": width, "active": TYPICAL_ROWS}
        return {
            "layer": self.kind,
            "rows": {"layer": "sparse_dense", **rows},
            "dense1": described(width, parameters.HIDDEN_1),
            "dense2": described(2 * parameters.HIDDEN_1, parameters.HIDDEN_2),
            "output": described(parameters.HIDDEN_2, parameters.VALUE_OUTPUTS),
        }


def described(inputs: int, outputs: int) -> dict[str, Any]:
    """Return a small layer in several versions, as files describe it."""
    return {
        "layer": "chosen_dense",
        "inputs": inputs,
        "outputs": outputs,
        "versions": PIECE_BUCKETS,
    }


def starting_parameters(
    config: Any, active: int, layers: tuple[str, ...], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the parameters of a network by their fields, float32, zero but for the accumulator and
    the small `layers`.

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
