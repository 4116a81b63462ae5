"""A trainer of a small model, for tests that ask one thing of it."""

import numpy as np
import pytest

from engine import nn

RNG = np.random.default_rng(3)
X = RNG.standard_normal((64, 3)).astype(np.float32)
Y = RNG.standard_normal((64, 2)).astype(np.float32)
CLASSES = (X[:, 0] * X[:, 1] > 0).astype(np.int64)
DATA = nn.Data(X, Y)
SHARDS = {"whole": {}, "shards": {"shard_size": 8}, "threads": {"shard_size": 8, "threads": 2}}
in_shards = pytest.mark.parametrize("settings", SHARDS.values(), ids=SHARDS)


def rng():
    return np.random.default_rng(3)


def dense(inputs=3, outputs=2):
    return nn.Dense(inputs, outputs, np.random.default_rng(0))


def small_net():
    """A classifier with running statistics, and with masks of dropout."""
    draws = np.random.default_rng(1)
    layers = nn.Dense(3, 8, draws), nn.BatchNorm(8, relu=True), nn.Dropout(0.2, draws)
    return nn.Sequential(*layers, nn.Dense(8, 2, draws))


def tensors(model):
    """Copies of all arrays of a model by name, or of a dictionary."""
    arrays = model
    if isinstance(model, nn.Layer):
        arrays = model.named_parameters() | model.named_buffers()
    return {name: array.copy() for name, array in arrays.items()}


def changed(model, before):
    """The names of the arrays in which two models, or dictionaries of arrays, differ."""
    now, before = tensors(model), tensors(before)
    assert now.keys() == before.keys()
    return {name for name in now if not np.array_equal(now[name], before[name])}


def assert_same_run(run, expected):
    """Two trainers hold the same arrays, numbers of steps and history."""
    (arrays, values), (expected_arrays, expected_values) = run.state(), expected.state()
    assert not changed(arrays, expected_arrays)
    assert (values, run.history) == (expected_values, expected.history)


def whole_and_resumed(make, data, stop, epochs, path, **options):
    """Trainers of a run in one piece, and of one that went on from a checkpoint after some epochs."""
    whole, first, second = make(), make(), make()
    whole.fit(data, epochs, **options)
    first.fit(data, stop, checkpoint=path, **options)
    second.resume(path)
    second.fit(data, epochs, **options)
    return whole, second


def trainer(model=None, loss=nn.mse, optimizer=None, rate=0.05, **further):
    """A trainer of a dense layer by plain descent, unless other parts are given. What is no
    argument of a trainer is a setting.
    """
    parts = {name: further.pop(name) for name in ("metrics", "average", "rates") if name in further}
    settings = nn.TrainerSettings(**further)
    return nn.Trainer(model or dense(), loss, optimizer or nn.SGD(), rate, settings, **parts)
