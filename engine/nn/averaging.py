"""Averages of the weights over training, which often play better than the last weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errors import ConfigError
from engine.nn.layer import Layer, copy_tensors
from engine.nn.layers.batchnorm import BatchNorm
from engine.nn.optimizers import laid_out_like

Array = Any


class _Average:
    """A running average a <- a + share (p - a) of parameters; it starts at the first p."""

    def __init__(self) -> None:
        self.tensors: dict[str, Array] = {}

    def load(self, tensors: Mapping[str, Array]) -> None:
        """Go on from saved averages."""
        if self.tensors:
            copy_tensors(tensors, self.tensors)
        else:
            self.tensors = {name: array.copy(order="K") for name, array in tensors.items()}

    def _move(self, params: Mapping[str, Array], share: float) -> None:
        if not self.tensors:
            self.tensors = {name: array.copy(order="K") for name, array in params.items()}
            return
        for name, array in params.items():
            if self.tensors[name].strides != array.strides:
                self.tensors[name] = laid_out_like(array, self.tensors[name])
            change = array - self.tensors[name]
            change *= share
            self.tensors[name] += change


class ExponentialAverage(_Average):
    """A running average of parameters, for evaluation: a <- decay a + (1 - decay) p, starting at the first p."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ConfigError(f"ExponentialAverage: decay must be in [0, 1), not {decay}")
        self.decay = decay

    def update(self, params: Mapping[str, Array]) -> None:
        """Take in the parameters as they now are."""
        self._move(params, 1 - self.decay)


class StochasticAverage(_Average):
    """Stochastic weight averaging (SWA): the plain mean of all parameters it was shown, a <- a + (p - a) / n.

    Show it the weights once an epoch, at a rate that stays high. Batch norm statistics belong to other weights then:
    see ``refresh_statistics``. Izmailov et al. 2018, arXiv:1803.05407.
    """

    def __init__(self, count: int = 0) -> None:
        super().__init__()
        if count < 0:
            raise ConfigError(f"StochasticAverage: the count must be >= 0, not {count}")
        self.count = count  # sets of parameters in the mean so far; to go on from saved averages, pass it again

    def update(self, params: Mapping[str, Array]) -> None:
        """Take in the parameters as they now are."""
        self.count += 1
        self._move(params, 1 / self.count)


def refresh_statistics(model: Layer, batches: Iterable[Array]) -> None:
    """Set the running statistics of every BatchNorm to the means over these batches of inputs."""
    norms = [layer for layer in _all_layers(model) if isinstance(layer, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    try:
        for number, batch in enumerate(batches, start=1):
            for norm in norms:
                norm.momentum = 1 / number
            model.forward(batch, training=True)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _all_layers(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.children().values():
        yield from _all_layers(child)
