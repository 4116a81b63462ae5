"""Towers train on a device as on the processor, with few kernels and waits."""

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from engine.backend import get_backend, to_numpy
from engine.cli.command_line import FAILED
from engine.errors import DeviceError, TrainingError
from engine.nn import dit, operations
from engine.nn.training import recorder
from engine.nn.training.checkpoint import read_checkpoint, write_checkpoint
from engine.nn.training.device_step import FIRST_FACTOR, GROWTH_STEPS
from selfplay.families.by_name import family_of
from selfplay.training.learner import Learner
from selfplay.training.losses import LossWeights
from selfplay.training.recipe import LearnerSettings
from tests.selfplay.training.learners import learner_of
from tests.strict_cupy import CUDARuntimeError, OutOfMemoryError

SETTINGS = LearnerSettings(batch_size=16, weight_decay=0.01, shard_size=16, threads=1)


@pytest.fixture(autouse=True)
def plain_processor(monkeypatch):
    """Native kernels round otherwise, which decides where a ReLU of a small network opens."""
    monkeypatch.setattr(operations, "_NATIVE", operations.Operations(np))


@pytest.fixture(autouse=True)
def short_trial(monkeypatch):
    monkeypatch.setattr(recorder, "TRIAL_STEPS", 2)


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


def assert_near(model, other, tolerance=1e-5):
    found = arrays_of(model)
    for name, expected in arrays_of(other).items():
        near = 10 * tolerance if "running" in name else tolerance
        np.testing.assert_allclose(found[name], expected, rtol=near, atol=near, err_msg=name)


@pytest.mark.parametrize(
    ("net", "size", "precision", "near"),
    [
        ("16x1", 8, "single", 1e-5),
        ("16x1", 16, "mixed", 1e-3),
        ("transformer-16x1x2", 16, "single", 1e-4),
    ],
)
def test_eight_steps_on_a_device_end_with_the_processors_weights(
    net, size, precision, near, positions, device
):
    there, here = (
        learner_on(name, positions, net, shard_size=size, precision=precision)
        for name in ("cupy", "numpy")
    )
    for _ in range(8):
        found = there.step()
        expected = here.step()
        assert found.value == pytest.approx(expected.value, rel=10 * near)
    assert_near(there.model, here.model, near)
    assert_near(there.averaged_model(), here.averaged_model(), near)


@pytest.mark.parametrize(
    ("net", "shard_size", "precision", "most"),
    [
        ("64x6", 4, "single", 625),
        ("transformer-16x2x2", 16, "single", 440),
        ("16x1", 16, "mixed", 305),
    ],
)
def test_a_plain_step_takes_two_waits_at_most(net, shard_size, precision, most, positions, device):
    learner = learner_on("cupy", positions, net, shard_size=shard_size, precision=precision)
    learner._trainer._device.recorder.is_refused = True
    for _ in range(2):
        learner.step()
    device.counts.clear()
    learner.step()
    kernels = device.total("launch") + device.total("product")
    assert device.total("wait") <= 2, device.by_place("wait")
    assert kernels <= most, device.by_place("launch").most_common(20)
    learner.close()


def test_mixed_precision_resumes_to_the_bit(positions, device):
    whole, other = (learner_on("cupy", positions, precision="mixed") for _ in range(2))
    # so that it grows behind the checkpoint
    whole._trainer._source.loss_scale.good_steps = GROWTH_STEPS - 3
    for _ in range(2):
        whole.step()
    arrays, values = whole.state()
    other.restore(
        {name: to_numpy(array).copy() for name, array in arrays.items()},
        json.loads(json.dumps(values)),
    )
    for learner in (whole, whole, other, other):
        learner.step()
    assert_near(other.model, whole.model, 0.0)
    assert other.state()[1] == whole.state()[1]
    assert whole.state()[1]["loss_scale"] == {"factor": 2 * FIRST_FACTOR, "good_steps": 1}


def test_a_step_whose_gradients_overflow_is_skipped(positions, device):
    learner = learner_on("cupy", positions, precision="mixed")
    learner.step()
    scale = learner._trainer._source.loss_scale
    before = arrays_of(learner.model)
    scale.factor = 2.0**20  # more than half precision can hold
    assert np.isfinite(learner.step().policy)
    assert (scale.factor, scale.good_steps, learner.steps_done) == (2.0**19, 0, 2)
    assert learner.state()[1]["optimizer_steps"] == 1
    for name, array in learner.model.named_parameters().items():
        np.testing.assert_array_equal(to_numpy(array), before[name], err_msg=name)


def test_a_loss_that_is_no_number_is_an_error_with_mixed_precision(positions, device):
    learner = learner_on("cupy", positions, precision="mixed")
    next(iter(learner.model.named_parameters().values()))[...] = np.nan
    with pytest.raises(TrainingError, match="expected a finite loss"):
        learner.step()


def test_the_processor_computes_mixed_precision_in_single(positions):
    mixed, single = (
        learner_on("numpy", positions, precision=precision) for precision in ("mixed", "single")
    )
    for learner in (mixed, single):
        learner.step()
    assert_near(mixed.model, single.model, 0.0)


@pytest.mark.parametrize("kind", ["launch", "upload", "download"])
def test_a_device_that_fails_at_any_moment_of_a_training_is_one_error(
    kind, positions, device, tmp_path
):
    def train():
        with closing(learner_on("cupy", positions, "8x1")) as learner:
            # what fails in its trial is told by tests of graphs
            learner._trainer._device.recorder.is_refused = True
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
    line = f"pretrain --data {games_file} --heldout-share 0.2 --net 8x1 --batch 16 --positions 96"
    line += f" --run {tmp_path}/run --out {tmp_path}/net.dit"
    step = Learner.step

    def lost_at_third(self):
        if self.steps_done == 3:
            for kind in ("launch", "product", "upload", "download", "wait"):
                device.fail(kind, CUDARuntimeError("cudaErrorLaunchFailure"))
        return step(self)

    def steps_done():
        return read_checkpoint(tmp_path / "run" / "checkpoint.npz")[1]["learner"]["steps_done"]

    monkeypatch.setattr(Learner, "step", lost_at_third)
    assert "cudaErrorLaunchFailure" in aino_train(line, "--backend cupy", status=FAILED)
    assert steps_done() == 3
    monkeypatch.setattr(Learner, "step", step)
    aino_train(line)  # the same run goes on on the processor
    assert steps_done() == 6


# ---- steps that were recorded as CUDA graphs, and plain ones where these fail ----------------------


def learners(positions, net="8x1"):
    """One that may record, and one that may not; their rates change."""
    made = learner_on("cupy", positions, net), learner_on("cupy", positions, net)
    for learner in made:
        learner._trainer.schedule = lambda step: 1e-4 * (1 + step % 3)
    made[1]._trainer._device.recorder.is_refused = True
    return made


@pytest.mark.parametrize("net", ["8x1", "transformer-16x2x2"])
def test_recorded_steps_are_plain_ones_whatever_rate_or_batch(net, positions, device):
    made = learners(positions, net)
    for step in range(6):
        for learner in made:
            batch = learner._batch(step)
            learner._trainer.step(
                batch if step != 3 else type(batch)(*(array[:10] for array in batch))
            )
    assert device.total("replay") >= 5
    assert not made[0]._trainer._device.recorder.is_refused
    assert_near(made[0].model, made[1].model)


def test_a_recorded_step_has_one_launch_between_products(positions, device):
    learner = learner_on("cupy", positions, "64x6", shard_size=4)
    for _ in range(recorder.TRIAL_STEPS):
        learner.step()
    device.counts.clear()
    learner.step()
    assert device.total("replay") == device.total("product") + 1
    assert device.total("wait") == 1
    assert device.total("launch") <= 60, device.by_place("launch")
    learner.close()


@pytest.mark.parametrize(
    ("kind", "after"), [("capture", 5), ("graph", 0), ("replay", 0), ("pool", 0)]
)
def test_what_a_device_refuses_in_the_trial_leaves_plain_steps(
    kind, after, positions, device, caplog
):
    learner, plain = learners(positions)
    device.fail(kind, (OutOfMemoryError if kind == "pool" else CUDARuntimeError)("refused"), after)
    for _ in range(4):
        learner.step()
        plain.step()
    (line,) = caplog.messages
    assert line.startswith("training goes on without CUDA graphs: ")
    assert line.endswith("refused")
    assert_near(learner.model, plain.model, 0.0)
    learner.close()


def test_a_launch_that_fails_after_the_trial_is_a_lost_device(positions, device):
    learner, _ = learners(positions)
    for _ in range(3):
        learner.step()
    device.fail("replay", CUDARuntimeError("cudaErrorLaunchFailure"))
    with pytest.raises(DeviceError, match="cudaErrorLaunchFailure"):
        learner.step()
    learner.close()


def test_a_recording_that_computes_something_else_is_not_used(positions, device, caplog):
    made = learners(positions)
    for step in range(4):
        for one in made:
            # which a recording keeps as it was
            one._source._weights = LossWeights(value=1.0 + step)
            one.step()
    assert "differs by" in caplog.text
    assert_near(made[0].model, made[1].model, 0.0)


def test_an_interruption_of_the_trial_loses_nothing(positions, device):
    learner, plain = learners(positions)
    gradients = learner._source.gradients
    calls = iter("once")  # the plain code itself, and then while it is recorded

    def interrupted(*given):
        result = gradients(*given)
        if next(calls) == "n":
            raise KeyboardInterrupt
        return result

    learner._source.gradients = interrupted
    with pytest.raises(KeyboardInterrupt):
        learner.step()
    learner._source.gradients = gradients
    for one in (learner, plain):
        one.step()
    assert_near(learner.model, plain.model, 0.0)
    assert not learner._trainer._device.recorder.is_refused
