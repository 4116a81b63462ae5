"""The value network as a layer that holds its parameters, for files and training; kernels compute it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from engine.network.rows.flat_tables import parameter_shapes
from engine.network.rows.piece_count import PIECE_BUCKETS
from engine.network.rows.starting import START_BIAS, small_layer, table_of_rows
from engine.network.value import parameters
from engine.network.value.parameters import ValueConfig, value_config_of
from engine.nn.layer import Layer, register

TYPICAL_ROWS = 24  # rows of a view of an average position


@register("two_views")
class ValueNetwork(Layer):
    """The parameters of a value network of these sizes, random from `rng`, float32."""

    def __init__(self, config: ValueConfig, rng: np.random.Generator) -> None:
        super().__init__()
        self._config = config
        shapes = parameter_shapes(config)
        start = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if name.endswith("bias")}
        start["bias"] += START_BIAS
        start["weight"] = table_of_rows(rng, shapes["weight"], TYPICAL_ROWS)
        for name in ("dense1", "dense2", "output"):
            start[name] = small_layer(rng, shapes[name])
        names = parameters.VALUE_PARAMETERS.items()
        self.params = {name.removeprefix(parameters.PREFIX): start[key] for key, name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        return cls(value_config_of(config), rng)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        width = self._config.width
        return {
            "layer": self.kind,
            "rows": {
                "layer": "sparse_dense",
                "inputs": parameters.VALUE_ROWS,
                "outputs": width,
                "active": TYPICAL_ROWS,
            },
            "dense1": described(width, parameters.HIDDEN_1),
            "dense2": described(2 * parameters.HIDDEN_1, parameters.HIDDEN_2),
            "output": described(parameters.HIDDEN_2, parameters.VALUE_OUTPUTS),
        }


def described(inputs: int, outputs: int) -> dict[str, Any]:
    """Return a small layer in several versions, as files describe it."""
    return {"layer": "chosen_dense", "inputs": inputs, "outputs": outputs, "versions": PIECE_BUCKETS}
