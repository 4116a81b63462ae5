"""Averages of the weights over training; they often play better than the last weights."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from engine.errors import ConfigError
from engine.native.pool import ThreadPool
from engine.nn.array_checks import ArrayDict, NamedArrays, copies, copy_tensors
from engine.nn.layer import Layer
from engine.nn.layers.normalisation import BatchNorm
from engine.nn.operations.updates import STRETCH, average_step, flat_views, on_stretches
from engine.nn.training.data import check_whole, row_count
from engine.nn.training.optimizers import laid_out_like

Array = Any


class _Average:
    """A running average a <- a + share (p - a) of parameters; it starts at the first p."""

    def __init__(self, every: int = 1) -> None:
        check_whole("every", every, 1)
        self.every = every
        self.tensors: ArrayDict = {}
        self.count = 0  # number of updates

    def load(self, tensors: NamedArrays, count: int | None = None) -> None:
        """Continue from saved averages. `count`, if given, is the number of updates that made them."""
        if count is not None:
            self.count = count
        if self.tensors.keys() == tensors.keys():
            copy_tensors(tensors, self.tensors)
        else:
            self.tensors = copies(tensors)

    def update(self, params: NamedArrays, pool: ThreadPool | None = None) -> None:
        """Add the current parameters to the average, on the threads of `pool` if there is one."""
        self.count += 1
        share = self._share()
        if not share:
            return
        earlier = self.tensors
        averages: ArrayDict = {}
        for name, array in params.items():
            if name not in earlier or earlier[name].shape != array.shape:
                # Of a parameter that the model got since then, the average begins now.
                averages |= copies({name: array})
                continue
            average = laid_out_like(array, earlier[name])
            averages[name] = average
            flat = flat_views(average, array)
            if flat is None:
                average += (array - average) * share
            else:
                on_stretches(pool, array.size, STRETCH, partial(average_step, *flat, share))
        self.tensors = averages

    def _share(self) -> float:
        """Return how far this update moves the average; 0 where it waits."""
        raise NotImplementedError


class ExponentialAverage(_Average):
    """A running average of parameters, for evaluation: a <- decay a + (1 - decay) p, starting at
    the first p.

    With `quick_start` the n-th update decays by at most (1 + n) / (10 + n). The average then
    follows quickly at first; otherwise it would remember the random start for thousands of steps.
    With `every` k, k updates are one with the k-th power of the decay, which saves the memory
    traffic of large tables.
    """

    def __init__(self, decay: float, quick_start: bool = False, every: int = 1) -> None:
        super().__init__(every)
        if not 0 <= decay < 1:
            raise ConfigError(f"ExponentialAverage: decay must be in [0, 1), not {decay}")
        self.decay, self.quick_start = decay, quick_start

    def _share(self) -> float:
        if self.count % self.every and self.tensors:
            return 0.0
        decay = self.decay
        if self.quick_start:
            decay = min(decay, (1 + self.count) / (10 + self.count))
        return 1 - decay**self.every


class StochasticAverage(_Average):
    """Stochastic weight averaging (SWA): the plain mean of all parameters passed to `update`, a <-
    a + (p - a) / n.

    Update it once per epoch, at a learning rate that stays high. Only every `every`-th update
    counts, so that `Trainer(..., average=StochasticAverage(every=steps_per_epoch))` does this, and
    keeps the average in checkpoints. Batch norm statistics do not fit the averaged weights;
    `refresh_statistics` recomputes them. Izmailov et al. 2018, arXiv:1803.05407.
    """

    def _share(self) -> float:
        if self.count % self.every:
            return 0.0
        return self.every / self.count


def refresh_statistics(model: Layer, batches: Iterable[Any]) -> None:
    """Set the running statistics of every BatchNorm to their means over `batches` of inputs,
    weighted by examples.
    """
    norms = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    examples = 0
    try:
        for batch in batches:
            count = row_count(batch)
            examples += count
            for norm in norms:
                norm.momentum = count / max(examples, 1)
            model.forward(model.prepared(batch), training=True)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
