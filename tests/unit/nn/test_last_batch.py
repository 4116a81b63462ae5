"""The last batch, shard and step are as good as all others, whatever number of examples is left for them."""

from typing import Any

import numpy as np
import pytest

from engine import nn
from engine.nn.training.data import parts_of

RNG = np.random.default_rng(5)


def regression(count: int) -> nn.Data:
    x = np.random.default_rng(5).standard_normal((count, 4)).astype(np.float32) * 3 + 2
    return nn.Data(x, x[:, :1] - x[:, 1:2])


def inference_and_training_loss(count: int, **settings: Any) -> tuple[float, float]:
    rng = np.random.default_rng(1)
    model = nn.Sequential(nn.Dense(4, 16, rng), nn.BatchNorm(16, relu=True), nn.Dense(16, 1, rng))
    data = regression(count)
    run = nn.Trainer(model, nn.mse, nn.Adam(), 0.02, nn.TrainerSettings(**{"batch_size": 64, **settings}))
    run.fit(data, 80)
    y, _ = model.replica().forward(data.inputs, training=True)
    return run.evaluate(data)["loss"], nn.mse(y, data.targets)[0]


@pytest.mark.parametrize(
    ("count", "settings"),
    [(64, {}), (65, {}), (65, {"shard_size": 21}), (129, {"shard_size": 21})],
    ids=str,
)
def test_running_statistics_fit_whatever_is_left_for_the_last_batch(count: int, settings: dict[str, int]) -> None:
    """65 examples in batches of 64 had an inference loss of 2.64, 64 examples one of 0.014: the 65th was a batch."""
    inference, training = inference_and_training_loss(count, **settings)
    assert training < 0.5
    assert inference < training + 0.3


@pytest.mark.parametrize("size", [1, 2, 3, 8, 64])
def test_parts_cover_everything_once_and_are_never_tiny(size: int) -> None:
    for count in range(1, 200):
        parts = parts_of(count, size)
        assert [number for part in parts for number in range(part.start, part.stop)] == list(range(count))
        sizes = [part.stop - part.start for part in parts]
        assert all(one == size for one in sizes[:-2])
        assert min(sizes) >= min(size / 2, count)
        assert max(sizes) <= max(size, 3 if size == 2 else 0)
        if size > 1 and count > 1:
            assert min(sizes) > 1
    assert parts_of(0, size) == []


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)], ids=str)
def test_a_single_value_a_channel_is_normalised_by_the_running_statistics(shape: tuple[int, ...]) -> None:
    """Its variance of 0 went into the running one, and it came out as beta whatever it was."""
    norm = nn.BatchNorm(3)
    norm.buffers["running_mean"][:] = 1
    x = np.full(shape, 3.0, np.float32)
    y, backward = norm.forward(x, training=True)
    dx, _ = backward(np.ones_like(x))
    assert np.allclose(y, 2, atol=1e-4)
    assert np.allclose(dx, 1, atol=1e-4)
    assert norm.buffers["running_mean"].tolist() == [1, 1, 1]
    assert norm.buffers["running_variance"].tolist() == [1, 1, 1]
    if x.size:
        assert nn.gradient_check(norm, x).error < 1e-6


def test_two_values_a_channel_are_a_batch() -> None:
    norm = nn.BatchNorm(1, momentum=1.0)
    norm.forward(np.array([[[[1.0, 3.0]]]], np.float32), training=True)
    assert norm.buffers["running_mean"].tolist() == [2]
    assert norm.buffers["running_variance"].tolist() == [1]


def test_training_one_example_at_a_time_works_with_batch_norm() -> None:
    assert inference_and_training_loss(20, batch_size=1)[0] < 0.5


def test_statistics_are_refreshed_by_examples_not_by_batches() -> None:
    """A small last batch counted as much as all others."""
    batches = [RNG.standard_normal((count, 3)).astype(np.float32) * 4 + count for count in (50, 20, 2)]
    norm, sizes = nn.BatchNorm(3), [len(batch) for batch in batches]
    nn.refresh_statistics(nn.Sequential(norm), batches)
    for name, measure in (("running_mean", np.mean), ("running_variance", np.var)):
        expected = np.average([measure(batch, axis=0) for batch in batches], axis=0, weights=sizes)
        assert np.allclose(norm.buffers[name], expected, rtol=1e-4)
    assert norm.momentum == 0.1


def test_a_mean_over_the_last_part_counts_its_examples() -> None:
    data = regression(70)
    run = nn.Trainer(nn.Dense(4, 1, RNG), nn.mse, nn.SGD(), 0.0, nn.TrainerSettings(batch_size=64, shard_size=9))
    whole = nn.mse(run.model(data.inputs), data.targets)[0]
    assert run.fit(data, 1)["loss"] == [pytest.approx(whole, rel=1e-5)]
    assert run.evaluate(data)["loss"] == pytest.approx(whole, rel=1e-5)


def test_an_average_of_every_epoch_is_the_mean_of_their_last_weights() -> None:
    seen: list[np.ndarray] = []
    average = nn.StochasticAverage(every=3)
    model = nn.Dense(4, 1, np.random.default_rng(0))
    run = nn.Trainer(model, nn.mse, nn.SGD(), 0.01, nn.TrainerSettings(batch_size=8), average=average)
    run.fit(regression(20), 4, callbacks=[lambda record: seen.append(model.params["weight"].copy())])
    assert np.allclose(run.averaged_model().params["weight"], np.mean(seen, axis=0), atol=1e-6)
