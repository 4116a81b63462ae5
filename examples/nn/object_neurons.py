"""One object per neuron against one array per layer: the same net and the same numbers, but how
long does a step take?

The first version of this library had an object for every neuron and a loop for every weight.
Written that way, a step spends its time in the interpreter; as a product of matrices it spends it
in the processor.
"""

import itertools
import math
import operator
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_plot

SIZES = (64, 64, 32, 10)
BATCH = 64
RATE = 0.1


class Neuron:
    """A sigmoid of a weighted sum; remembers what it saw so that `learn` can go back."""

    def __init__(self, weights: list[float], bias: float) -> None:
        self.weights, self.bias = weights, bias
        self.weight_gradients = [0.0] * len(weights)
        self.bias_gradient = 0.0

    def fire(self, inputs: list[float]) -> float:
        """Return the output for these inputs."""
        self.inputs = inputs
        total = self.bias
        for weight, value in zip(self.weights, inputs, strict=True):
            total += weight * value
        self.output = 1 / (1 + math.exp(-total))
        return self.output

    def learn(self, gradient: float, input_gradients: list[float]) -> None:
        """Add to the gradients of the weights and of the inputs, given that of the output."""
        slope = gradient * self.output * (1 - self.output)
        self.bias_gradient += slope
        for place, (weight, value) in enumerate(zip(self.weights, self.inputs, strict=True)):
            self.weight_gradients[place] += slope * value
            input_gradients[place] += slope * weight

    def move(self, rate: float) -> None:
        """One step down, and forget the gradients."""
        for place, gradient in enumerate(self.weight_gradients):
            self.weights[place] -= rate * gradient
        self.bias -= rate * self.bias_gradient
        self.weight_gradients = [0.0] * len(self.weights)
        self.bias_gradient = 0.0


class ObjectNet:
    """Layers of neurons with the weights of a vectorised net."""

    def __init__(self, model: nn.Sequential) -> None:
        self.layers: list[list[Neuron]] = []
        for layer in model.layers.values():
            if isinstance(layer, nn.Dense):
                weight, bias = layer.params["weight"].tolist(), layer.params["bias"].tolist()
                self.layers.append([*map(Neuron, weight, bias)])

    def step(self, x: np.ndarray, target: np.ndarray) -> float:
        """One step of descent on a batch; returns the mean squared error before it."""
        error = 0.0
        for inputs, targets in zip(x.tolist(), target.tolist(), strict=True):
            values = inputs
            for layer in self.layers:
                values = [neuron.fire(values) for neuron in layer]
            differences = [*map(operator.sub, values, targets)]
            gradients = [2 * difference / target.size for difference in differences]
            error += sum(difference**2 for difference in differences) / target.size
            for layer in reversed(self.layers):
                input_gradients = [0.0] * len(layer[0].weights)
                for neuron, gradient in zip(layer, gradients, strict=True):
                    neuron.learn(gradient, input_gradients)
                gradients = input_gradients
        for layer in self.layers:
            for neuron in layer:
                neuron.move(RATE)
        return error


class Result(NamedTuple):
    """Seconds of a step and the errors of the same three steps, both ways."""

    object_seconds: float
    array_seconds: float
    object_errors: list[float]
    array_errors: list[float]

    @property
    def factor(self) -> float:
        return self.object_seconds / self.array_seconds


def run(seed: int = 0, steps: int = 3, sizes: Sequence[int] = SIZES) -> Result:
    """Train both for the same steps from the same weights."""
    rng = np.random.default_rng(seed)
    parts: dict[str, nn.Layer] = {}
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        parts[f"dense{number}"] = nn.Dense(inputs, outputs, rng, "glorot")
        parts[f"sigmoid{number}"] = nn.Activation("sigmoid")
    model = nn.Sequential(**parts)
    x = rng.standard_normal((BATCH, sizes[0])).astype(np.float32)
    target = rng.random((BATCH, sizes[-1])).astype(np.float32)
    objects = ObjectNet(model)
    optimizer = nn.SGD()

    # By hand: a trainer would have its own work timed with that of the arrays.
    def array_step() -> float:
        y, backward = model.forward(x, training=True)
        error, dy = nn.mse(y, target)
        _, grads = backward(dy)
        optimizer.step(model.named_parameters(), grads, RATE)
        return error

    object_seconds, object_errors = _timed(lambda: objects.step(x, target), steps)
    array_seconds, array_errors = _timed(array_step, steps)
    # Three steps are too quick to measure.
    array_seconds = min(array_seconds, _timed(array_step, 100)[0])
    return Result(object_seconds, array_seconds, object_errors, array_errors)


def _timed(step: Callable[[], float], count: int) -> tuple[float, list[float]]:
    """Seconds of the quickest step, and what the steps returned."""
    seconds, results = [], []
    for _ in range(count):
        start = time.perf_counter()
        results.append(step())
        seconds.append(time.perf_counter() - start)
    return min(seconds), results


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    result = run(options.seed)
    print(f"{'-'.join(map(str, SIZES))}, batches of {BATCH}; errors of the same steps:")
    print(f"objects  {result.object_seconds * 1e3:10.2f} ms a step   {result.object_errors}")
    print(f"arrays   {result.array_seconds * 1e3:10.2f} ms a step   {result.array_errors}")
    print(f"factor   {result.factor:10.0f}")
    save_plot(options.plot, lambda axes: _draw(axes, result))


def _draw(axes: Any, result: Result) -> None:
    axes.bar(
        ["objects", "arrays"], [result.object_seconds * 1e3, result.array_seconds * 1e3], log=True
    )
    axes.set_ylabel("milliseconds a step")


if __name__ == "__main__":
    run_as_command(main)
