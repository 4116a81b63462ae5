"""Optimizers: they change parameters in place, and their whole state can be saved and loaded.

optimizer.step(model.named_parameters(), grads, learning_rate)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError

Array = Any


class Optimizer:
    """Base: named state arrays like the parameters, and a count of steps."""

    slots: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.steps = 0
        self._state: dict[str, Array] = {}

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array], learning_rate: float) -> None:
        """Change every parameter in place by one step.

        Raises ConfigError when a gradient is missing or the rate is not a finite number >= 0, ShapeError when a
        gradient does not have the shape of its parameter; nothing has changed then.
        """
        if not 0 <= learning_rate < math.inf:
            raise ConfigError(f"the learning rate must be finite and >= 0, not {learning_rate}")
        missing = sorted(params.keys() - grads.keys())
        if missing:
            raise ConfigError(f"no gradient for {missing[:4]}")
        for name, parameter in params.items():
            if grads[name].shape != parameter.shape:
                raise ShapeError(f"gradient of {name}: expected {parameter.shape}, found {grads[name].shape}")
        self.steps += 1
        for name, parameter in params.items():
            self._update(name, parameter, grads[name], learning_rate)

    def state(self) -> dict[str, Any]:
        """{"steps": n, "tensors": {"slot.parameter": array copy}}: everything a resumed run needs."""
        tensors = {name: array.copy(order="K") for name, array in self._state.items()}
        return {"steps": self.steps, "tensors": tensors}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state()`` returned; raises ConfigError for tensors of another optimizer."""
        unknown = [name for name in state["tensors"] if name.partition(".")[0] not in self.slots]
        if unknown:
            raise ConfigError(f"{type(self).__name__} has slots {list(self.slots)}, the state holds {unknown[:4]}")
        self.steps = int(state["steps"])
        self._state = {name: array.copy(order="K") for name, array in state["tensors"].items()}

    def _slot(self, slot: str, name: str, parameter: Array) -> Array:
        key = f"{slot}.{name}"
        if key not in self._state:
            self._state[key] = backend_of(parameter).xp.zeros_like(parameter)
        elif self._state[key].strides != parameter.strides:
            self._state[key] = laid_out_like(parameter, self._state[key])
        return self._state[key]

    def _update(self, name: str, parameter: Array, gradient: Array, learning_rate: float) -> None:
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v <- momentum v + g, p <- p - lr v (Nesterov: g + momentum v).

    ``weight_decay`` adds weight_decay * p to the gradient of parameters of two or more dimensions (L2).
    """

    slots = ("velocity",)

    def __init__(self, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> None:
        super().__init__()
        if not 0 <= momentum < 1 or not weight_decay >= 0:
            raise ConfigError(f"SGD(momentum={momentum}, weight_decay={weight_decay}): out of range")
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay

    def _update(self, name: str, parameter: Array, gradient: Array, learning_rate: float) -> None:
        if self.weight_decay and parameter.ndim > 1:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum:
            velocity = self._slot("velocity", name, parameter)
            velocity *= self.momentum
            velocity += gradient
            gradient = gradient + self.momentum * velocity if self.nesterov else velocity
        parameter -= learning_rate * gradient


class RMSProp(Optimizer):
    """Steps scaled by a running mean of the squared gradient.

        v <- decay v + (1 - decay) g^2        p <- p - lr g / (sqrt(v) + epsilon)

    With ``momentum``, the scaled gradient goes through a velocity as in SGD. ``weight_decay`` is L2 as in SGD. Tieleman
    and Hinton 2012.
    """

    slots = ("square", "velocity")

    def __init__(
        self, decay: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= decay < 1 or not epsilon > 0 or not 0 <= momentum < 1 or not weight_decay >= 0:
            raise ConfigError(f"RMSProp({decay}, {epsilon}, {momentum}, {weight_decay}): out of range")
        self.decay, self.epsilon, self.momentum, self.weight_decay = decay, epsilon, momentum, weight_decay

    def _update(self, name: str, parameter: Array, gradient: Array, learning_rate: float) -> None:
        if self.weight_decay and parameter.ndim > 1:
            gradient = gradient + self.weight_decay * parameter
        square = self._slot("square", name, parameter)
        square *= self.decay
        square += (1 - self.decay) * gradient * gradient
        change = gradient / (backend_of(parameter).xp.sqrt(square) + self.epsilon)
        if self.momentum:
            velocity = self._slot("velocity", name, parameter)
            velocity *= self.momentum
            velocity += change
            change = velocity
        parameter -= learning_rate * change


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and its square, both corrected for their zero start.

        m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g^2
        p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

    ``weight_decay`` is L2: it joins the gradient. Kingma and Ba 2015, arXiv:1412.6980.
    """

    slots = ("mean", "square")
    decoupled = False

    def __init__(
        self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= beta1 < 1 or not 0 <= beta2 < 1 or not epsilon > 0 or not weight_decay >= 0:
            raise ConfigError(f"Adam({beta1}, {beta2}, {epsilon}, {weight_decay}): out of range")
        self.beta1, self.beta2, self.epsilon, self.weight_decay = beta1, beta2, epsilon, weight_decay

    def _update(self, name: str, parameter: Array, gradient: Array, learning_rate: float) -> None:
        xp = backend_of(parameter).xp
        decays = self.weight_decay > 0 and parameter.ndim > 1
        if decays and self.decoupled:
            parameter *= 1 - learning_rate * self.weight_decay
        elif decays:
            gradient = gradient + self.weight_decay * parameter
        mean, square = self._slot("mean", name, parameter), self._slot("square", name, parameter)
        correction = math.sqrt(1 - self.beta2**self.steps)
        change = gradient * (1 - self.beta1)  # the only temporary: fresh memory costs more than the arithmetic
        mean *= self.beta1
        mean += change
        xp.multiply(gradient, gradient, out=change)
        change *= 1 - self.beta2
        square *= self.beta2
        square += change
        xp.sqrt(square, out=change)
        change += self.epsilon * correction
        xp.divide(mean, change, out=change)
        change *= learning_rate * correction / (1 - self.beta1**self.steps)
        parameter -= change


class AdamW(Adam):
    """Adam with decoupled decay: p shrinks by lr * weight_decay a step, for parameters of two or more dimensions.

    Loshchilov and Hutter 2019, arXiv:1711.05101.
    """

    decoupled = True

    def __init__(
        self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8, weight_decay: float = 1e-2
    ) -> None:
        super().__init__(beta1, beta2, epsilon, weight_decay)


def laid_out_like(parameter: Array, values: Array) -> Array:
    """The values in memory of the parameter's order: arithmetic over two different orders is many times slower."""
    laid_out = backend_of(parameter).xp.empty_like(parameter)
    laid_out[...] = values
    return laid_out
