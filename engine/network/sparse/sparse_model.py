"""The sparse network as a layer that holds its parameters, for files and training; kernels compute
it.

Its only child, `value_trunk`, is the value network, which a network may have besides. `sparse_parameters` and
`value_parameters` name the parameters.
"""

from typing import Any

import numpy as np

from engine.network.accumulator.tables_layer import TablesLayer
from engine.network.sparse.sparse_parameters import (
    OUTPUTS,
    SMALL_LAYERS,
    TYPICAL_ACTIVE,
    SparseConfig,
    sparse_config_of,
)
from engine.network.value.value_model import ValueNetwork, described
from engine.network.value.value_parameters import VALUE_TRUNK
from engine.nn.layer import Layer, register


@register("list_network")
class SparseNetwork(TablesLayer):
    """The parameters of a sparse network of these sizes, random from `rng`, float32."""

    config_of = staticmethod(sparse_config_of)

    def __init__(self, config: SparseConfig, rng: np.random.Generator) -> None:
        super().__init__(config, TYPICAL_ACTIVE, SMALL_LAYERS, rng)
        self.value_trunk = None
        if config.value is not None:
            self.value_trunk = ValueNetwork(config.value, rng)
        self.draw(rng, "policy", "glorot", config.units, config.units)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        config = self.network_config
        sizes = config.sizes
        trunk = {
            "accumulator": {
                "layer": "sparse_dense",
                "inputs": sizes["F"],
                "outputs": config.width,
                "active": TYPICAL_ACTIVE,
            },
            "clip": {"layer": "activation", "function": "clipped_relu"},
            "product": {"layer": "pair_product"},
        }
        relu = {"layer": "activation", "function": "relu"}
        head = {
            "dense1": described(config.units, config.hidden),
            "activation1": relu,
            "dense2": described(config.hidden, config.inner),
            "activation2": relu,
            "output": described(config.inner, OUTPUTS),
        }
        rows = {
            "inputs": config.units,
            "outputs": sizes["R"],
            "sorts": sizes["S"],
            "sort_rows": sizes["T"],
        }
        return {
            "layer": self.kind,
            "trunk": {"layer": "sequential", "layers": trunk},
            "policy": {"layer": "scored_rows", **rows},
            "heads": {"value": {"layer": "chosen_sequential", "layers": head}},
            **{name: part.config() for name, part in self.children().items()},
        }

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.value_trunk = children.get(VALUE_TRUNK)  # type: ignore[assignment]
