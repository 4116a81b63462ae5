"""A line through noisy points by gradient descent: slope and intercept meet those of least squares.

One Dense layer with one weight w and one bias b, the mean squared error, plain gradient descent on
the whole batch. The gradients are dw = 2 mean((w x + b - y) x) and db = 2 mean(w x + b - y): the
bowl has one bottom, the closed form of least squares, and descent must end there.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_plot

SLOPE = 2.0
INTERCEPT = 1.0
NOISE = 0.3


class Result(NamedTuple):
    """The line found by descent and by least squares, each (slope, intercept)."""

    descent: tuple[float, float]
    least_squares: tuple[float, float]
    data: nn.Data
    history: nn.History


def run(seed: int = 0, points: int = 100, epochs: int = 200) -> Result:
    """Fit the line."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (points, 1)).astype(np.float32)
    data = nn.Data(
        x, (SLOPE * x + INTERCEPT + NOISE * rng.standard_normal((points, 1))).astype(np.float32)
    )
    model = nn.Dense(1, 1, rng)
    trainer = nn.Trainer(
        model, nn.mse, nn.SGD(), 0.3, nn.TrainerSettings(batch_size=points, seed=seed)
    )
    history = trainer.fit(data, epochs)
    slope, intercept = np.polyfit(data.inputs[:, 0], data.targets[:, 0], 1)
    descent = float(model.params["weight"][0, 0]), float(model.params["bias"][0])
    return Result(descent, (float(slope), float(intercept)), data, history)


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    result = run(options.seed)
    print("               slope  intercept")
    for name, (slope, intercept) in (
        ("descent", result.descent),
        ("least squares", result.least_squares),
    ):
        print(f"{name:13} {slope:6.4f}  {intercept:9.4f}")
    save_plot(options.plot, lambda axes: _draw(axes, result))


def _draw(axes: Any, result: Result) -> None:
    axes.plot(result.data.inputs, result.data.targets, ".")
    axes.axline((0, result.descent[1]), slope=result.descent[0], color="C1")


if __name__ == "__main__":
    run_as_command(main)
