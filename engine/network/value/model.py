"""The value network as a layer that holds its parameters, for files and training; kernels compute it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from engine.network.rows.piece_count import PIECE_BUCKETS
from engine.network.rows.starting import starting_parameters
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
    return {"layer": "chosen_dense", "inputs": inputs, "outputs": outputs, "versions": PIECE_BUCKETS}
