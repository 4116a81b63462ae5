"""Gradients of a loss through the layers of a model, and what a batch of examples needs before it gets there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.backend import NUMPY, backend_of, backend_of_all
from engine.nn.layer import Layer
from engine.nn.training.data import Data, Loader
from engine.nn.training.history import Record
from engine.nn.training.parallel import DataParallel, GradientSource, StepResult

LossFunction = Callable[[Any, Any], tuple[float, Any]]  # (outputs, targets) -> (mean loss, gradient like outputs)
Metric = Callable[[Any, Any], float]  # (outputs, targets) -> mean over the examples


class LayerGradients(GradientSource):
    """Computes gradients of a loss through the layers of a model, shard by shard; batches are `Data`.

    Inputs of another floating dtype than the parameters' are cast to it; inputs and targets move to their backend.
    `metrics` are further means to report, by name. Like the loss, they take outputs and targets.
    """

    def __init__(
        self, model: Layer, loss: LossFunction, metrics: Mapping[str, Metric], shard_size: int, threads: int
    ) -> None:
        self.model, self.loss = model, loss
        self.metrics = {name: getattr(metric, "unread", metric) for name, metric in metrics.items()}
        self._runner = DataParallel(model, shard_size, threads)
        self.pool = self._runner.pool

    def gradients(self, batch: Data, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource."""
        inputs, targets = batch

        def loss(outputs: Any, part: slice) -> tuple[float, Any, dict[str, float]]:
            wanted = _prepared_targets(self.model, targets[part])
            value, gradient = self.loss(outputs, wanted)
            return value, gradient, {name: metric(outputs, wanted) for name, metric in self.metrics.items()}

        return self._runner.step(len(inputs), lambda part: self.model.prepared(inputs[part]), loss, seed)


def means_over(
    loader: Loader, size: int, model: Layer, loss: LossFunction, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Return the mean loss and metrics over all examples, read `size` at a time, as inference."""
    count, sums = len(loader), dict.fromkeys(("loss", *metrics), 0.0)
    for first in range(0, count, size):
        part = slice(first, min(first + size, count))
        inputs, targets = loader.batch(part)
        targets = _prepared_targets(model, targets)
        outputs, _ = model.forward(model.prepared(inputs))
        means = {"loss": loss(outputs, targets)[0], **{name: of(outputs, targets) for name, of in metrics.items()}}
        for name, value in floats(means).items():
            sums[name] += value * (part.stop - part.start)
    return {name: total / count for name, total in sums.items()}


def _prepared_targets(model: Layer, targets: Any) -> Any:
    backend = backend_of_all(model.named_parameters())
    elsewhere = hasattr(targets, "dtype") and backend_of(targets) is not backend
    return backend.asarray_of_known_bounds(targets) if elsewhere else targets


def floats(means: Mapping[str, Any]) -> Record:
    """Return a loss and metrics as Python floats: they may be scalars of NumPy, or of a device, read at once."""
    there = {name: value for name, value in means.items() if backend_of(value) is not NUMPY}
    read: dict[str, Any] = {}
    if there:
        xp = backend_of_all(there).xp
        read = dict(zip(there, xp.stack([value.astype(np.float64) for value in there.values()]).get(), strict=True))
    return {name: float(read.get(name, value)) for name, value in means.items()}
