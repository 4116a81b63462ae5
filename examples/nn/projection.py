"""A 4x4 matrix learned with and without momentum: the acceleration is how many times fewer steps to
the same error.

The target is the projection onto a plane, y = P x. The inputs are three times longer along each
axis than along the one before, so the bowl of the error is narrow one way and flat another: steps
small enough for the narrow way hardly move along the flat one, while a velocity collects there
(Polyak 1964; Goh 2017, doi 10.23915/distill.00006).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine import nn
from examples.nn.common import command_line, run_as_command, save_curves

TARGET_ERROR = 1e-5
STRETCH = np.array([1 / 9, 1 / 3, 1.0, 3.0])  # of the inputs along the four axes
RATE = 0.15
MOMENTUM = 0.9


class Result(NamedTuple):
    """Errors step by step, down to the target error."""

    plain: list[float]
    momentum: list[float]

    @property
    def acceleration(self) -> float:
        return len(self.plain) / len(self.momentum)


def run(seed: int = 0, most_steps: int = 50_000) -> Result:
    """Learn the same matrix from the same start, twice."""
    return Result(_descend(seed, 0.0, most_steps), _descend(seed, MOMENTUM, most_steps))


def _descend(seed: int, momentum: float, most_steps: int) -> list[float]:
    rng = np.random.default_rng(seed)
    plane, _ = np.linalg.qr(rng.standard_normal((4, 2)))
    x = (rng.standard_normal((64, 4)) * STRETCH).astype(np.float32)
    target = (x @ plane @ plane.T).astype(np.float32)
    settings = nn.TrainerSettings(batch_size=len(x))  # all points at once
    trainer = nn.Trainer(
        nn.Dense(4, 4, rng, initialization="glorot"),
        nn.mse,
        nn.SGD(momentum=momentum),
        RATE,
        settings,
    )
    errors: list[float] = []
    while len(errors) < most_steps and (not errors or errors[-1] > TARGET_ERROR):
        errors.append(trainer.step(nn.Data(x, target))["loss"])
    return errors


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    result = run(options.seed)
    print(f"steps to an error of {TARGET_ERROR:g}, rate {RATE}")
    print(f"plain descent   {len(result.plain):6}   (error {result.plain[-1]:.1e})")
    print(f"momentum {MOMENTUM}    {len(result.momentum):6}   (error {result.momentum[-1]:.1e})")
    print(f"acceleration    {result.acceleration:6.1f}")
    errors = {"plain": result.plain, f"momentum {MOMENTUM}": result.momentum}
    save_curves(options.plot, errors, "steps", "mean squared error", "loglog")


if __name__ == "__main__":
    run_as_command(main)
