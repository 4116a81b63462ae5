"""A step that was recorded as a CUDA graph computes what plain code computes, which is there where it fails."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.backend import to_numpy
from engine.errors import DeviceError
from engine.nn.training import recorder
from engine.nn.training.parallel import GROWTH_STEPS
from selfplay.records.positions import PositionSet
from selfplay.training.learner import Learner
from selfplay.training.losses import LossWeights
from tests.selfplay.training.test_gpu_training import arrays_of, assert_near, learner_on, plain_processor
from tests.strict_cupy import CUDARuntimeError, Device, OutOfMemoryError

__all__ = ["plain_processor"]


@pytest.fixture(autouse=True)
def short_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "TRIAL_STEPS", 2)


def learners(positions: PositionSet, *settings: Any, **changes: Any) -> list[Learner]:
    """One that may record, and one that may not; their rates change."""
    made = [learner_on("cupy", positions, *settings, **changes) for _ in range(2)]
    for learner in made:
        learner._trainer.schedule = lambda step: 1e-4 * (1 + step % 3)
    made[1]._trainer._recorder.is_refused = True
    return made


@pytest.mark.parametrize(
    ("net", "shard_size", "precision", "tolerance"),
    [("8x1", 8, "single", 1e-5), ("8x1", 6, "mixed", 1e-3), ("transformer-16x2x2", 16, "single", 1e-5)],
)
def test_recorded_steps_end_with_the_weights_of_plain_ones(
    net: str, shard_size: int, precision: str, tolerance: float, positions: PositionSet, device: Device
) -> None:
    recorded, plain = learners(positions, net, shard_size=shard_size, precision=precision)
    for step in range(8):
        for learner in (recorded, plain):
            if precision == "mixed" and step == 4:  # the loss scale grows in the next step, and overflows later
                learner._source.loss_scale.good_steps = GROWTH_STEPS - 1
            learner.step() if step != 5 else learner._trainer.step(smaller(learner))
        if step == 5:
            arrays, values = recorded.state()
            recorded.close()
            recorded = learners(positions, net, shard_size=shard_size, precision=precision)[0]
            recorded.restore({name: to_numpy(array) for name, array in arrays.items()}, values)
    assert device.total("replay") >= 5
    assert not recorded._trainer._recorder.is_refused
    assert recorded.state()[1] == plain.state()[1]
    assert_near(recorded.model, plain.model, tolerance)
    assert_near(recorded.averaged_model(), plain.averaged_model(), tolerance)


def smaller(learner: Learner) -> Any:
    """A batch of another shape."""
    return type(batch := learner._batch(99))(*(array[:10] for array in batch))


def test_a_recorded_step_is_its_products_and_a_launch_between_them(positions: PositionSet, device: Device) -> None:
    learner = learner_on("cupy", positions, "64x6", shard_size=4)
    for _ in range(recorder.TRIAL_STEPS):
        learner.step()
    device.counts.clear()
    learner.step()
    assert device.total("replay") == device.total("product") + 1
    assert device.total("wait") == 1
    assert device.total("launch") <= 60, device.by_place("launch")
    learner.close()


def test_an_overflow_moves_nothing_in_a_recorded_step(positions: PositionSet, device: Device) -> None:
    learner, _ = learners(positions, "8x1", precision="mixed")
    for _ in range(3):
        learner.step()
    scale, before = learner._source.loss_scale, arrays_of(learner.model)
    scale.factor = 2.0**20
    learner.step()
    assert (scale.factor, learner._trainer.optimizer.steps) == (2.0**19, 3)
    for name, array in learner.model.named_parameters().items():
        np.testing.assert_array_equal(to_numpy(array), before[name], err_msg=name)
    while scale.good_steps < 4:
        learner.step()
    assert not learner._trainer._recorder.is_refused


FAILURES = [*((kind, after) for kind in ("capture", "graph", "replay") for after in (0, 5)), ("pool", 0), ("pool", 99)]


@pytest.mark.parametrize(("kind", "after"), FAILURES)
def test_what_a_device_refuses_in_the_trial_leaves_plain_steps(kind, after, positions, device, caplog):
    learner, plain = learners(positions, "8x1")
    device.fail(kind, (OutOfMemoryError if kind == "pool" else CUDARuntimeError)("refused"), after)
    for _ in range(4):
        learner.step()
        plain.step()
    (line,) = caplog.messages
    assert line.startswith("training goes on without CUDA graphs: ")
    assert line.endswith("refused")
    assert_near(learner.model, plain.model, 0.0)
    learner.close()


def test_a_launch_that_fails_after_the_trial_is_a_lost_device(positions: PositionSet, device: Device) -> None:
    learner, _ = learners(positions, "8x1")
    for _ in range(3):
        learner.step()
    device.fail("replay", CUDARuntimeError("cudaErrorLaunchFailure"))
    with pytest.raises(DeviceError, match="cudaErrorLaunchFailure"):
        learner.step()
    learner.close()


def test_a_recording_that_computes_something_else_is_not_used(positions, device, caplog):
    learner, plain = learners(positions, "8x1")
    for step in range(4):
        for one in (learner, plain):
            one._source._weights = LossWeights(value=1.0 + step)  # which a recording keeps as it was
            one.step()
    assert "differs by" in caplog.text
    assert_near(learner.model, plain.model, 0.0)


def test_an_interruption_at_any_moment_of_the_trial_loses_nothing(positions, device, monkeypatch):
    plain = learners(positions, "8x1")[1]
    plain.step()
    for calls in range(2):  # of the plain code: itself, and while it is recorded
        learner, _ = learners(positions, "8x1")
        monkeypatch.setattr(learner._source, "gradients", interrupted(learner._source.gradients, calls))
        with pytest.raises(KeyboardInterrupt):
            learner.step()
        monkeypatch.undo()
        monkeypatch.setattr(recorder, "TRIAL_STEPS", 2)
        learner.step()
        assert_near(learner.model, plain.model, 0.0)
        learner.step()
        assert not learner._trainer._recorder.is_refused


def interrupted(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """The function, whose last call ends by Ctrl-C."""
    calls = iter(range(after))

    def call(*given: Any) -> Any:
        result = function(*given)
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return result

    return call
