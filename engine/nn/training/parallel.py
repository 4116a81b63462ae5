"""Runs one training batch on several threads; the result does not depend on the number of threads.

`DataParallel` splits the batch into shards of fixed size, of which the last two share what is left over. Every shard
runs forward and backward on its own replica, threads take whole shards, and gradients and running statistics add up in
shard order. BatchNorm therefore normalises over a shard ("ghost batch norm", Hoffer et al. 2017, arXiv:1705.08741). On
a GPU equal shards are one pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Self

from threadpoolctl import ThreadpoolController

from engine.backend import NUMPY, backend_of_all
from engine.errors import ConfigError
from engine.native.memory import keep_freed_memory
from engine.native.pool import ThreadPool
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.layers.normalisation import BatchNorm
from engine.nn.training.data import parts_of
from engine.nn.training.loss_scale import LossScale

Outputs = Any  # result of the model's forward: an array or a dict of arrays
Inputs = Callable[[slice], Array]
Loss = Callable[[Outputs, slice], tuple[float, Outputs, dict[str, float]]]


class StepResult(NamedTuple):
    """Batch means of the loss and of every metric, and the gradient of the mean loss."""

    loss: float
    metrics: dict[str, float]
    grads: Gradients


class GradientSource:
    """Turns a training batch into gradients, through layers (`LayerGradients`) or through custom kernels."""

    pool: ThreadPool  # the threads it works on; the optimizer and the averages use them too
    # Whether a step without clipping reports the gradient norm: of large tables, it costs as much as an optimizer step.
    measures_norm = True
    loss_scale: LossScale | None = None  # what the gradients have been multiplied by, in mixed precision

    def gradients(self, batch: Any, seed: tuple[int, ...]) -> StepResult:
        """Run one batch forward and backward; random draws depend only on `seed`.

        The source owns the result, which is valid until the next call.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()


class DataParallel:
    """Runs training steps of a model over shards of `shard_size` positions on `threads` threads.

    The optimizer changes the model's parameters in place, and all replicas share them. A step limits BLAS to one
    thread, because the shards already use the cores. Close it, or use it as a context manager.
    """

    def __init__(self, model: Layer, shard_size: int, threads: int = 1) -> None:
        if shard_size < 1 or threads < 1:
            raise ConfigError(f"DataParallel(shard_size={shard_size}, threads={threads}): both must be >= 1")
        self.model, self.shard_size, self.threads = model, shard_size, threads
        self._replicas: list[Layer] = []
        self._steps = 0
        self._norms = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm)]
        self._first = _first_trained(model)
        self._libraries = ThreadpoolController()
        self.pool = ThreadPool(threads, "train")
        keep_freed_memory()

    def step(self, count: int, inputs: Inputs, loss: Loss, seed: tuple[int, ...] | None = None) -> StepResult:
        """Run one batch of `count` positions forward and backward.

        `inputs(part)` returns the model input of positions `part` (a slice). `loss(outputs, part)` returns the
        mean loss over them, its gradient like `outputs`, and further means to report. Both run on worker threads.
        Dropout masks depend on `seed` (default: the step number) and the shard number.
        """
        if count < 1:
            raise ConfigError(f"DataParallel.step: expected at least one position, found {count}")
        parts, seed = parts_of(count, self.shard_size), (self._steps,) if seed is None else seed
        groups = len(parts) if self._in_one_pass(parts) else 1
        parts = [slice(0, count)] if groups > 1 else parts
        self._steps += 1
        while 1 < len(parts) > len(self._replicas):
            self._replicas.append(self.model.replica())
            if (first := _first_trained(self._replicas[-1])) is not None:
                first.input_gradient = False
        for number, replica in enumerate([self.model] if len(parts) == 1 else self._replicas[: len(parts)]):
            replica.reseed(*seed, number)
        with self._libraries.limit(limits=1, user_api="blas"):
            if len(parts) == 1:
                return self._run_in_groups(groups, parts[0], inputs, loss)
            run = partial(self._shard, inputs=inputs, loss=loss)
            results = self.pool.map(run, self._replicas, parts)
        weights = [(part.stop - part.start) / count for part in parts]
        self._average_buffers(weights)
        return _weighted_sum(results, weights)

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _in_one_pass(self, parts: list[slice]) -> bool:
        """Whether one pass computes the same as one for each part: on a GPU, where no part draws random numbers."""
        sizes = {part.stop - part.start for part in parts}
        if len(sizes) > 1 or sizes == {1} or backend_of_all(self.model.named_parameters()) is NUMPY:
            return False
        return all(type(layer).reseed is Layer.reseed for _, layer in self.model.walk())

    def _run_in_groups(self, groups: int, part: slice, inputs: Inputs, loss: Loss) -> StepResult:
        wanted = getattr(self._first, "input_gradient", False)
        try:
            for norm in self._norms:
                norm.groups = groups
            if wanted:
                self._first.input_gradient = False
            return self._run(self.model, part, inputs, loss)
        finally:
            if wanted:
                self._first.input_gradient = True
            for norm in self._norms:
                norm.groups = 1

    def _shard(self, replica: Layer, part: slice, inputs: Inputs, loss: Loss) -> StepResult:
        replica.load_buffers(self.model.named_buffers())
        return self._run(replica, part, inputs, loss)

    def _run(self, replica: Layer, part: slice, inputs: Inputs, loss: Loss) -> StepResult:
        outputs, backward = replica.forward(inputs(part), training=True)
        value, doutputs, metrics = loss(outputs, part)
        _, grads = backward(doutputs)
        return StepResult(value, metrics, grads)

    def _average_buffers(self, weights: list[float]) -> None:
        sources = [replica.named_buffers() for replica in self._replicas[: len(weights)]]
        for name, target in self.model.named_buffers().items():
            target[...] = sum(weight * source[name] for weight, source in zip(weights, sources, strict=True))


def _first_trained(layer: Layer) -> Any:
    """Return the first layer with parameters, if it can leave out the gradient of the input, which a step drops."""
    if isinstance(layer, Sequential | MultiHead):
        return next((_first_trained(part) for part in layer.children().values() if part.named_parameters()), None)
    return layer if hasattr(layer, "input_gradient") else None


def _weighted_sum(results: list[StepResult], weights: list[float]) -> StepResult:
    """Combine the results of all shards, always adding them in the same order."""
    loss = sum(weight * result.loss for weight, result in zip(weights, results, strict=True))
    metrics = {
        name: sum(weight * result.metrics[name] for weight, result in zip(weights, results, strict=True))
        for name in results[0].metrics
    }
    grads = results[0].grads
    for weight, result in zip(weights, results, strict=True):
        for name, gradient in result.grads.items():
            gradient *= weight
            if result is not results[0]:
                grads[name] += gradient
    return StepResult(loss, metrics, grads)
