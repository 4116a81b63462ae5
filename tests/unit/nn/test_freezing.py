"""What a step does not compute: parts that are frozen, and gradients that nothing needs. Parts that
learn at a rate of their own, and weights that another network learned.
"""

import numpy as np
import pytest

from engine import nn
from engine.nn.training.parameter_groups import applied, frozen_parts
from tests.unit.nn.small_trainings import CLASSES, X, changed, in_shards, tensors, trainer

DATA = nn.Data(X, CLASSES)


def network(seed=0):
    rng = np.random.default_rng(seed)
    trunk = nn.Sequential(
        one=nn.Dense(3, 16, rng),
        norm=nn.BatchNorm(16),
        act=nn.Activation("tanh"),
        drop=nn.Dropout(0.5, rng),
    )
    return nn.MultiHead(trunk, {"head": nn.Sequential(nn.LayerNorm(16), nn.Dense(16, 2, rng))})


def head_loss(outputs, classes):
    loss, gradient = nn.softmax_cross_entropy(outputs["head"], classes)
    return loss, {"head": gradient}


def trained(model, rates, **settings):
    run = trainer(model, head_loss, nn.AdamW(), 0.01, rates=rates, **settings)
    run.fit(DATA, 2)
    return run


@in_shards
@pytest.mark.parametrize(("frozen", "learns"), [("trunk.", "head."), ("head.", "trunk.")])
def test_a_frozen_part_stays_and_passes_its_gradient_on_in_training(frozen, learns, settings):
    model = network()
    before = tensors(model)
    trained(model, {frozen: 0}, **settings)
    assert changed(model, before) == {name for name in before if name.startswith(learns)}
    y, backward = model.forward(X, training=True)
    dx, grads = backward({"head": np.ones_like(y["head"])})
    assert dx.shape == X.shape
    assert grads.keys() == model.named_parameters().keys()


def test_statistics_of_a_frozen_norm_stay_however_it_is_called():
    """Called without `forward_part`, they moved."""
    model = network()
    before = tensors(model)
    with applied(frozen_parts(model, {"trunk.": 0})):
        model.trunk.layers["norm"].forward(np.ones((4, 16), np.float32), training=True)
    assert not changed(model, before)


def test_the_backward_of_a_frozen_trunk_is_never_called():
    class Forward(nn.Dense):
        def forward(self, x, training=False):
            def backward(dy):
                raise AssertionError("nothing needs this gradient")

            return super().forward(x, training)[0], backward

    model = network()
    model.trunk.layers["one"] = Forward(3, 16, np.random.default_rng(0))
    trained(model, {"trunk.": 0})
    with pytest.raises(AssertionError):
        trained(model, {"head.": 0})


@pytest.mark.parametrize("kind", [nn.Dense, nn.LSTM])
@pytest.mark.parametrize("shard_size", [6, 3])
def test_the_first_layer_computes_no_gradient_of_the_input_in_training(kind, shard_size):
    """Whether in one shard or in several; behind the step all is as before."""
    first = kind(16, 4, np.random.default_rng(0))
    model = nn.Sequential(nn.Reshape([2, 16]), nn.Sequential(first), nn.Flatten())
    x = np.random.default_rng(1).standard_normal((6, 32)).astype(np.float32)
    ones = np.ones((6, 8), np.float32)
    dx, grads = model.forward(x, training=True)[1](ones)
    before = tensors(model)
    seen = []

    def loss(outputs, targets):
        seen.append(first.input_gradient)
        return 0.0, np.ones_like(outputs) / len(outputs)

    trainer(model, loss, rate=1.0, shard_size=shard_size).step(nn.Data(x, ones))
    assert not any(seen)
    for name, array in model.named_parameters().items():
        assert np.allclose(before[name] - array, grads[name] / 6, atol=1e-5)
    model.load_parameters(before)
    assert np.array_equal(model.forward(x)[1](ones)[0], dx)


def test_a_rate_factor_multiplies_the_rate_of_its_parameters():
    half, whole = network(), network()
    trainer(half, head_loss, rate=0.02, rates={"": 0.5, "head.": 0.25}).step(DATA)
    trainer(whole, head_loss, rate=0.01, rates={"head.": 0.5}).step(DATA)
    for name, array in half.named_parameters().items():
        assert np.allclose(array, whole.named_parameters()[name], atol=1e-7), name


def test_a_partial_load_tells_what_it_left():
    model = network()
    learned = network(1).named_parameters() | {"head.dense1.weight": np.zeros((5, 16)), "own": X}
    report = model.load_parameters(learned, partial=True)
    assert report.unused == ["head.dense1.weight", "own"]
    statistics = ["trunk.norm.running_mean", "trunk.norm.running_variance"]
    assert report.kept == ["head.dense1.weight", *statistics]
    weight = model.named_parameters()["trunk.one.weight"]
    assert np.array_equal(weight, learned["trunk.one.weight"])
