"""Optimizers. They change parameters in place, and their whole state can be saved and loaded.

    optimizer = Adam()
    optimizer.step(model.named_parameters(), grads, learning_rate)

The learning rate is an argument of each step, because it is the one setting that changes during
training: a schedule gives it (schedules.py), and the Trainer passes it on. An optimizer therefore
takes no rate, and no parameters either.
"""

import math
from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

import numpy as np

from engine.backend import backend_of, xp_of
from engine.errors import ConfigError, ShapeError
from engine.native.pool import ThreadPool
from engine.nn.array_checks import ArrayDict, NamedArrays, copies
from engine.nn.base_names import check_attribute, check_class
from engine.nn.operations import operations_for, updates

Array = Any
# Of Adam and RMSProp; a much smaller one is 0 in single precision, and 0 / 0 is NaN.
LEAST_EPSILON = 1e-30
# Names of what scales or shifts, in the layers of the library: at 0 nothing would pass.
GAINS = ("scale", "shift", "gamma", "beta", "alpha", "gain", "bias")
OTHER_MODEL = "this optimizer has the state of another model: make a new one for each"


class Optimizer:
    """Base class: holds state arrays named and shaped like the parameters, and a count of steps.

    Settings are given by name; the learning rate is not one of them. A subclass defines `_update`.
    What it keeps in attributes that no constructor of its classes takes is state, too: numbers,
    arrays, and dictionaries of such.
    """

    slots: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        check_class(Optimizer, cls, ("slots", "_update"))

    def __setattr__(self, name: str, value: Any) -> None:
        """Raise ConfigError for a name of this class."""
        check_attribute(Optimizer, self, name, ())
        super().__setattr__(name, value)

    def __init__(self) -> None:
        self.steps = 0
        self._state: ArrayDict = {}
        self._model: Any = None  # whose parameters it moves, if a trainer said so

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies have: they may go on with a copy of the model."""
        return vars(self) | {"_model": None}

    def serve(self, model: Any) -> None:
        """Note the model to move. Raises ConfigError where it remembers something of another one."""
        if self._model not in (None, model) and self.state()["tensors"]:
            raise ConfigError(OTHER_MODEL)
        self._model = model

    def step(
        self,
        params: NamedArrays,
        grads: NamedArrays,
        learning_rate: float,
        pool: ThreadPool | None = None,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        """Change every parameter in place by one step; large ones use the threads of `pool` if
        given. `factors` of the rate are by the names of parameters; without one it is 1.

        Raises ConfigError when a gradient is missing or the rate is not a finite number >= 0,
        ShapeError when a gradient does not have the shape of its parameter. Both leave all
        parameters unchanged, as does the ConfigError for parameters in half precision.
        """
        if getattr(learning_rate, "shape", ()) != () or not 0 <= learning_rate < math.inf:
            raise ConfigError(
                f"the learning rate must be a finite number >= 0, not {learning_rate!r}"
            )
        missing = sorted(params.keys() - grads.keys())
        if missing:
            advice = "call the backward of each part, and return its gradients by these names"
            raise ConfigError(f"no gradient for {missing[:4]}: {advice}")
        for name, parameter in params.items():
            if grads[name].shape != parameter.shape:
                raise ShapeError(
                    f"gradient of {name}: expected {parameter.shape}, found {grads[name].shape}"
                )
        check_precision(params)
        self.steps += 1
        factors = factors or {}
        for name, parameter in params.items():
            rate = learning_rate * factors.get(name, 1)
            self._update(name, parameter, grads[name], rate, pool)

    def state(self) -> dict[str, Any]:
        """Return all a resumed run needs: {"steps": n, "tensors": {"slot.parameter": array copy}}."""
        settings = vars(Optimizer()).keys() | settings_of(type(self))
        tensors = dict(self._state)
        for name, value in vars(self).items():
            if name not in settings and value is not None:
                tensors |= dict(self._arrays_in(name, value))
        return {"steps": self.steps, "tensors": copies(tensors)}

    def _arrays_in(self, path: str, value: Any) -> Iterator[tuple[str, Array]]:
        """Yield the arrays in an attribute by path, numbers with "=" behind it, or raise
        ConfigError for others.
        """
        if hasattr(value, "ndim"):
            yield path, value
        elif isinstance(value, bool | int | float):
            yield f"{path}=", np.array(value)
        elif isinstance(value, dict) and all(map(_is_name, value)):
            for key, part in value.items():
                yield from self._arrays_in(f"{path}/{key}", part)
        else:
            kinds = "a number, an array or a dictionary of such by name"
            raise ConfigError(
                f"{type(self).__name__}.{path}: expected {kinds}, found {value!r:.60}"
            )

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Load what `state()` returned. Raises ConfigError for tensors of another optimizer."""
        tensors = copies(state["tensors"])
        own = dict[str, Any]()
        for path in list(tensors):
            attribute = path.removesuffix("=").partition("/")[0]
            if attribute in vars(self):
                _put_at(own, path, tensors.pop(path))
        unknown = [name for name in tensors if name.partition(".")[0] not in self.slots]
        if unknown:
            raise ConfigError(
                f"{type(self).__name__} has slots {list(self.slots)}, the state holds {unknown[:4]}"
            )
        vars(self).update(own)
        self.steps = int(state["steps"])
        self._state = tensors
        self._model = None

    def _slot(self, slot: str, name: str, parameter: Array) -> Array:
        key = f"{slot}.{name}"
        if key not in self._state:
            self._state[key] = xp_of(parameter).zeros_like(parameter)
        if self._state[key].shape != parameter.shape:
            raise ConfigError(OTHER_MODEL)
        self._state[key] = laid_out_like(parameter, self._state[key])
        return self._state[key]

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        raise NotImplementedError


def _is_name(key: object) -> bool:
    return isinstance(key, str) and "/" not in key


def _put_at(values: dict[str, Any], path: str, array: Array) -> None:
    """Put an array into dictionaries within each other at its path (`Optimizer._arrays_in`)."""
    *outer, last = path.split("/")
    for key in outer:
        values = values.setdefault(key, {})
    if last.endswith("="):
        values[last.removesuffix("=")] = array.item()
    else:
        values[last] = array


def settings_of(kind: type) -> list[str]:
    """Return the names of what the constructors of a class and of its bases take."""
    names: list[str] = []
    for base in kind.__mro__:
        if "__init__" in vars(base):
            names += signature(base).parameters
    return names


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v <- momentum v + g, p <- p - lr v (Nesterov: g +
    momentum v).

    `momentum` is in [0, 1). `weight_decay` adds weight_decay * p to the gradient of parameters of
    two or more dimensions (L2), but for gains and shifts, such as a `scale`.
    """

    slots = ("velocity",)

    def __init__(
        self, *, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= momentum < 1 or not weight_decay >= 0:
            call = f"SGD(momentum={momentum}, weight_decay={weight_decay})"
            raise ConfigError(f"{call}: expected momentum in [0, 1), weight_decay >= 0")
        if nesterov and not momentum:
            raise ConfigError(
                "SGD(nesterov=True): expected a momentum above 0, such as momentum=0.9"
            )
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        if self.weight_decay and decays(name, parameter):
            gradient = gradient + self.weight_decay * parameter
        if self.momentum:
            velocity = self._slot("velocity", name, parameter)
            velocity *= self.momentum
            velocity += gradient
            if self.nesterov:
                gradient = gradient + self.momentum * velocity
            else:
                gradient = velocity
        parameter -= rate * gradient


class RMSProp(Optimizer):
    """RMSProp: divides the gradient by the root of a running mean of its square.

        v <- decay v + (1 - decay) g^2        p <- p - lr g / (sqrt(v) + epsilon)

    Gradients are limited as in Adam. Tieleman and Hinton 2012.
    """

    slots = ("square",)

    def __init__(self, *, decay: float = 0.99, epsilon: float = 1e-8) -> None:
        super().__init__()
        if not 0 <= decay < 1 or not epsilon >= LEAST_EPSILON:
            expected = f"expected decay in [0, 1), epsilon > 0 (at least {LEAST_EPSILON})"
            raise ConfigError(f"RMSProp(decay={decay}, epsilon={epsilon}): {expected}")
        self.decay, self.epsilon = decay, epsilon

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        xp = xp_of(gradient)
        limit = _most_squarable(gradient)
        gradient = xp.clip(gradient, -limit, limit)
        square = self._slot("square", name, parameter)
        square *= self.decay
        square += (1 - self.decay) * gradient * gradient
        parameter -= rate * (gradient / (xp.sqrt(square) + self.epsilon))


class Adam(Optimizer):
    """Adam: steps from running means of the gradient and its square, both corrected for their start
    at zero.

        m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2
        p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

    Elements of a gradient beyond +-1e19 (float32; 1e153 in float64) count as that, the largest
    whose square is finite. `weight_decay` is L2: it adds weight_decay * p to the gradient of
    parameters of two or more dimensions, or of all parameters with `decay_all`. Kingma and Ba 2015,
    arXiv:1412.6980.
    """

    slots: tuple[str, ...] = ("mean", "square")
    decoupled = False

    def __init__(
        self,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        decay_all: bool = False,
    ) -> None:
        super().__init__()
        are_shares = 0 <= beta1 < 1 and 0 <= beta2 < 1
        if not are_shares or not epsilon >= LEAST_EPSILON or not weight_decay >= 0:
            call = f"Adam(beta1={beta1}, beta2={beta2}, epsilon={epsilon}, weight_decay={weight_decay})"
            expected = f"beta1 and beta2 in [0, 1), epsilon > 0 (at least {LEAST_EPSILON}), weight_decay >= 0"
            raise ConfigError(f"{call}: expected {expected}")
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weight_decay = weight_decay
        self.decay_all = decay_all

    def _rates(self, learning_rate: float, weight_decay: float) -> updates.AdamRates:
        """Return the constants of the current step; `weight_decay` is decoupled."""
        correction = math.sqrt(1 - self.beta2**self.steps)
        scale = learning_rate * correction / (1 - self.beta1**self.steps)
        keep, epsilon = 1 - learning_rate * weight_decay, self.epsilon * correction
        return updates.AdamRates(self.beta1, self.beta2, keep, scale, epsilon)

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        decoupled_decay = 0.0
        if self.weight_decay and (self.decay_all or decays(name, parameter)):
            if self.decoupled:
                decoupled_decay = self.weight_decay
            else:
                gradient = gradient + self.weight_decay * parameter
        moments = self._slot("mean", name, parameter), self._slot("square", name, parameter)
        self._move(parameter, gradient, *moments, self._rates(rate, decoupled_decay), pool)

    def _move(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        rates: Any,
        pool: ThreadPool | None,
    ) -> None:
        """Take one step, and update both moments."""
        if (flat := updates.flat_views(parameter, gradient, mean, square)) is not None:

            def step(first, last):
                updates.adam_step(*flat, first, last, rates)

            updates.on_stretches(pool, parameter.size, updates.STRETCH, step)
            return
        arrays = (parameter, gradient, mean, square)
        limit = _most_squarable(gradient)
        operations_for(parameter).fused(_adam)(*arrays, *rates, limit, parameter, mean, square)


def _adam(p: Array, g: Array, m: Array, v: Array, beta1: float, beta2: float, *rest: Any) -> None:
    """Take the step of `Adam`, on a GPU as one kernel; the last arguments take parameter, mean and
    square.
    """
    keep, scale, epsilon, limit, new_p, new_m, new_v = rest
    xp = xp_of(g)
    g = xp.maximum(xp.minimum(g, limit), -limit)
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    xp.subtract(p * keep, m / (xp.sqrt(v) + epsilon) * scale, out=new_p)
    xp.add(m, 0, out=new_m)
    xp.add(v, 0, out=new_v)


class AdamW(Adam):
    """Adam with decoupled decay: p shrinks by lr * weight_decay * p per step. `Adam` says which
    parameters decay.

    The other settings are Adam's. Loshchilov and Hutter 2019, arXiv:1711.05101.
    """

    decoupled = True

    def __init__(self, *, weight_decay: float = 1e-2, **settings: Any) -> None:
        super().__init__(weight_decay=weight_decay, **settings)


def decays(name: str, parameter: Array) -> bool:
    """Whether weight decay moves a parameter: a matrix or a larger one, but no gain or shift."""
    return parameter.ndim > 1 and name.rpartition(".")[2] not in GAINS


def check_precision(params: NamedArrays) -> None:
    """Raise ConfigError for parameters in half precision, where most steps round to nothing and
    Adam's epsilon to 0.
    """
    for name, parameter in params.items():
        if parameter.dtype.itemsize < 4:
            form = f"{parameter.dtype}, which loses small steps"
            raise ConfigError(f"{name}: expected float32 or float64 to train, found {form}")


def _most_squarable(gradient: Array) -> float:
    """Return the largest size of an element whose square is finite; the kernels of float32 have the
    same limit.
    """
    if gradient.dtype == np.float32:
        return float(updates.SQUARABLE)
    return 1e153


def laid_out_like(parameter: Array, values: Array) -> Array:
    """Values on the parameter's backend, in its memory order: arithmetic across two orders is many
    times slower.
    """
    if type(values) is type(parameter) and values.strides == parameter.strides:
        return values
    laid_out = xp_of(parameter).empty_like(parameter)
    laid_out[...] = backend_of(parameter).asarray(values)
    return laid_out
