"""The sparse network as a layer that holds its parameters, for files and training; kernels compute
it.

Its only child, `value_trunk`, is the value network, which a network may have besides. `sparse_parameters` and
`value_parameters` name the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from engine.network.policy.sparse_parameters import (
    OUTPUTS,
    PARAMETERS,
    SparseConfig,
    sparse_config_of,
)
from engine.network.value.value_model import ValueNetwork, described, starting_parameters
from engine.network.value.value_parameters import VALUE_TRUNK
from engine.nn.layer import Layer, register
from engine.nn.layers.initialization import initial

TYPICAL_ACTIVE = 28  # features of an average position


@register("list_network")
class SparseNetwork(Layer):
    """The parameters of a sparse network of these sizes, random from `rng`, float32."""

    def __init__(self, config: SparseConfig, rng: np.random.Generator) -> None:
        super().__init__()
        self._config = config
        start = starting_parameters(config, TYPICAL_ACTIVE, ("hidden", "inner", "output"), rng)
        self.value_trunk = None if config.value is None else ValueNetwork(config.value, rng)
        start["policy"] = initial(rng, "glorot", start["policy"].shape, config.units, config.units)
        self.params = {name: start[key] for key, name in PARAMETERS.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        return cls(sparse_config_of(config), rng)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        width, units, hidden, inner = (
            getattr(self._config, name) for name in ("width", "units", "hidden", "inner")
        )
        sizes = self._config.sizes
        trunk = {
            "accumulator": {
                "layer": "sparse_dense",
                "inputs": sizes["F"],
                "outputs": width,
                "active": TYPICAL_ACTIVE,
            },
            "clip": {"layer": "activation", "function": "clipped_relu"},
            "product": {"layer": "pair_product"},
        }
        relu = {"layer": "activation", "function": "relu"}
        head = {
            "dense1": described(units, hidden),
            "activation1": relu,
            "dense2": described(hidden, inner),
            "activation2": relu,
            "output": described(inner, OUTPUTS),
        }
        rows = {
            "inputs": units,
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
