"""The network of people as a layer that holds its parameters, for files and training; kernels
compute it. `people_parameters` names the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from engine.network.people.people_parameters import (
    PEOPLE_PARAMETERS,
    PeopleConfig,
    people_config_of,
)
from engine.network.policy.sparse_model import TYPICAL_ACTIVE
from engine.network.value.value_model import starting_parameters
from engine.nn.layer import Layer, register
from engine.nn.layers.initialization import initial


@register("people_network")
class PeopleNetwork(Layer):
    """The parameters of a network of these sizes, random from `rng`, float32."""

    def __init__(self, config: PeopleConfig, rng: np.random.Generator) -> None:
        super().__init__()
        self.network_config = config
        start = starting_parameters(config, TYPICAL_ACTIVE, ("hidden", "inner", "output"), rng)
        units = config.units
        start["policy"] = initial(rng, "glorot", start["policy"].shape, units, units)
        start["mixer"] = initial(rng, "he", start["mixer"].shape, units)
        self.params = {name: start[key] for key, name in PEOPLE_PARAMETERS.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        return cls(people_config_of(config), rng)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        return {"layer": self.kind, **asdict(self.network_config)}
