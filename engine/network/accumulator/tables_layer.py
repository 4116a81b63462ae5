"""A layer that holds the parameters of flat tables, for files and training; kernels compute it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from engine.network.accumulator.flat_tables import parameter_names, parameter_shapes
from engine.nn.layer import Layer
from engine.nn.layers.initialization import initial

# Units start in the middle of their unclipped range, so all of them learn from the first step on.
START_SCALE = 0.1
START_BIAS = 0.5


class TablesLayer(Layer):
    """The parameters of a network of these sizes, float32: zero but for the accumulator and the
    small `layers`, which are random from `rng`.

    active: rows that an average position adds up.
    """

    config_of: ClassVar[Any]  # sizes from a layer configuration

    def __init__(
        self, network_config: Any, active: int, layers: tuple[str, ...], rng: np.random.Generator
    ) -> None:
        super().__init__()
        self.network_config = network_config
        names = parameter_names(network_config)
        shapes = parameter_shapes(network_config)
        for field, name in names.items():
            self.params[name] = np.zeros(shapes[field], np.float32)
        self.params[names["bias"]][:] = START_BIAS
        self.draw(rng, "weight", "he", active)
        self.params[names["weight"]] *= START_SCALE
        for field in layers:
            _, outputs, inputs = shapes[field]
            self.draw(rng, field, "glorot", inputs, outputs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        layer_type: Any = cls
        return layer_type(cls.config_of(config), rng)

    def draw(self, rng: np.random.Generator, field: str, start: str, *fans: int) -> None:
        """Draw the parameters of a field as `initial` does."""
        name = parameter_names(self.network_config)[field]
        self.params[name] = initial(rng, start, self.params[name].shape, *fans)
