"""Are these gradients right? Backward passes against central differences in float64.

print(gradient_check(layer, x))
assert gradient_check(my_loss, outputs, targets).error < 1e-6
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from engine.backend import to_numpy
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import copies, leaves, mapped
from engine.nn.layer import Layer

STEP = 1e-6
TOLERANCE = 1e-6  # a larger error is a mistake in the formula, or an input at a kink
ROUNDING = 1e-8  # of a central difference of outputs of about 1
SEED = 7  # of dropout masks and of the weights of the outputs


class CheckedTensor(NamedTuple):
    """One input or parameter, with its gradient computed in both ways."""

    name: str
    by_hand: np.ndarray
    numeric: np.ndarray
    # |a - n| / (|a| + |n|), with Euclidean norms over the tensor; 0 where both are 0, else inf for
    # NaN.
    error: float


@dataclass(frozen=True)
class GradientCheck:
    """What `gradient_check` returns; printed, it is a table."""

    tensors: tuple[CheckedTensor, ...]

    @property
    def error(self) -> float:
        """The largest relative error of a tensor; that of a right gradient is below 1e-6, mostly
        below 1e-8.

        It is infinite where a gradient holds NaN or infinity.
        """
        return max((tensor.error for tensor in self.tensors), default=0.0)

    def __repr__(self) -> str:
        width = max(len("gradient of"), *(len(tensor.name) for tensor in self.tensors))
        lines = [
            f"{'gradient of':{width}}  {'shape':16} {'by hand':>12} {'differences':>12} {'error':>9}"
        ]
        for name, by_hand, numeric, error in self.tensors:
            shape = str(list(by_hand.shape))
            norms = f"{np.linalg.norm(by_hand):12.5g} {np.linalg.norm(numeric):12.5g}"
            line = f"{name:{width}}  {shape:16} {norms} {error:9.1e}"
            if not error < TOLERANCE:
                line += "  WRONG"
            lines.append(line)
        return "\n".join(lines)


def gradient_check(
    checked: Layer | Callable[..., tuple[float, Any]],
    *inputs: Any,
    training: bool = True,
    **options: Any,
) -> GradientCheck:
    """Compare the gradients of a layer or a loss with central differences, (f(p + h) - f(p - h)) /
    2h for every number.

    checked: a Layer, for which inputs is its x (an array, or a tuple of arrays), or a loss, for
    which they are the outputs and the targets. `options` go to `forward` or to the loss. The check
    works on a copy in float64, whose parameters it moves a little off special values such as biases
    of 0. A layer's outputs become one number as a sum with random weights. Inputs should be small,
    since all is computed twice for each number, and away from kinks. What lies on a GPU is copied
    to the processor, which computes all.

    Raises ConfigError unless backward returns a gradient for each parameter, ShapeError for one of
    another shape.
    """
    if isinstance(checked, Layer):
        return _checked_layer(checked, inputs[0], training, **options)
    return _checked_loss(checked, *inputs, **options)


def numeric_gradient(value: Callable[[], float], tensor: np.ndarray) -> np.ndarray:
    """Return central differences of `value` over every element of `tensor`, changed in place and
    then restored. Raises ConfigError unless it is float64: others lose a step of 1e-6.
    """
    if tensor.dtype != np.float64:
        raise ConfigError(f"numeric_gradient: expected float64, found {tensor.dtype}")
    gradient = np.zeros_like(tensor)
    for place in np.ndindex(tensor.shape):
        number = tensor[place]
        tensor[place] = number + STEP
        above = value()
        tensor[place] = number - STEP
        below = value()
        tensor[place] = number
        gradient[place] = (above - below) / (2 * STEP)
    return gradient


def _checked_layer(checked: Layer, x: Any, training: bool, **options: Any) -> GradientCheck:
    rng = np.random.default_rng(SEED)
    x = floats_as(np.float64, x)
    layer = _off_special_values(checked, rng)
    options = mapped(_here, options)
    parameters = layer.named_parameters()
    buffers = copies(layer.named_buffers())

    def run():
        layer.load_buffers(buffers)
        layer.reseed(SEED)
        return layer.forward(x, training, **options)

    y, backward = run()
    weights = mapped(lambda part: rng.standard_normal(part.shape), y)
    dx, grads = backward(weights)
    if grads.keys() != parameters.keys():
        raise ConfigError(
            f"{checked!r:.60}: backward gives gradients of {list(grads)}, expected {list(parameters)}"
        )

    def value():
        pairs = zip(leaves(weights), leaves(run()[0]), strict=True)
        return float(sum((weight * part).sum() for weight, part in pairs))

    slopes = named_parts(dx, "x")
    tensors = []
    for name, part in named_parts(x, "x").items():
        if slopes.get(name) is not None:
            tensors.append(_compared(name, slopes[name], value, part))
    for name, parameter in parameters.items():
        tensors.append(_compared(name, grads[name], value, parameter))
    return GradientCheck(tuple(tensors))


def _checked_loss(
    loss: Callable[..., tuple[float, Any]], outputs: Any, *targets: Any, **options: Any
) -> GradientCheck:
    outputs = floats_as(np.float64, outputs)
    options = mapped(_here, options)
    targets = mapped(_here, targets)
    _, by_hand = loss(outputs, *targets, **options)

    def value():
        return float(np.sum(loss(outputs, *targets, **options)[0]))

    slopes = named_parts(by_hand, "outputs")
    tensors = []
    for name, part in named_parts(outputs, "outputs").items():
        # A gradient that is not there says that nothing depends on these outputs.
        slope = slopes.get(name, np.zeros_like(part))
        tensors.append(_compared(name, slope, value, part))
    return GradientCheck(tuple(tensors))


def _off_special_values(layer: Layer, rng: np.random.Generator) -> Layer:
    """Return a copy in float64 whose parameters are moved a little, such as biases of 0."""
    layer = layer.to("numpy").astype(np.float64)
    for tensor in layer.named_parameters().values():
        tensor += 0.3 * rng.standard_normal(tensor.shape)
    return layer


def _compared(
    name: str, by_hand: np.ndarray, value: Callable[[], float], tensor: np.ndarray
) -> CheckedTensor:
    """Compare a gradient of `value` with differences over its tensor, which is changed in place and
    restored.
    """
    if by_hand.shape != tensor.shape:
        raise ShapeError(
            f"gradient of {name}: expected {list(tensor.shape)}, found {list(by_hand.shape)}"
        )
    numeric = numeric_gradient(value, tensor)
    if not np.isfinite(by_hand).all() or not np.isfinite(numeric).all():
        return CheckedTensor(name, by_hand, numeric, math.inf)
    # Squares of large ones overflow.
    scale = max(np.abs(by_hand).max(initial=0), np.abs(numeric).max(initial=0), 1.0)
    scaled, scaled_numeric = by_hand / scale, numeric / scale
    size = float(np.linalg.norm(scaled) + np.linalg.norm(scaled_numeric))
    if np.abs(by_hand).max(initial=0) < 1e-12 and np.abs(numeric).max(initial=0) < ROUNDING:
        return CheckedTensor(name, by_hand, numeric, 0.0)  # zero by mathematics
    error = float(np.linalg.norm(scaled - scaled_numeric)) / size
    return CheckedTensor(name, by_hand, numeric, error)


def floats_as(dtype: Any, x: Any) -> Any:
    """Return an array, or arrays in tuples and dicts, in host memory; floats are copies of this
    dtype.
    """

    def cast(array):
        array = to_numpy(array)
        if array.dtype.kind == "f":
            return array.astype(dtype)
        return array

    return mapped(cast, x)


def _here(value: Any) -> Any:
    if hasattr(value, "dtype"):
        return to_numpy(value)
    return value


def named_parts(value: Any, name: str) -> dict[str, Any]:
    """Return inputs or outputs by name: "x"; for a tuple x0, x1, ...; for dicts their keys, inside
    each other outer.inner. Raises ConfigError where two have one name.
    """
    pairs = [*_pairs(value, name)]
    parts = dict(pairs)
    if len(parts) < len(pairs):
        raise ConfigError(f"two arrays have one name among {[key for key, _ in pairs]}")
    return parts


def _pairs(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, tuple):
        for number, part in enumerate(value):
            yield from _pairs(part, f"{name}{number}")
    elif isinstance(value, dict):
        for key, part in value.items():
            for path, array in _pairs(part, key):
                if isinstance(part, dict):
                    path = f"{key}.{path}"
                yield path, array
    else:
        yield name, value
