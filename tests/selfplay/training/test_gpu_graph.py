"""A step that was recorded as CUDA graphs computes what plain code computes, which is there where
they fail.
"""

import pytest

from engine.errors import DeviceError
from engine.nn.training import recorder
from selfplay.training.losses import LossWeights
from tests.selfplay.training.test_gpu_training import (
    assert_near,
    learner_on,
    plain_processor,
    short_trial,
)
from tests.strict_cupy import CUDARuntimeError, OutOfMemoryError

__all__ = ["plain_processor", "short_trial"]
FAILURES = [
    *((kind, after) for kind in ("capture", "graph", "replay") for after in (0, 5)),
    ("pool", 0),
    ("pool", 99),
]


def learners(positions, net="8x1"):
    """One that may record, and one that may not; their rates change."""
    made = learner_on("cupy", positions, net), learner_on("cupy", positions, net)
    for learner in made:
        learner._trainer.schedule = lambda step: 1e-4 * (1 + step % 3)
    made[1]._trainer._device.recorder.is_refused = True
    return made


@pytest.mark.parametrize("net", ["8x1", "transformer-16x2x2"])
def test_recorded_steps_are_plain_ones_whatever_the_rate_and_a_batch_of_another_size(
    net, positions, device
):
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


def test_a_recorded_step_is_its_products_and_a_launch_between_them(positions, device):
    learner = learner_on("cupy", positions, "64x6", shard_size=4)
    for _ in range(recorder.TRIAL_STEPS):
        learner.step()
    device.counts.clear()
    learner.step()
    assert device.total("replay") == device.total("product") + 1
    assert device.total("wait") == 1
    assert device.total("launch") <= 60, device.by_place("launch")
    learner.close()


@pytest.mark.parametrize(("kind", "after"), FAILURES)
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


@pytest.mark.parametrize("calls", [0, 1])  # of the plain code: itself, and while it is recorded
def test_an_interruption_of_the_trial_loses_nothing(calls, positions, device, monkeypatch):
    learner, plain = learners(positions)
    gradients = learner._source.gradients
    calls_left = iter(range(calls))

    def interrupted(*given):
        result = gradients(*given)
        if next(calls_left, None) is None:
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
