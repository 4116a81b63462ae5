"""Steps of learners, and whether two of them come to the same."""

from contextlib import closing

import numpy as np

from engine.nn.training.checkpoint import write_checkpoint
from selfplay.training.learner import Learner, load_checkpoint
from selfplay.training.source_files import TrainingData
from tests.selfplay.conftest import assert_same


def learner_of(family, data, settings, rate, backend="numpy"):
    """A learner with the same random network and order of batches each time."""
    batches = family.batches(TrainingData((data,), (1.0,), data), settings, seed=7)
    model = family.build(np.random.default_rng(1))
    return Learner(family, model, batches, settings, rate, backend)


def pretrain_line(folder, games, positions=96):
    """The command of a training whose run is `folder`."""
    flags = f"--heldout-share 0.2 --net 16x1 --batch 32 --positions {positions}"
    return f"pretrain --data {games} {flags} --run {folder} --out {folder}/net.dit"


def parameters_after(learner, steps):
    for _ in range(steps):
        learner.step()
    return {name: array.copy() for name, array in learner.state()[0].items()}


def assert_checkpoint_continues(new, path):
    """A learner that goes on from another's checkpoint comes to what one without an interruption
    comes to.
    """
    with closing(new()) as straight, closing(new()) as killed, closing(new()) as resumed:
        expected = parameters_after(straight, 6)
        parameters_after(killed, 3)
        write_checkpoint(path, *killed.state())
        resumed.restore(*load_checkpoint(path))
        assert_same(parameters_after(resumed, 3), expected)


def assert_threads_change_nothing(new):
    """new: makes a learner with so many threads."""
    results = []
    for threads in (1, 3):
        with closing(new(threads)) as learner:
            results.append(parameters_after(learner, 4))
    assert_same(*results)


def assert_losses(measured, losses):
    ours = [measured[name] for name in ("policy", "value", "moves_left")]
    np.testing.assert_allclose(ours, losses, rtol=1e-4)


def assert_near(gradients, expected):
    """Each gradient is another one but for rounding, by the size of its difference."""
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        difference = gradients[name].reshape(gradient.shape) - gradient
        error = np.linalg.norm(difference) / np.linalg.norm(gradient)
        assert error < 1e-4, f"{name}: relative error {error:.1e}"
