"""Steps of learners, and whether two of them come to the same."""

import numpy as np

from selfplay.training.learner import Learner


def parameters_after(learner: Learner, steps: int) -> dict[str, np.ndarray]:
    for _ in range(steps):
        learner.step(1e-3)
    return {name: array.copy() for name, array in learner.state()[0].items()}


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert np.array_equal(value, b[name]), name
