"""sin(x) over one period by a 1-16-16-1 net with tanh: how large is its largest error?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_plot

POINTS = 256
BATCH = 32


class Result(NamedTuple):
    """The curve between the training points: x, what the net says, and the largest error."""

    x: np.ndarray
    y: np.ndarray
    largest_error: float


def run(seed: int = 0, epochs: int = 400) -> Result:
    """Train on 256 points and look between them."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        dense1=nn.Dense(1, 16, rng, "glorot"),
        tanh1=nn.Activation("tanh"),
        dense2=nn.Dense(16, 16, rng, "glorot"),
        tanh2=nn.Activation("tanh"),
        dense3=nn.Dense(16, 1, rng, "glorot"),
    )
    x = np.linspace(-np.pi, np.pi, POINTS, dtype=np.float32)[:, None]
    schedule = nn.WarmupCosine(0.01, epochs * (POINTS // BATCH), 20)
    nn.Trainer(model, nn.mse, nn.Adam(), schedule, nn.TrainerSettings(BATCH, seed)).fit(
        nn.Data(x, np.sin(x)), epochs
    )
    between = np.linspace(-np.pi, np.pi, 10 * POINTS + 1, dtype=np.float32)[:, None]
    y, _ = model.forward(between)
    return Result(between[:, 0], y[:, 0], float(np.abs(y - np.sin(between)).max()))


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    result = run(options.seed)
    print(f"largest error of sin(x) between -pi and pi: {result.largest_error:.4f}")
    save_plot(options.plot, lambda axes: _draw(axes, result))


def _draw(axes: Any, result: Result) -> None:
    axes.plot(result.x, np.sin(result.x), label="sin(x)")
    axes.plot(result.x, result.y, "--", label="1-16-16-1")
    axes.legend()


if __name__ == "__main__":
    run_as_command(main)
