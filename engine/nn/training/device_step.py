"""Steps of a model wherever it lies; on a device with its parameters as one array, gradients by
CUDA graphs, and the loss scale of mixed precision. In host memory, nothing of that is there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from engine.backend import Backend
from engine.errors import ConfigError
from engine.nn.layer import Array, Layer
from engine.nn.training.flat import FlatTensors, trained_parameters
from engine.nn.training.history import Record, floats
from engine.nn.training.optimizers import Optimizer, unread_norm
from engine.nn.training.recorder import Recorder

# Set by hand: small towers overflow at PyTorch's 65,536, and lose their first steps.
FIRST_FACTOR = 1024.0
GROWTH_STEPS = 2000  # as in PyTorch's GradScaler


class LossScale:
    """A power of two: it doubles after `GROWTH_STEPS` steps, and halves when gradients overflow,
    down to 1.

    The gradients of a loss times `factor` are divided by it in single precision. A step that
    overflows is skipped. Micikevicius et al. 2018, arXiv:1710.03740.
    """

    def __init__(self, backend: Backend) -> None:
        self.there = backend.xp.ones((), np.float32)  # the factor, for steps that are recorded
        self.factor = FIRST_FACTOR
        self.good_steps = 0

    @property
    def factor(self) -> float:
        """What the loss is multiplied by; a new one goes to the device at once."""
        return self._factor

    @factor.setter
    def factor(self, value: float) -> None:
        self._factor = self.there[...] = value

    def follow(self, is_finite: bool) -> bool:
        """Note whether a step's gradients were finite; returns whether to take the step."""
        self.good_steps = self.good_steps + 1 if is_finite else 0
        if not is_finite:
            self.factor /= 2
        elif self.good_steps == GROWTH_STEPS:
            self.factor = self.factor * 2
            self.good_steps = 0
        return is_finite

    def scaled(self, gradient: Any) -> Any:
        """Return the gradient of outputs, an array or a tuple or dict of arrays, times the factor."""
        if isinstance(gradient, dict):
            return {name: self.scaled(part) for name, part in gradient.items()}
        if isinstance(gradient, tuple):
            return tuple(self.scaled(part) for part in gradient)
        return gradient * self.there

    def unscaled(self, grads: Mapping[str, Array], parameters: Mapping[str, Array]) -> FlatTensors:
        """Return gradients by the factor, in the precision and the order of the parameters."""
        like = {name: one for name, one in parameters.items() if name in grads}
        flat = FlatTensors(grads, like)
        flat.whole /= self.there
        return flat

    def state(self) -> dict[str, float]:
        """Return what a resumed run needs, as JSON values."""
        return {"factor": self.factor, "good_steps": self.good_steps}


class DeviceStep:
    """Computes the gradients of batches with a `GradientSource`, and lets an optimizer apply them.

    `measures_norm` says whether to report the norm of the gradient. `factors` of the rate are by
    the names of parameters; those of factor 0 are frozen.
    """

    def __init__(
        self, model: Layer, source: Any, measures_norm: bool, factors: Mapping[str, float]
    ) -> None:
        self._model = model
        self._source = source
        self._measures_norm = measures_norm
        self._factors = factors
        self._frozen: Collection[str] = {name for name, one in factors.items() if not one}
        self._parameters: Mapping[str, Array] = {}  # as the optimizer changes them
        self._seed: tuple[int, ...] = ()
        self.recorder = Recorder(model, self._measured)

    @property
    def may_overflow(self) -> bool:
        """Whether gradients that are not finite only make the next loss scale smaller."""
        scale = self._source.loss_scale
        return scale is not None and scale.factor > 1

    def find(self, optimizer: Optimizer, named: Mapping[str, Array]) -> None:
        """Take the model's parameters as they are now; on a device, this may move them."""
        if optimizer.takes_flat and not self._factors:
            named = trained_parameters(self._model, named, self._parameters)
        self._parameters = named

    def gradients(
        self, batch: Any, seed: tuple[int, ...], statistics: Mapping[str, Array]
    ) -> tuple[Record, Mapping[str, Array]]:
        """Return the means over a batch and its gradients; waits for a device once.

        statistics: copies of the model's buffers before the step.
        """
        self._seed = seed
        there = self._source.on_device(batch)
        if there is None:
            unread, grads = self._measured(batch)
        else:
            unread, grads = self.recorder.measured(there, self._parameters, statistics)
        return floats(unread), grads

    def _measured(self, batch: Any) -> tuple[dict[str, Any], Any]:
        """Return the means over a batch and its gradients, for which nothing waits."""
        result = self._source.gradients(batch, self._seed)
        grads = result.grads
        if self._frozen:
            grads = {name: one for name, one in grads.items() if name not in self._frozen}
        if isinstance(self._parameters, FlatTensors) and not isinstance(grads, FlatTensors):
            grads = FlatTensors(grads, self._parameters)
        measured = {"loss": result.loss, **result.metrics}
        if self._measures_norm:
            measured["gradient_norm"] = unread_norm(grads)
        return measured, grads

    def apply(
        self, optimizer: Optimizer, grads: Mapping[str, Array], rate: float, means: Record
    ) -> Mapping[str, Array] | None:
        """Move the parameters by one step and return them; None where the gradients overflowed.

        Raises ConfigError for gradients of what is no parameter.
        """
        scale, parameters = self._source.loss_scale, self._parameters
        moves = scale is None or scale.follow(math.isfinite(means["gradient_norm"]))
        if unknown := sorted(grads.keys() - parameters.keys()):
            raise ConfigError(
                f"backward gave gradients of {unknown[:4]}, which are no parameters of the model"
            )
        if not moves:
            return None
        if self._factors:
            learning = {n: one for n, one in parameters.items() if n not in self._frozen}
            optimizer.step(learning, grads, rate, self._source.pool, self._factors)
        else:
            optimizer.step(parameters, grads, rate, self._source.pool)
        return parameters

    def state(self) -> dict[str, float] | None:
        """Return what a resumed run needs, as JSON values; None in single precision."""
        scale = self._source.loss_scale
        return None if scale is None else scale.state()

    def restore(self, kept: Mapping[str, Any] | None) -> None:
        """Go on with what `state` returned."""
        if (scale := self._source.loss_scale) is not None and kept:
            scale.factor, scale.good_steps = kept["factor"], kept["good_steps"]
