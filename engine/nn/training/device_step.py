"""Steps of a model wherever it lies; on a device with its parameters as one array, gradients by
CUDA graphs, and the loss scale of mixed precision. In host memory, nothing of that is there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from engine.backend import NUMPY, Backend, backend_of_all
from engine.errors import ConfigError
from engine.nn.layer import Array, Layer
from engine.nn.training.clipping import global_norm
from engine.nn.training.flat import GROUPS, WHOLE, FlatTensors
from engine.nn.training.history import Record, floats
from engine.nn.training.optimizers import Optimizer
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
    """Computes the gradients of batches with a `GradientSource`, and lets an optimizer and a weight
    average apply them.

    On a device the optimizer sees two arrays, all matrices and all vectors of the model, and the
    average sees one, because one operation on all of them is much cheaper there than one on each.
    `measures_norm` says whether to report the norm of the gradient. `factors` of the rate are by
    the names of parameters; those of factor 0 are frozen.
    """

    def __init__(
        self,
        model: Layer,
        source: Any,
        optimizer: Optimizer,
        average: Any,
        measures_norm: bool,
        factors: Mapping[str, float],
    ) -> None:
        self._model = model
        self._source = source
        self._optimizer = optimizer
        self._average = average
        self._measures_norm = measures_norm
        self._factors = factors
        self._frozen: Collection[str] = {name for name, one in factors.items() if not one}
        self._parameters: Mapping[str, Array] = {}  # as the optimizer changes them
        self._averaged: Mapping[str, Array] = {}  # as the average follows them
        self._flat: FlatTensors | None = None  # the model's parameters, where they are one array
        self._seed: tuple[int, ...] = ()
        self.recorder = Recorder(model, self._measured)

    @property
    def may_overflow(self) -> bool:
        """Whether gradients that are not finite only make the next loss scale smaller."""
        scale = self._source.loss_scale
        return scale is not None and scale.factor > 1

    def find(self, named: Mapping[str, Array]) -> None:
        """Take the model's parameters as they are now; on a device, this may move them."""
        if backend_of_all(named) is NUMPY or self._factors or not self._optimizer.takes_flat:
            self._parameters = self._averaged = named
            return
        flat = self._flat
        if flat is not None and all(named[name] is array for name, array in flat.items()):
            return
        tensors = self.tensors()
        self._flat = FlatTensors(named)
        self._model.adopt_parameters(self._flat)
        self._parameters = self._flat.groups
        self._averaged = {WHOLE: self._flat.whole}
        count = None if self._average is None else self._average.count
        self.load(tensors, self._optimizer.steps, count)

    # ---- what optimizer and average remember, by the names of parameters -------------------------

    def tensors(self) -> dict[str, dict[str, Array]]:
        """Return the tensors of optimizer and average, by "optimizer" and "average"."""
        # An own optimizer may have an attribute `state`.
        kept = Optimizer.state(self._optimizer)["tensors"]
        for slot in self._optimizer.slots:
            kept |= self._unpacked(kept, f"{slot}.")
        average = {} if self._average is None else dict(self._average.tensors)
        if self._flat is not None and average:
            average = self._flat.named(average[WHOLE])
        return {"optimizer": kept, "average": average}

    def load(
        self, tensors: Mapping[str, Mapping[str, Array]], steps: int, updates: int | None
    ) -> None:
        """Go on with what `tensors` returned, after so many steps and updates of the average."""
        kept = dict(tensors["optimizer"])
        for slot in self._optimizer.slots:
            if (flat := self._taken(kept, f"{slot}.")) is not None:
                kept |= {f"{slot}.{name}": array for name, array in flat.groups.items()}
        self._optimizer.load_state({"steps": steps, "tensors": kept})
        if self._average is not None:
            average = dict(tensors["average"])
            flat = self._taken(average, "")
            self._average.load(average if flat is None else {WHOLE: flat.whole}, updates)

    def _unpacked(self, tensors: dict[str, Array], start: str) -> dict[str, Array]:
        """Take the two arrays whose names begin so out of `tensors`; return them by parameters."""
        if self._flat is None or f"{start}{GROUPS[0]}" not in tensors:
            return {}
        groups = [tensors.pop(f"{start}{name}").reshape(-1) for name in GROUPS]
        whole = backend_of_all(self._flat).xp.concatenate(groups)
        return {f"{start}{name}": array for name, array in self._flat.named(whole).items()}

    def _taken(self, tensors: dict[str, Array], start: str) -> FlatTensors | None:
        """Take the arrays of parameters whose names begin so out of `tensors`; return them as one,
        None where there are none. What a parameter has not is 0.
        """
        names = {name: f"{start}{name}" for name in self._flat or ()}
        if self._flat is None or not names.values() & tensors.keys():
            return None
        given = {
            name: tensors.pop(key) if key in tensors else 0 * self._flat[name]
            for name, key in names.items()
        }
        return FlatTensors(given, self._flat)

    # ---- steps -----------------------------------------------------------------------------------

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
        grads: Any = result.grads
        measured = {"loss": result.loss, **result.metrics}
        if self._frozen:
            grads = {name: one for name, one in grads.items() if name not in self._frozen}
        flat = self._flat
        if flat is not None and not isinstance(grads, FlatTensors):
            grads = FlatTensors(grads, flat)
        if self._measures_norm:
            measured["gradient_norm"] = global_norm(grads) if flat is None else _norm_there(grads)
        return measured, grads if flat is None else grads.groups

    def apply(self, grads: Mapping[str, Array], rate: float, means: Record) -> None:
        """Move the parameters by one step, and their average; gradients that overflowed move nothing.

        Raises ConfigError for gradients of what is no parameter.
        """
        scale, parameters = self._source.loss_scale, self._parameters
        moves = scale is None or scale.follow(math.isfinite(means["gradient_norm"]))
        if unknown := sorted(grads.keys() - parameters.keys()):
            raise ConfigError(
                f"backward gave gradients of {unknown[:4]}, which are no parameters of the model"
            )
        if not moves:
            return
        learning = {name: one for name, one in parameters.items() if name not in self._frozen}
        self._optimizer.step(learning, grads, rate, self._source.pool, self._factors)
        if self._average is not None:
            self._average.update(self._averaged, self._source.pool)

    def state(self) -> dict[str, float] | None:
        """Return what a resumed run needs of the loss scale, as JSON values; None in single
        precision.
        """
        scale = self._source.loss_scale
        return None if scale is None else scale.state()

    def restore(self, kept: Mapping[str, Any] | None) -> None:
        """Go on with what `state` returned."""
        if (scale := self._source.loss_scale) is not None and kept:
            scale.factor, scale.good_steps = kept["factor"], kept["good_steps"]


def _norm_there(grads: FlatTensors) -> Array:
    """Return the norm of all gradients, which stays on their device, to be read with other numbers."""
    return backend_of_all(grads).xp.linalg.norm(grads.whole.astype(np.float64))
