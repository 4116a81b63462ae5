"""Towers train on a device as on the processor, with few kernels and waits."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from engine.backend import get_backend, to_numpy
from engine.cli.command_line import FAILED
from engine.errors import DeviceError
from engine.nn import dit, operations
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from selfplay.families.by_name import family_of
from selfplay.training.learner import Learner
from selfplay.training.recipe import LearnerSettings
from tests.selfplay.training.learners import learner_of, pretrain_line
from tests.strict_cupy import CUDARuntimeError

SETTINGS = LearnerSettings(batch_size=16, weight_decay=0.01, shard_size=16, threads=1)


@pytest.fixture(autouse=True)
def plain_processor(monkeypatch):
    """Native kernels round otherwise, which decides where a ReLU of a small network opens."""
    monkeypatch.setattr(operations, "_NATIVE", operations.Operations(np))


def learner_on(backend, positions, net="16x1", **changes):
    learner = learner_of(family_of(net), positions, replace(SETTINGS, **changes), 1e-4, backend)
    # Adam divides gradients that are 0 but for rounding, those of planes that never change, by
    # their own size.
    learner._trainer.optimizer.epsilon = 1e-3
    return learner


def arrays_of(model):
    return {
        name: to_numpy(array)
        for name, array in (model.named_parameters() | model.named_buffers()).items()
    }


def assert_near(model, reference, tolerance=1e-5):
    arrays = arrays_of(model)
    for name, expected in arrays_of(reference).items():
        near = 10 * tolerance if "running" in name else tolerance
        np.testing.assert_allclose(arrays[name], expected, rtol=near, atol=near, err_msg=name)


@pytest.mark.parametrize(
    ("net", "size", "near"), [("16x1", 8, 1e-5), ("transformer-16x1x2", 16, 1e-4)]
)
def test_eight_steps_on_a_device_end_with_the_processors_weights(
    net, size, near, positions, device
):
    there, here = (learner_on(name, positions, net, shard_size=size) for name in ("cupy", "numpy"))
    for _ in range(8):
        losses = there.step()
        expected = here.step()
        assert losses.value == pytest.approx(expected.value, rel=10 * near)
    assert_near(there.model, here.model, near)
    assert_near(there.averaged_model(), here.averaged_model(), near)


def test_equal_shards_are_one_pass_on_a_device(positions, device):
    """Its kernels do not become more with the number of shards."""
    kernels = []
    for size in (16, 4):
        with closing(learner_on("cupy", positions, "16x1", shard_size=size)) as learner:
            learner.step()
            device.counts.clear()
            learner.step()
            kernels.append(device.counts["launch"] + device.counts["product"])
            assert device.counts["wait"] <= 2
    assert kernels[1] < 1.2 * kernels[0]


@pytest.mark.parametrize("kind", ["launch", "upload", "download"])
def test_a_device_that_fails_at_any_moment_of_a_training_is_one_error(
    kind, positions, device, tmp_path
):
    def train():
        with closing(learner_on("cupy", positions, "8x1")) as learner:
            learner.step()
            write_checkpoint(tmp_path / "checkpoint.npz", *learner.state())
            learner.restore(*read_checkpoint(tmp_path / "checkpoint.npz"))
            averaged = learner.averaged_model()
            learner.family.heldout(positions, 20).evaluate(averaged)
            dit.save(tmp_path / "net.dit", averaged)

    get_backend("cupy")
    error = CUDARuntimeError("cudaErrorUnknown")
    many = 1 << 20
    device.fail(kind, error, after=many)
    train()
    total = many - device._failures[kind][0]
    for share in (0.1, 0.4, 0.8, 0.92):
        device.fail(kind, error, after=int(share * total))
        with pytest.raises(DeviceError, match=r"a stand-in failed while .*cudaErrorUnknown"):
            train()
        device.heal()


def test_a_device_lost_in_training_costs_no_finished_step(
    aino_train, games_file, tmp_path, device, monkeypatch
):
    monkeypatch.setattr("selfplay.training.learner.REMEMBERING", 1e9)  # at every step
    line = pretrain_line(tmp_path, games_file, 192)
    step = Learner.step

    def lost_at_third(self):
        if self.steps_done == 3:
            for kind in ("launch", "product", "upload", "download", "wait"):
                device.fail(kind, CUDARuntimeError("cudaErrorLaunchFailure"))
        return step(self)

    def steps_done():
        return read_checkpoint(tmp_path / "checkpoint.npz")[1]["learner"]["steps_done"]

    monkeypatch.setattr(Learner, "step", lost_at_third)
    assert "cudaErrorLaunchFailure" in aino_train(line, "--backend cupy", status=FAILED)
    assert steps_done() == 3
    monkeypatch.setattr(Learner, "step", step)
    aino_train(line)  # the same run goes on on the processor
    assert steps_done() == 6
