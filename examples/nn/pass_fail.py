"""Who passes the exam? A 2-16-16-2 net with sigmoid against LeakyReLU: same seed, same SGD rate,
same steps.

Two marks between 0 and 10, a pass where their mean is at least 5 and neither is below 3. A
sigmoid's slope is at most 1/4, so on its way back the gradient loses a factor of four or more a
layer: the first layer's gradient norm shows it. The sigmoid net is not lost, though: it stalls,
then learns, as the number of steps to a loss of 0.3 says.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine import nn
from engine.nn.training.gradient_source import StepResult
from engine.nn.training.layer_gradients import LayerGradients
from examples.nn.common import command_line, run_as_command, save_curves

RATE = 0.1
STEPS = 2000
BATCH = 32
STUDENTS = 1000


class TrainingCurve(NamedTuple):
    """Of one activation: loss and norm of the first layer's gradient step by step, and accuracy on
    new students.
    """

    losses: list[float]
    first_layer_norms: list[float]
    accuracy: float
    majority: float  # accuracy of always giving the more frequent answer

    def steps_to(self, loss: float) -> int:
        """Return the first step after which the mean loss of 20 steps is below `loss`; all steps if
        there is none.
        """
        means = np.convolve(self.losses, np.ones(20) / 20, mode="valid")
        below = np.flatnonzero(means < loss)
        return int(below[0]) + 20 if len(below) else len(self.losses)


def run(activation: str, seed: int = 0, steps: int = STEPS) -> TrainingCurve:
    """Train one net."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        dense1=nn.Dense(2, 16, rng),
        active1=nn.Activation(activation),
        dense2=nn.Dense(16, 16, rng),
        active2=nn.Activation(activation),
        dense3=nn.Dense(16, 2, rng),
    )
    marks, passed = _students(rng)
    trainer = nn.Trainer(
        model, _WatchedGradients(model, nn.softmax_cross_entropy, {}, BATCH, 1), nn.SGD(), RATE
    )
    records = []
    for _ in range(steps):
        chosen = rng.integers(0, STUDENTS, BATCH)
        records.append(trainer.step(nn.Data(marks[chosen], passed[chosen])))
    losses, norms = ([record[name] for record in records] for name in ("loss", "first_layer_norm"))
    new_marks, truth = _students(rng)
    answers = model.forward(new_marks)[0].argmax(axis=1)
    return TrainingCurve(
        losses, norms, float((answers == truth).mean()), float(max(truth.mean(), 1 - truth.mean()))
    )


class _WatchedGradients(LayerGradients):
    """Reports the norm of the first layer's gradient beside the loss."""

    def gradients(self, batch: nn.Data, seed: tuple[int, ...]) -> StepResult:
        result = super().gradients(batch, seed)
        result.metrics["first_layer_norm"] = nn.global_norm(
            {"first": result.grads["dense1.weight"]}
        )
        return result


def _students(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (marks scaled to mean 0 and deviation 1, 1 for a pass)."""
    marks = rng.uniform(0, 10, (STUDENTS, 2))
    passed = (marks.mean(axis=1) >= 5) & (marks.min(axis=1) >= 3)
    return ((marks - 5) / np.sqrt(100 / 12)).astype(np.float32), passed.astype(np.int64)


def main(arguments: Sequence[str] | None = None) -> None:
    options = command_line(__doc__).parse_args(arguments)
    curves = {name: run(name, options.seed) for name in ("sigmoid", "leaky_relu")}
    print(f"2-16-16-2, SGD with rate {RATE}, {STEPS} steps of {BATCH}")
    print(
        "activation   loss start  end     first layer's |dW| start  end      steps to 0.3  accuracy  majority"
    )
    for name, curve in curves.items():
        loss = f"{np.mean(curve.losses[:50]):10.3f}  {np.mean(curve.losses[-50:]):5.3f}"
        norm = f"{np.mean(curve.first_layer_norms[:50]):24.4f}  {np.mean(curve.first_layer_norms[-50:]):6.4f}"
        print(
            f"{name:11} {loss} {norm}   {curve.steps_to(0.3):12}  {curve.accuracy:8.1%}  {curve.majority:8.1%}"
        )
    norms = {
        f"{name}, accuracy {curve.accuracy:.1%}": curve.first_layer_norms
        for name, curve in curves.items()
    }
    save_curves(options.plot, norms, "steps", "norm of the first layer's gradient", "semilogy")


if __name__ == "__main__":
    run_as_command(main)
