"""The network of people as a layer that holds its parameters, for files and training; kernels
compute it. `people_parameters` names the parameters.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from engine.network.accumulator.tables_layer import TablesLayer
from engine.network.people.people_parameters import PeopleConfig, people_config_of
from engine.network.sparse.sparse_parameters import SMALL_LAYERS, TYPICAL_ACTIVE
from engine.nn.layer import register


@register("people_network")
class PeopleNetwork(TablesLayer):
    """The parameters of a network of these sizes, random from `rng`, float32."""

    config_of = staticmethod(people_config_of)

    def __init__(self, config: PeopleConfig, rng: np.random.Generator) -> None:
        super().__init__(config, TYPICAL_ACTIVE, SMALL_LAYERS, rng)
        self.draw(rng, "policy", "glorot", config.units, config.units)
        self.draw(rng, "mixer", "he", config.units)

    def config(self) -> dict[str, Any]:
        """Return the architecture as files describe it."""
        return {"layer": self.kind, **asdict(self.network_config)}
