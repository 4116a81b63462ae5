"""Gradients of a loss through the layers of a model, and means over a data set."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from engine.backend import NUMPY, backend_of, backend_of_all
from engine.errors import ConfigError, DataError
from engine.nn.array_checks import form_of, mapped, rows_of
from engine.nn.layer import Layer
from engine.nn.means import MeanOver, add_means, means_of
from engine.nn.training.data import Data, Loader, row_count
from engine.nn.training.gradient_source import StepResult
from engine.nn.training.history import floats
from engine.nn.training.shards import DataParallel

# From outputs and targets, and from weights of the examples where there are some, to the mean loss
# and a gradient like the outputs.
LossFunction = Callable[..., tuple[float, Any]]
Metric = Callable[..., float]  # (outputs, targets) -> mean over the examples


class LayerGradients(DataParallel):
    """Computes gradients of a loss through the layers of a model, shard by shard; batches are
    `Data`.

    Inputs of another floating dtype than the parameters' are cast to it; inputs and targets move to
    their backend. `metrics` are further means to report, by name. Like the loss, they take outputs
    and targets, and weights where the data has some.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction,
        metrics: Mapping[str, Metric],
        shard_size: int,
        threads: int = 1,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        is_elsewhere = backend_of_all(model.named_parameters()) is not NUMPY
        super().__init__(model, shard_size, threads, rates, one_pass=is_elsewhere)
        self._loss = loss
        self._metrics = metrics

    def gradients(self, batch: Data, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource."""

        def inputs(part):
            return self.model.prepared(rows_of(batch.inputs, part))

        def loss(outputs, part):
            targets = placed_targets(self.model, rows_of(batch.targets, part))
            weights = placed_targets(self.model, rows_of(batch.weights, part))
            metrics = {}
            for name, metric in self._metrics.items():
                unread = getattr(metric, "unread", metric)
                metrics[name] = measured(unread, outputs, targets, weights)
            return *loss_and_gradient(self._loss, outputs, targets, weights), metrics

        return self.step(row_count(batch.inputs), inputs, loss, seed)


def loss_and_gradient(
    loss: LossFunction, outputs: Any, targets: Any, weights: Any
) -> tuple[Any, Any]:
    """Return a loss and its gradient. Raises ConfigError for a function that returns others."""
    result = loss(outputs, targets, **_weights_for(loss, weights))
    if not isinstance(result, tuple) or len(result) != 2:
        raise _another_result(loss, form_of(result))
    mean, gradient = result
    if getattr(mean, "shape", ()) != ():
        raise _another_result(loss, [form_of(mean), form_of(gradient)])
    return _over_weights(mean, weights), gradient


def _another_result(loss: LossFunction, found: object) -> ConfigError:
    form = "`return mean_loss, gradient`, a number and the gradient of the outputs, as mse does"
    return ConfigError(f"loss {_name_of(loss)}: {form}; found {found}")


def measured(metric: Metric, outputs: Any, targets: Any, weights: Any) -> Any:
    """Return the mean of a metric."""
    return _over_weights(metric(outputs, targets, **_weights_for(metric, weights)), weights)


def _weights_for(function: Callable[..., Any], weights: Any) -> dict[str, Any]:
    """Return the weights as an argument, if there are some. Raises ConfigError for a function that
    takes none.
    """
    if weights is None:
        return {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "weights" or parameter.kind is parameter.VAR_KEYWORD:
            return {"weights": weights}
    name = _name_of(function)
    form = f"def {name}(outputs, targets, weights)"
    raise ConfigError(f"{name}: the data has weights, which it does not take; write {form}")


def _over_weights(mean: Any, weights: Any) -> Any:
    """Return a mean over weighted examples, which weighs as much as all their weights."""
    if weights is None or isinstance(mean, MeanOver):
        return mean
    return MeanOver(float(mean), float(weights.sum()))


def _name_of(function: Any) -> str:
    return getattr(function, "__name__", str(function))


def means_over(
    loader: Loader, size: int, model: Layer, loss: LossFunction, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Return the mean loss and metrics over all examples, read `size` at a time, as inference."""
    sums: dict[str, float] = {}
    totals: dict[str, float] = {}
    for first in range(0, len(loader), size):
        rows = slice(first, min(first + size, len(loader)))
        batch = loader.batch(rows)
        targets = placed_targets(model, batch.targets)
        weights = placed_targets(model, batch.weights)
        outputs, _ = model.forward(model.prepared(batch.inputs))
        mean, _ = loss_and_gradient(loss, outputs, targets, weights)
        means = {"loss": mean}
        for name, metric in metrics.items():
            means[name] = measured(metric, outputs, targets, weights)
        add_means(sums, totals, floats(means), rows.stop - rows.start)
    if not totals["loss"]:
        raise DataError(
            "expected at least one target to measure, found those alone that the loss ignores"
        )
    return means_of(sums, totals)


def placed_targets(model: Layer, targets: Any) -> Any:
    """Return targets, or tuples and dicts of these, on the backend of the model."""
    backend = backend_of(model.first_parameter())

    def placed(part):
        if hasattr(part, "dtype") and backend_of(part) is not backend:
            return backend.asarray(part)
        return part

    return mapped(placed, targets)
