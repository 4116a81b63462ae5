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


def dense(inputs=3, outputs=2):
    return nn.Dense(inputs, outputs, np.random.default_rng(0))


def small_net():
    """A classifier with running statistics, and with masks of dropout."""
    rng = np.random.default_rng(1)
    layers = nn.Dense(3, 8, rng), nn.BatchNorm(8, relu=True), nn.Dropout(0.2, rng)
    return nn.Sequential(*layers, nn.Dense(8, 2, rng))


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


def assert_same_run(run, other):
    """Two trainers hold the same arrays, numbers of steps and history."""
    (arrays, values), (others, other_values) = run.state(), other.state()
    assert not changed(arrays, others)
    assert (values, run.history) == (other_values, other.history)


def trainer(model=None, loss=nn.mse, optimizer=None, rate=0.05, **further):
    """A trainer of a dense layer by plain descent, unless other parts are given. What is no
    argument of a trainer is a setting.
    """
    parts = {name: further.pop(name) for name in ("metrics", "average", "rates") if name in further}
    settings = nn.TrainerSettings(**further)
    return nn.Trainer(model or dense(), loss, optimizer or nn.SGD(), rate, settings, **parts)
