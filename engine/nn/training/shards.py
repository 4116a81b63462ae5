"""Gradients of a training batch in shards, on several threads; the result does not depend on the
number of threads.

`DataParallel` splits the batch into shards of fixed size, of which the last two share what is left
over. Every shard runs forward and backward on a twin of the model, threads take whole shards, and
gradients and running statistics add up in shard order. BatchNorm therefore normalises over a shard
("ghost batch norm", Hoffer et al. 2017, arXiv:1705.08741).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter, mul
from typing import Any

from engine.errors import ConfigError
from engine.native.aligned_arrays import keep_freed_memory
from engine.native.pool import ThreadPool
from engine.nn.layer import Array, Gradients, Layer
from engine.nn.layers.normalisation import BatchNorm
from engine.nn.means import SUM, MeanOver, weight_of
from engine.nn.module import Module, ParameterIndex
from engine.nn.training.data import parts_of
from engine.nn.training.gradient_source import GradientSource, StepResult
from engine.nn.training.parameter_groups import Freeze, Rates, applied, frozen_parts

Outputs = Any  # result of the model's forward: an array or a dict of arrays
Inputs = Callable[[slice], Array]
Loss = Callable[[Outputs, slice], tuple[float, Outputs, dict[str, float]]]


class DataParallel(GradientSource):
    """Runs training steps of a model over shards of `shard_size` positions on `threads` threads.

    The optimizer changes the model's parameters in place. The shards share them, and each has
    buffers of its own. Parts of the model whose `rates` (as in `Trainer`) are 0 are frozen. With
    `one_pass`, equal shards are groups of one pass through the model, which computes the same: a
    GPU takes as long for all as for one. Close it in the end.
    """

    def __init__(
        self,
        model: Layer,
        shard_size: int,
        threads: int = 1,
        rates: Rates | None = None,
        one_pass: bool = False,
    ) -> None:
        if shard_size < 1 or threads < 1:
            raise ConfigError(
                f"DataParallel(shard_size={shard_size}, threads={threads}): both must be >= 1"
            )
        self.model = model
        self.shard_size = shard_size
        self._rates = dict(rates or {})
        self._one_pass = one_pass
        self._steps = 0
        self._parts = _ModelParts(model, self._rates)
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
        if seed is None:
            seed = (self._steps,)
        self._steps += 1
        if not self._parts.index.is_of(self.model):
            self._parts = _ModelParts(self.model, self._rates)
        shards = parts_of(count, self.shard_size)
        groups = 1
        if self._is_one_pass(shards):
            groups = len(shards)
            shards = [slice(0, count)]
        with applied([*self._parts.freezes, *self._parts.grouped(groups)]):
            if len(shards) == 1:
                if self._parts.draws:
                    self.model.reseed(*seed, 0)
                return _run(self.model, shards[0], inputs, loss)
            return self._run_shards(shards, inputs, loss, seed)

    def _is_one_pass(self, shards: Sequence[slice]) -> bool:
        """Whether one pass over all shards computes the same as one for each."""
        lengths = {shard.stop - shard.start for shard in shards}
        return self._one_pass and not self._parts.draws and len(lengths) == 1 and lengths != {1}

    def _run_shards(
        self, shards: list[slice], inputs: Inputs, loss: Loss, seed: tuple[int, ...]
    ) -> StepResult:
        """Run each shard on a twin, and add up gradients and statistics in their order."""
        twins = self._parts.twins(len(shards))
        for number, twin in enumerate(twins):
            twin.follow()
            if self._parts.draws:
                twin.model.reseed(*seed, number)
        results = self.pool.map(
            lambda twin, shard: _run(twin.model, shard, inputs, loss), twins, shards
        )
        sizes = [shard.stop - shard.start for shard in shards]
        _average_buffers(self._parts.index, twins, [size / sum(sizes) for size in sizes])
        means, metrics_of_shards, grads = zip(*results, strict=True)
        mean, shares = _joined_mean(means, sizes)
        metrics = {}
        for name in metrics_of_shards[0]:
            metrics[name], _ = _joined_mean([*map(itemgetter(name), metrics_of_shards)], sizes)
        return StepResult(mean, metrics, _weighted_sum(grads, shares))


class _ModelParts:
    """What steps of a model go by: they find it anew when the model has other parts."""

    def __init__(self, model: Layer, rates: Rates) -> None:
        self.index = ParameterIndex(model)
        self.freezes = frozen_parts(model, rates)
        layers = [layer for _, layer in model.walk()]
        self.draws = any(type(layer).reseed is not Layer.reseed for layer in layers)
        self._norms = [layer for layer in layers if isinstance(layer, BatchNorm)]
        self._model = model
        self._twins: list[_Twin] = []

    def grouped(self, groups: int) -> list[Freeze]:
        """Return the switches with which norms see so many shards in one pass."""
        return [Freeze(norm, "groups", groups) for norm in self._norms if groups > 1]

    def twins(self, count: int) -> list[_Twin]:
        while count > len(self._twins):
            self._twins.append(_Twin(self._model, self.index))
        return self._twins[:count]


class _Twin:
    """A copy of a model for one shard. Parameters and settings are the model's at every step;
    buffers are its own.
    """

    def __init__(self, model: Layer, index: ParameterIndex) -> None:
        self.model = model.replica()
        self.index = ParameterIndex(self.model)
        self._followed = index
        self._pairs: list[tuple[Module, Module, dict[str, Any]]] = []
        for (_, layer), (_, twin) in zip(model.walk(), self.model.walk(), strict=True):
            shared = vars(layer)
            own = {
                name: value for name, value in vars(twin).items() if value is not shared.get(name)
            }
            self._pairs.append((layer, twin, own))

    def follow(self) -> None:
        """Take the settings and the values of buffers that the model has now."""
        for layer, twin, own in self._pairs:
            vars(twin).update(vars(layer) | own)
        values = self._followed.buffers()
        for name, buffer in self.index.buffers().items():
            buffer[...] = values[name]


def _run(model: Layer, shard: slice, inputs: Inputs, loss: Loss) -> StepResult:
    outputs, backward = model.forward(inputs(shard), training=True)
    value, slopes, metrics = loss(outputs, shard)
    return StepResult(value, metrics, backward(slopes)[1])


def _average_buffers(index: ParameterIndex, twins: list[_Twin], weights: list[float]) -> None:
    """Fill the model's buffers with means of those of its twins."""
    sources = [twin.index.buffers() for twin in twins]
    for name, target in index.buffers().items():
        values = [source[name] for source in sources]
        if target.dtype.kind == "f":
            target[...] = sum(map(mul, weights, values))
        else:
            # Whole numbers, such as counts or places, have no mean.
            target[...] = values[0]


def _joined_mean(means: Sequence[Any], sizes: Sequence[int]) -> tuple[Any, list[float]]:
    """Return the mean over all shards from theirs, and how much each of these weighs."""
    weights = [*map(weight_of, means, sizes)]
    total = sum(weights)
    shares = [weight / (total or 1) for weight in weights]
    if weights[0] == SUM:
        total = SUM
        shares = [1.0] * len(means)
    joined = sum(map(mul, shares, means))
    if isinstance(means[0], MeanOver):
        joined = MeanOver(joined, total)
    return joined, shares


def _weighted_sum(parts: Sequence[Gradients], weights: Sequence[float]) -> Gradients:
    """Combine the gradients of all shards in place, always adding them in the same order."""
    total = parts[0]
    for weight, part in zip(weights, parts, strict=True):
        for name, gradient in part.items():
            gradient *= weight
            if part is not total:
                total[name] += gradient
    return total
