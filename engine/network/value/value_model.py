"""The value network as a layer that holds its parameters, for files and training; kernels compute
it.
"""

from typing import Any

import numpy as np

from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.network.accumulator.tables_layer import TablesLayer
from engine.network.value import value_parameters as parameters
from engine.network.value.value_parameters import ValueConfig, value_config_of
from engine.nn.layer import register

TYPICAL_ROWS = 24  # rows of a view of an average position


@register("two_views")
class ValueNetwork(TablesLayer):
    """The parameters of a value network of these sizes, random from `rng`, float32."""

    config_of = staticmethod(value_config_of)

    def __init__(self, config: ValueConfig, rng: np.random.Generator) -> None:
        super().__init__(config, TYPICAL_ROWS, ("dense1", "dense2", "output"), rng)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        width = self.network_config.width
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
    sizes = {"inputs": inputs, "outputs": outputs, "versions": PIECE_BUCKETS}
    return {"layer": "chosen_dense", **sizes}
