"""Gradients of a training batch, on several threads; the result does not depend on the number of
threads.

`DataParallel` splits the batch into shards of fixed size, of which the last two share what is left
over. Every shard runs forward and backward on its own replica, threads take whole shards, and
gradients and running statistics add up in shard order. BatchNorm therefore normalises over a shard
("ghost batch norm", Hoffer et al. 2017, arXiv:1705.08741). On a GPU equal shards are one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from typing import Any, NamedTuple

from threadpoolctl import ThreadpoolController

from engine.backend import NUMPY, backend_of, backend_of_all
from engine.errors import ConfigError, DataError
from engine.native.aligned_arrays import keep_freed_memory
from engine.native.pool import ThreadPool
from engine.nn.array_checks import form_of, rows_of
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.layers.normalisation import BatchNorm
from engine.nn.losses import SUM, MeanOver, weight_of
from engine.nn.operations import operations_on
from engine.nn.training.data import Data, Loader, parts_of
from engine.nn.training.device_step import LossScale
from engine.nn.training.history import floats
from engine.nn.training.parameter_groups import training_switches

Outputs = Any  # result of the model's forward: an array or a dict of arrays
Inputs = Callable[[slice], Array]
Loss = Callable[[Outputs, slice], tuple[float, Outputs, dict[str, float]]]
# (outputs, targets) -> (mean loss, gradient like outputs)
LossFunction = Callable[[Any, Any], tuple[float, Any]]
Metric = Callable[[Any, Any], float]  # (outputs, targets) -> mean over the examples

PRECISIONS = ("single", "mixed")


class StepResult(NamedTuple):
    """Batch means of the loss and of every metric, and the gradient of the mean loss."""

    loss: float
    metrics: dict[str, float]
    grads: Gradients


class GradientSource:
    """Turns a training batch into gradients, through layers (`LayerGradients`) or through custom
    kernels.
    """

    pool: ThreadPool  # the threads it works on; the optimizer and the averages use them too
    # Whether a step without clipping reports the gradient norm: of large tables, it costs as much
    # as an optimizer step.
    measures_norm = True
    loss_scale: LossScale | None = None  # of mixed precision

    def gradients(self, batch: Any, seed: tuple[int, ...]) -> StepResult:
        """Run one batch forward and backward; random draws depend only on `seed`.

        The source owns the result, which is valid until the next call.
        """
        raise NotImplementedError

    def on_device(self, batch: Any) -> Any:
        """Return a batch as a named tuple of arrays on a device, if a `Recording` of its gradients
        is right; or None.

        They then depend on these arrays, the model and the loss scale alone, and nothing waits for
        the device.
        """
        return None

    def steps(self) -> AbstractContextManager[None]:
        """Return a block in which many calls of `gradients` follow each other."""
        return nullcontext()

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()


class DataParallel(GradientSource):
    """Runs training steps of a model over shards of `shard_size` positions on `threads` threads.

    The optimizer changes the model's parameters in place, and all replicas share them. A step
    limits BLAS to one thread, because the shards already use the cores. In mixed `precision`,
    convolutions and dense layers multiply in half precision, from a loss that is
    `loss_scale.factor` times as large. Parameters that are `frozen` have no gradient where nothing
    needs it. Close it in the end.
    """

    def __init__(
        self,
        model: Layer,
        shard_size: int,
        threads: int = 1,
        precision: str = PRECISIONS[0],
        frozen: Collection[str] = (),
    ) -> None:
        if shard_size < 1 or threads < 1:
            raise ConfigError(
                f"DataParallel(shard_size={shard_size}, threads={threads}): both must be >= 1"
            )
        self.model = model
        self.shard_size = shard_size
        self.threads = threads
        backend = backend_of_all(model.named_parameters())
        self.loss_scale = LossScale(backend) if precision == "mixed" else None
        self._halves: Any = (
            nullcontext if self.loss_scale is None else operations_on(backend).half_products
        )
        self._replicas: list[Layer] = []
        self._steps = 0
        self._norms = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm)]
        self._frozen = frozen
        self._switches = training_switches(model, frozen)
        self._blas = ThreadpoolController()
        self._draws = any(type(layer).reseed is not Layer.reseed for _, layer in model.walk())
        self.is_recordable = backend is not NUMPY and not self._draws
        self._is_limited = False  # whether BLAS has one thread
        self._ways = cache(self._choose_way)
        self.pool = ThreadPool(threads, "train")
        keep_freed_memory()

    def step(
        self, count: int, inputs: Inputs, loss: Loss, seed: tuple[int, ...] | None = None
    ) -> StepResult:
        """Run one batch of `count` positions forward and backward.

        `inputs(part)` returns the model input of positions `part` (a slice). `loss(outputs, part)`
        returns the mean loss over them, its gradient like `outputs`, and further means to report.
        Both run on worker threads. Dropout masks depend on `seed` (default: the step number) and
        the shard number.
        """
        if count < 1:
            raise ConfigError(f"DataParallel.step: expected at least one position, found {count}")
        seed = (self._steps,) if seed is None else seed
        self._steps += 1
        parts, groups = self._ways(count)
        if self._draws:
            for number, replica in enumerate(self._models(len(parts))):
                replica.reseed(*seed, number)
        with nullcontext() if self._is_limited else self.steps():
            if len(parts) == 1:
                return self._run_in_groups(groups, parts[0], inputs, loss)
            return self._run_in_shards(parts, inputs, loss)

    def _choose_way(self, count: int) -> tuple[list[slice], int]:
        """Return how a batch of this size runs: as shards, or as one part, of so many groups.

        On a GPU, one pass over equal parts computes the same as one for each, where no part draws
        random numbers.
        """
        parts = parts_of(count, self.shard_size)
        lengths = {part.stop - part.start for part in parts}
        if len(parts) > 1 and self.is_recordable and len(lengths) == 1 and lengths != {1}:
            return [slice(0, count)], len(parts)
        return parts, 1

    def _models(self, count: int) -> list[Layer]:
        """Return the model itself for one part, a replica for each of several."""
        if count == 1:
            return [self.model]
        while count > len(self._replicas):
            self._replicas.append(self.model.replica())
            for layer, attribute, value in training_switches(self._replicas[-1], self._frozen):
                setattr(layer, attribute, value)
        return self._replicas[:count]

    def _run_in_shards(self, parts: list[slice], inputs: Inputs, loss: Loss) -> StepResult:
        """Run each part on its replica, and add up gradients and statistics in their order."""
        buffers = self.model.named_buffers()
        shard = partial(self._shard, inputs=inputs, loss=loss, buffers=buffers)
        results = self.pool.map(shard, self._models(len(parts)), parts)
        sizes = [part.stop - part.start for part in parts]
        self._average_buffers(buffers, [size / sum(sizes) for size in sizes])
        mean, shares = _joined_mean([result.loss for result in results], sizes)
        metrics = {
            name: _joined_mean([result.metrics[name] for result in results], sizes)[0]
            for name in results[0].metrics
        }
        return StepResult(mean, metrics, _weighted_sum([one.grads for one in results], shares))

    @contextmanager
    def steps(self) -> Iterator[None]:
        """Limit BLAS to one thread for a block of many steps; otherwise each step does so."""
        with self._blas.limit(limits=1, user_api="blas"):
            self._is_limited = True
            try:
                yield
            finally:
                self._is_limited = False

    def _run_in_groups(self, groups: int, part: slice, inputs: Inputs, loss: Loss) -> StepResult:
        before = [getattr(layer, attribute) for layer, attribute, _ in self._switches]
        try:
            for norm in self._norms:
                norm.groups = groups
            for layer, attribute, value in self._switches:
                setattr(layer, attribute, value)
            return self._run(self.model, part, inputs, loss)
        finally:
            for (layer, attribute, _), value in zip(self._switches, before, strict=True):
                setattr(layer, attribute, value)
            for norm in self._norms:
                norm.groups = 1

    def _shard(
        self, replica: Layer, part: slice, inputs: Inputs, loss: Loss, buffers: dict[str, Array]
    ) -> StepResult:
        replica.load_buffers(buffers)
        return self._run(replica, part, inputs, loss)

    def _run(self, replica: Layer, part: slice, inputs: Inputs, loss: Loss) -> StepResult:
        with self._halves():
            outputs, backward = replica.forward(inputs(part), training=True)
            value, doutputs, metrics = loss(outputs, part)
            if self.loss_scale is None:
                return StepResult(value, metrics, backward(doutputs)[1])
            _, scaled = backward(self.loss_scale.scaled(doutputs))
        grads = self.loss_scale.unscaled(scaled, replica.named_parameters())
        return StepResult(value, metrics, grads)

    def _average_buffers(self, buffers: dict[str, Array], weights: list[float]) -> None:
        """Fill the model's buffers with means of those of its replicas."""
        sources = [replica.named_buffers() for replica in self._replicas[: len(weights)]]
        for name, target in buffers.items():
            if target.dtype.kind == "f":
                target[...] = sum(
                    weight * source[name] for weight, source in zip(weights, sources, strict=True)
                )
            else:
                # Whole numbers, such as counts or places, have no mean.
                target[...] = sources[0][name]


def _joined_mean(means: list[Any], sizes: list[int]) -> tuple[Any, list[float]]:
    """Return the mean over all shards from theirs, and how much each of these weighs."""
    weights = [weight_of(mean, size) for mean, size in zip(means, sizes, strict=True)]
    total = sum(weights)
    shares = [one / (total or 1) for one in weights]
    if getattr(means[0], "places", total) == SUM:
        total = SUM
        shares = [1.0] * len(means)
    joined = sum(share * mean for share, mean in zip(shares, means, strict=True))
    return MeanOver(joined, total) if isinstance(means[0], MeanOver) else joined, shares


def _weighted_sum(parts: list[Gradients], weights: list[float]) -> Gradients:
    """Combine the gradients of all shards in place, always adding them in the same order."""
    total = parts[0]
    for weight, part in zip(weights, parts, strict=True):
        for name, gradient in part.items():
            gradient *= weight
            if part is not total:
                total[name] += gradient
    return total


class LayerGradients(DataParallel):
    """Computes gradients of a loss through the layers of a model, shard by shard; batches are
    `Data`.

    Inputs of another floating dtype than the parameters' are cast to it; inputs and targets move to
    their backend. `metrics` are further means to report, by name. Like the loss, they take outputs
    and targets.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction,
        metrics: Mapping[str, Metric],
        shard_size: int,
        *settings: Any,
    ) -> None:
        super().__init__(model, shard_size, *settings)
        self._loss = loss
        self._metrics = {name: getattr(one, "unread", one) for name, one in metrics.items()}

    def gradients(self, batch: Data, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource."""
        inputs, targets = batch

        def loss(outputs, part):
            wanted = _prepared_targets(self.model, rows_of(targets, part))
            means = {name: metric(outputs, wanted) for name, metric in self._metrics.items()}
            return *computed_loss(self._loss, outputs, wanted), means

        def prepared(part):
            return self.model.prepared(rows_of(inputs, part))

        count = len(inputs[0] if isinstance(inputs, tuple) else inputs)
        return self.step(count, prepared, loss, seed)


def computed_loss(loss: LossFunction, outputs: Any, targets: Any) -> tuple[Any, Any]:
    """Return a loss and its gradient. Raises ConfigError for a function that returns others."""
    result = loss(outputs, targets)
    is_pair = isinstance(result, tuple) and len(result) == 2
    if not is_pair or getattr(result[0], "shape", ()) != ():
        form = "`return mean_loss, gradient`, a number and the gradient of the outputs, as mse does"
        found = [form_of(part) for part in result] if is_pair else form_of(result)
        raise ConfigError(f"loss {getattr(loss, '__name__', loss)}: {form}; found {found}")
    return result


def means_over(
    loader: Loader, size: int, model: Layer, loss: LossFunction, metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Return the mean loss and metrics over all examples, read `size` at a time, as inference."""
    sums = dict.fromkeys(("loss", *metrics), 0.0)
    weights = dict.fromkeys(sums, 0.0)
    for first in range(0, len(loader), size):
        part = slice(first, min(first + size, len(loader)))
        inputs, targets = loader.batch(part)
        targets = _prepared_targets(model, targets)
        outputs, _ = model.forward(model.prepared(inputs))
        means = {
            "loss": computed_loss(loss, outputs, targets)[0],
            **{name: of(outputs, targets) for name, of in metrics.items()},
        }
        for name, value in floats(means).items():
            weight = weight_of(value, part.stop - part.start)
            sums[name] += float(value) * weight
            weights[name] += weight
    if not weights["loss"]:
        raise DataError(
            "expected at least one target to measure, found those alone that the loss ignores"
        )
    return {name: total / (weights[name] or 1) for name, total in sums.items()}


def _prepared_targets(model: Layer, targets: Any) -> Any:
    if isinstance(targets, tuple):
        return tuple(_prepared_targets(model, part) for part in targets)
    first = model.first_parameter()
    backend = NUMPY if first is None else backend_of(first)
    elsewhere = hasattr(targets, "dtype") and backend_of(targets) is not backend
    return backend.asarray_of_known_bounds(targets) if elsewhere else targets
