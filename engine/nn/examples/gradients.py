"""The gradients of a small net, layer by layer, as plain arrays one can print and check by hand.

A 2-3-1 net with tanh, three examples, the mean squared error. Going back, every layer turns the gradient of its output
into the gradient of its input and, if it has any, of its parameters; the last column is the check by central
differences: (loss(w + h) - loss(w - h)) / 2h for each number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from engine.nn.examples.common import command_line, run_as_command, save_plot


class Stage(NamedTuple):
    """One layer on the way back."""

    name: str
    dy: np.ndarray  # gradient of its output
    dx: np.ndarray  # gradient of its input
    grads: dict[str, np.ndarray]  # of its parameters, by hand
    numeric: dict[str, np.ndarray]  # the same by central differences


def run(seed: int = 0) -> list[Stage]:
    """Forward through the layers, then backward, keeping everything; the last layer comes first."""
    rng = np.random.default_rng(seed)
    layers: dict[str, nn.Layer] = {
        "dense1": nn.Dense(2, 3, rng).astype(np.float64),
        "tanh": nn.Activation("tanh"),
        "dense2": nn.Dense(3, 1, rng).astype(np.float64),
    }
    x, target = rng.standard_normal((3, 2)), rng.standard_normal((3, 1))
    steps = []
    y = x
    for name, layer in layers.items():
        y, backward = layer.forward(y, training=True)
        steps.append((name, layer, backward))

    def loss() -> float:
        output = x
        for layer in layers.values():
            output, _ = layer.forward(output, training=True)
        return nn.mse(output, target)[0]

    _, dy = nn.mse(y, target)
    stages = []
    for name, layer, backward in reversed(steps):
        dx, grads = backward(dy)
        numeric = {key: nn.numeric_gradient(loss, tensor) for key, tensor in layer.params.items()}
        stages.append(Stage(name, dy, dx, grads, numeric))
        dy = dx
    return stages


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    stages = run(options.seed)
    with np.printoptions(precision=4, suppress=True):
        for stage in stages:
            print(f"\n{stage.name}: gradient of its output {list(stage.dy.shape)}\n{stage.dy}")
            for name, gradient in stage.grads.items():
                error = np.abs(gradient - stage.numeric[name]).max()
                print(f"  d{name} {list(gradient.shape)}, within {error:.0e} of central differences\n{gradient}")
            print(f"  gradient of its input {list(stage.dx.shape)}\n{stage.dx}")
    save_plot(options.plot, lambda axes: _draw(axes, stages))


def _draw(axes: Any, stages: list[Stage]) -> None:
    bars = {f"{s.name}.{name}": float(np.linalg.norm(g)) for s in reversed(stages) for name, g in s.grads.items()}
    axes.bar(list(bars), list(bars.values()))
    axes.set_ylabel("norm of the gradient")


if __name__ == "__main__":
    run_as_command(main)
