"""Steps of a model: its gradients, their limits, what an optimizer and a weight average make of
them, and what is counted.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError, TrainingError
from engine.native.interrupts import Uninterrupted
from engine.nn.array_checks import ArrayDict, NamedArrays, copies, same_arrays
from engine.nn.layer import Layer
from engine.nn.means import add_means
from engine.nn.module import ParameterIndex
from engine.nn.training.averaging import ExponentialAverage, StochasticAverage
from engine.nn.training.clipping import clip_value, global_norm, scale_to
from engine.nn.training.gradient_source import GradientSource
from engine.nn.training.history import Record, floats
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.parameter_groups import Rates, rate_factors
from engine.nn.training.run_state import RunState
from engine.nn.training.schedules import Schedule
from engine.nn.training.trainer_settings import TrainerSettings

Average = ExponentialAverage | StochasticAverage


@dataclass(eq=False)
class Step:
    """Moves the weights of a model by one batch after the other, and counts in `run`.

    What it knows of the model's arrays, it finds anew whenever the model has other parts.
    """

    model: Layer
    source: GradientSource
    optimizer: Optimizer
    schedule: Schedule
    settings: TrainerSettings
    average: Average | None
    rates: Rates

    def __post_init__(self) -> None:
        self.run = RunState()
        self.uninterrupted = Uninterrupted()
        has_limit = self.settings.clip_norm or self.settings.clip_value
        self._measures_norm = bool(self.source.measures_norm or has_limit)
        self._find_arrays()

    def _find_arrays(self) -> None:
        self._arrays = ParameterIndex(self.model)
        self._factors = rate_factors(self.model.named_parameters(), self.rates)

    def take(self, batch: Any, rate: float | None, examples: float) -> Record:
        """Take one step; `examples` of the batch count in the epoch's means, or as many places as a
        mean is over.
        """
        run = self.run
        if not self._arrays.is_of(self.model):
            self._find_arrays()
        self.optimizer.serve(self.model)
        if run.last:
            self.model.load_parameters(self.tensors())
            run.last = {}
        statistics = copies(self._arrays.buffers())
        done = run.steps_done
        try:
            if rate is None:
                rate = self.rate_of(run.steps_done)
            means, grads = self._gradients(batch)
            self._limit(means, grads, rate)
            with self.uninterrupted:
                self._move(grads, rate)
                if examples:
                    add_means(run.sums, run.weights, means, examples)
        except BaseException:  # Ctrl-C too
            if run.steps_done == done:
                self.model.load_buffers(statistics)
            raise
        return means

    def _gradients(self, batch: Any) -> tuple[Record, NamedArrays]:
        """Return the means over a batch, and the gradients of what learns."""
        result = self.source.gradients(batch, (self.settings.seed, self.run.steps_done))
        grads = self._learning(result.grads)
        measured: dict[str, Any] = {"loss": result.loss, **result.metrics}
        if self._measures_norm:
            measured["gradient_norm"] = global_norm(grads)
        return floats(measured), grads

    def _learning(self, arrays: NamedArrays) -> ArrayDict:
        """Return the arrays, by names of parameters, of what is not frozen."""
        return {name: array for name, array in arrays.items() if self._factors.get(name, 1.0)}

    def _limit(self, means: Record, grads: NamedArrays, rate: float) -> None:
        """Bring gradients within both limits. Raises TrainingError where loss or gradients are not
        finite.
        """
        limit = self.settings.clip_norm
        norm = means.get("gradient_norm", 0.0)
        self.check_finite("loss", means["loss"], rate)
        self.check_finite("gradient", norm, rate)
        if self.settings.clip_value is not None:
            clip_value(grads, self.settings.clip_value)
            if limit is not None:
                norm = global_norm(grads)
        if limit is not None:
            scale_to(grads, norm, limit)

    def check_finite(self, what: str, number: float, rate: float) -> None:
        """Raise TrainingError unless a number of this step is finite."""
        if not math.isfinite(number):
            advice = f"check the data for NaN, or lower the rate of {rate:g}"
            raise TrainingError(
                f"step {self.run.steps_done}: expected a finite {what}, got {number}; {advice}"
            )

    def _move(self, grads: NamedArrays, rate: float) -> None:
        """Move the parameters by one step, and their average. Raises ConfigError for gradients of
        what is no parameter.
        """
        parameters = self._arrays.parameters()
        if unknown := sorted(grads.keys() - parameters.keys()):
            raise ConfigError(
                f"backward gave gradients of {unknown[:4]}, which are no parameters of the model"
            )
        learning = self._learning(parameters)
        self.optimizer.step(learning, grads, rate, self.source.pool, self._factors)
        if self.average is not None:
            self.average.update(parameters, self.source.pool)
        self.run.steps_done += 1

    def rate_of(self, step: int) -> float:
        """Return the rate of a step. Raises ConfigError for a schedule that gives none."""
        rate: Any = self.schedule(step)
        if not isinstance(rate, Real) and getattr(rate, "shape", None) != ():
            raise ConfigError(f"schedule: expected a rate for step {step}, found {rate!r:.60}")
        return rate * self.run.rate_factor

    # ---- state -----------------------------------------------------------------------------------

    def tensors(self) -> ArrayDict:
        """Return the parameters and buffers with which training goes on: those of the last step
        while the model holds the best ones, and else those of the model.
        """
        own = self.model.named_parameters() | self.model.named_buffers()
        if self.run.last and same_arrays(own, self.run.best):
            return self.run.last
        return own

    def state(self) -> tuple[ArrayDict, dict[str, Any]]:
        """Return what model, optimizer and average remember, as named arrays and JSON values."""
        optimizer = self.optimizer.state()
        arrays = in_group("model", self.tensors()) | in_group("optimizer", optimizer["tensors"])
        values = {
            "steps_done": self.run.steps_done,
            "optimizer_steps": optimizer["steps"],
            "average_updates": 0,
        }
        if self.average is not None:
            arrays |= in_group("average", self.average.tensors)
            values["average_updates"] = self.average.count
        return arrays, values

    def load(self, arrays: NamedArrays, values: Mapping[str, Any]) -> None:
        """Go on with what `state` returned. Raises ConfigError or ShapeError for that of another
        training run.
        """
        self.model.load_parameters(self.group(arrays, "model"))
        self.run.last = {}
        self.run.steps_done = values["steps_done"]
        tensors = self.group(arrays, "optimizer")
        self.optimizer.load_state({"steps": values["optimizer_steps"], "tensors": tensors})
        if self.average is not None:
            self.average.load(self.group(arrays, "average"), values["average_updates"])

    def group(self, arrays: NamedArrays, name: str) -> ArrayDict:
        """Undo `in_group`, on the backend of the model."""
        backend = backend_of(self.model.first_parameter())
        tensors = {}
        for path, array in arrays.items():
            group, _, own = path.partition("/")
            if group == name:
                tensors[own] = backend.asarray(array)
        return tensors


def in_group(group: str, tensors: NamedArrays) -> ArrayDict:
    """Return tensors under the names that they have in a checkpoint."""
    return {f"{group}/{name}": array for name, array in tensors.items()}
