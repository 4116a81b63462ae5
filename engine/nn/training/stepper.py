"""Steps of a model: its gradients, their limits, and what an optimizer and a weight average make of
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from numbers import Real
from typing import Any

from engine.errors import ConfigError, TrainingError
from engine.native.interrupts import Uninterrupted
from engine.nn.array_checks import copies
from engine.nn.layer import Array, Layer
from engine.nn.losses import weight_of
from engine.nn.module import Places
from engine.nn.training.averaging import ExponentialAverage, StochasticAverage
from engine.nn.training.checkpoint import RunState
from engine.nn.training.clipping import clip_value, global_norm, scale_all
from engine.nn.training.data import Data, Loader, as_loader
from engine.nn.training.device_step import DeviceStep
from engine.nn.training.history import History, Record
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.parallel import (
    GradientSource,
    LayerGradients,
    LossFunction,
    Metric,
    means_over,
)
from engine.nn.training.parameter_groups import rate_factors
from engine.nn.training.trainer_settings import TrainerSettings, check_arguments


class Stepper:
    """Moves the weights of `model` with a loss, an optimizer and a learning rate.

    `schedule` is that rate: a number, or a function from the step number (from 0) to the rate
    (schedules.py). `loss` is a function of outputs and targets, or a GradientSource. With a
    function, `metrics` are further means to report. `average` is a weight average to use in place
    of one from `settings.average_decay`; it is updated after every step.

    `rates` are factors of the rate by the beginnings of parameters' names, such as {"trunk.": 0,
    "head.": 1}; the longest that fits counts. Factor 0 freezes a part: it stays as it is,
    statistics of BatchNorm included, and computes as in inference; gradients that only it would
    need are left out. Raises ConfigError for an argument of another kind, for a rate that is
    negative or not finite, and for a model in half precision.
    """

    def __init__(
        self,
        model: Layer,
        loss: LossFunction | GradientSource,
        optimizer: Optimizer,
        schedule: Callable[[int], float] | float,
        settings: TrainerSettings | None = None,
        metrics: Mapping[str, Metric] | None = None,
        average: ExponentialAverage | StochasticAverage | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        check_arguments(model, loss, optimizer, schedule, settings, metrics)
        factors = rate_factors(model, rates)
        frozen = {name for name, factor in factors.items() if not factor}
        self._rates = dict(rates or {})
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule if callable(schedule) else lambda step: schedule
        self.settings = settings or TrainerSettings()
        self.metrics = dict(metrics or {})
        self._run = RunState()
        self._uninterrupted = Uninterrupted()
        decay = self.settings.average_decay
        if average is None and decay is not None:
            average = ExponentialAverage(decay)
        self._average = average
        self._source = self._made_source(frozen)
        has_limit = self.settings.clip_norm or self.settings.clip_value
        measures_norm = bool(self._source.measures_norm or has_limit)
        moving = optimizer, average, measures_norm, factors if rates else {}
        self._device = DeviceStep(model, self._source, *moving)
        self._find_arrays()

    def _made_source(self, frozen: Collection[str]) -> GradientSource:
        if isinstance(self.loss, GradientSource):
            return self.loss
        settings = self.settings
        shard_size = settings.shard_size or settings.batch_size
        further = shard_size, settings.threads, settings.precision, frozen
        return LayerGradients(self.model, self.loss, self.metrics, *further)

    @property
    def history(self) -> History:
        """One record per finished epoch."""
        return self._run.history

    @property
    def steps_done(self) -> int:
        """Training steps so far, including those before an interruption."""
        return self._run.steps_done

    def _loss_function(self) -> LossFunction:
        if isinstance(self.loss, GradientSource):
            raise ConfigError(
                "a trainer on a source of gradients takes batches by `step`: expected a loss function"
            )
        return self.loss

    def step(self, batch: Any, rate: float | None = None) -> Record:
        """Take one step on a batch, at `rate` or else the schedule's rate.

        Returns the means of loss and metrics over the batch, and the gradient norm before clipping.
        Raises TrainingError when the loss or a gradient is not finite; weights and statistics then
        are those before this step.
        """
        if isinstance(self._source, LayerGradients):
            as_loader(batch)  # checks that there are as many inputs as targets
        self._begin_steps()
        return self._step(batch, rate, 0)

    def _begin_steps(self) -> None:
        self.optimizer.serve(self.model)
        self._find_arrays()

    def _find_arrays(self) -> None:
        """Note where the model keeps its arrays; it may have other parts than at the last look."""
        self._named, self._buffers = Places(self.model, "params"), Places(self.model, "buffers")

    def _step(self, batch: Any, rate: float | None, examples: int) -> Record:
        """Take one step; `examples` of the batch count in the epoch's means, or as many places as a
        mean is over.
        """
        run = self._run
        if run.last:
            self.model.load_parameters(run.last)
            run.last = {}
        statistics = copies(self._buffers.read())
        done = run.steps_done
        try:
            rate = self._rate(run.steps_done) if rate is None else rate
            self._device.find(self._named.read())
            seed = self.settings.seed, run.steps_done
            means, grads = self._device.gradients(batch, seed, statistics)
            grads = self._clipped_gradients(means, grads, rate)
            with self._uninterrupted:
                self._move(grads, rate, means, examples)
        except BaseException:  # Ctrl-C too
            if run.steps_done == done:
                self.model.load_buffers(statistics)
            raise
        return means

    def _clipped_gradients(
        self, means: Record, grads: Mapping[str, Array], rate: float
    ) -> Mapping[str, Array]:
        """Return gradients within both limits. Raises TrainingError where loss or gradients are not
        finite.
        """
        limit = self.settings.clip_norm
        norm = means.get("gradient_norm", 0.0)
        self._check_finite("loss", means["loss"], rate)
        if not self._device.may_overflow:
            self._check_finite("gradient", norm, rate)
        if self.settings.clip_value is not None:
            clip_value(grads, self.settings.clip_value)
            norm = 0.0 if limit is None else global_norm(grads)
        if limit is not None and norm > limit:
            scale_all(grads, limit / norm)
        return grads

    def _check_finite(self, what: str, found: float, rate: float) -> None:
        if not math.isfinite(found):
            advice = f"check the data for NaN, or lower the rate of {rate:g}"
            raise TrainingError(
                f"step {self.steps_done}: expected a finite {what}, got {found}; {advice}"
            )

    def _move(self, grads: Mapping[str, Array], rate: float, means: Record, examples: int) -> None:
        """Move the weights by one step and count it; gradients that overflowed in mixed precision
        move nothing.
        """
        run = self._run
        self._device.apply(grads, rate, means)
        run.steps_done += 1
        for name, value in means.items() if examples else ():
            weight = weight_of(value, examples)
            run.sums[name] = run.sums.get(name, 0.0) + float(value) * weight
            run.weights[name] = run.weights.get(name, 0) + weight

    def _rate(self, step: int) -> float:
        rate: Any = self.schedule(step)
        if not isinstance(rate, Real) and getattr(rate, "shape", None) != ():
            raise ConfigError(f"schedule: expected a rate for step {step}, found {rate!r:.60}")
        return rate * self._run.rate_factor

    def scale_rate(self, factor: float) -> None:
        """Multiply the schedule's rates by `factor` from the next step on; for callbacks."""
        self._run.rate_factor = factor

    def evaluate(self, data: Data | Loader, model: Layer | None = None) -> Record:
        """Return the mean loss and metrics of `model` (default: the trained one) over the examples,
        as inference.

        There is no dropout and no augmentation, and BatchNorm uses its running statistics.
        """
        model = self.model if model is None else model
        measures = (self._loss_function(), self.metrics)
        return means_over(as_loader(data), self.settings.batch_size, model, *measures)

    def close(self) -> None:
        """Stop the threads."""
        self._source.close()

    def _tensors(self) -> dict[str, Array]:
        """Return the parameters and buffers with which training goes on."""
        return self._run.last or self.model.named_parameters() | self.model.named_buffers()
