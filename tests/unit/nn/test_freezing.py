"""Parts that are frozen, or learn at a rate of their own, and weights that another network learned."""

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError

X = np.random.default_rng(1).standard_normal((64, 8)).astype(np.float32)
CLASSES = np.random.default_rng(2).integers(0, 3, 64)


def network(seed=0):
    rng = np.random.default_rng(seed)
    trunk = nn.Sequential(
        one=nn.Dense(8, 16, rng),
        norm=nn.BatchNorm(16),
        act=nn.Activation("tanh"),
        drop=nn.Dropout(0.5, rng),
    )
    return nn.MultiHead(trunk, {"head": nn.Sequential(nn.LayerNorm(16), nn.Dense(16, 3, rng))})


def head_loss(outputs, classes):
    loss, gradient = nn.softmax_cross_entropy(outputs["head"], classes)
    return loss, {"head": gradient}


def trained(model, rates, **settings):
    form = nn.TrainerSettings(batch_size=32, **settings)
    trainer = nn.Trainer(model, head_loss, nn.AdamW(), 0.01, form, rates=rates)
    trainer.fit(nn.Data(X, CLASSES), 2)
    return trainer


def tensors(model):
    found = model.named_parameters() | model.named_buffers()
    return {name: array.copy() for name, array in found.items()}


def changed(model, before):
    return {name for name, array in tensors(model).items() if (array != before[name]).any()}


@pytest.mark.parametrize("settings", [{}, {"shard_size": 8, "threads": 2}], ids=["whole", "shards"])
def test_only_the_head_changes_above_a_frozen_trunk(settings):
    model = network()
    before = tensors(model)
    trained(model, {"trunk.": 0}, **settings)
    head = {name for name in before if name.startswith("head.")}
    assert changed(model, before) == head


def test_the_backward_of_a_frozen_trunk_is_never_called(monkeypatch):
    class Forward(nn.Dense):
        def forward(self, x, training=False):
            def backward(dy):
                raise AssertionError("nothing needs this gradient")

            return super().forward(x, training)[0], backward

    model = network()
    model.trunk.layers["one"] = Forward(8, 16, np.random.default_rng(0))
    trained(model, {"trunk.": 0})
    with pytest.raises(AssertionError):
        trained(model, {"head.": 0})


def test_a_frozen_head_passes_its_gradient_to_the_trunk():
    model = network()
    before = tensors(model)
    trained(model, {"head.": 0})
    assert changed(model, before) == {name for name in before if name.startswith("trunk.")}


def test_a_model_is_as_before_outside_the_training_step():
    model = network()
    trained(model, {"trunk.": 0})
    y, backward = model.forward(X, training=True)
    dx, grads = backward({"head": np.ones_like(y["head"])})
    assert dx.shape == X.shape
    assert grads.keys() == model.named_parameters().keys()


def test_a_rate_factor_multiplies_the_rate_of_its_parameters():
    half, whole = network(), network()
    for model, rates, rate in (
        (half, {"": 0.5, "head.": 0.25}, 0.02),
        (whole, {"head.": 0.5}, 0.01),
    ):
        nn.Trainer(model, head_loss, nn.SGD(), rate, rates=rates).step(nn.Data(X, CLASSES))
    for name, array in half.named_parameters().items():
        assert np.allclose(array, whole.named_parameters()[name], atol=1e-7), name


@pytest.mark.parametrize(
    ("rates", "text"),
    [
        ({"trnk.": 0}, "no parameter begins with 'trnk.'"),
        ({"trunk.": -1}, "needs a factor >= 0"),
        ({"trunk.": float("nan")}, "needs a factor >= 0"),
        ({"": 0}, "nothing would learn"),
        ([0.1], "factors by the beginnings of names"),
    ],
)
def test_rates_that_change_nothing_or_everything_are_refused(rates, text):
    with pytest.raises(ConfigError, match=text):
        nn.Trainer(network(), head_loss, nn.Adam(), 0.01, rates=rates)


def test_a_checkpoint_with_other_rates_is_another_run(tmp_path):
    trained(network(), {"trunk.": 0}).save(tmp_path / "run.npz")
    other = trained(network(), {"head.": 0})
    with pytest.raises(ConfigError, match="settings: rates"):
        other.resume(tmp_path / "run.npz")


def test_a_switch_of_another_library_is_refused_with_the_form_here():
    """`layer.trainable = False` set an attribute that nothing read."""
    for name in ("trainable", "requires_grad"):
        with pytest.raises(ConfigError, match=r'rates=\{"NAME.": 0\}'):
            setattr(network().trunk, name, False)


def test_a_partial_load_tells_what_it_left():
    model, old = network(), network(1)
    given = old.named_parameters() | {"head.dense1.weight": np.zeros((5, 16)), "other": X}
    loaded = model.load_parameters(given, partial=True)
    assert loaded.unused == ["head.dense1.weight", "other"]
    assert loaded.kept == [
        "head.dense1.weight",
        "trunk.norm.running_mean",
        "trunk.norm.running_variance",
    ]
    assert np.array_equal(model.named_parameters()["trunk.one.weight"], given["trunk.one.weight"])
    with pytest.raises(ConfigError, match="no tensor fits"):
        model.load_parameters({"other": X}, partial=True)


class Direct(nn.Layer):
    """Calls its part's `forward` itself."""

    def __init__(self):
        self.norm = nn.BatchNorm(8)
        self.head = nn.Dense(8, 3, np.random.default_rng(0))

    def forward(self, x, training=False):
        h, norm_backward = self.norm.forward(x, training)
        y, head_backward = self.head.forward(h, training)

        def backward(dy):
            dh, head_grads = head_backward(dy)
            dx, norm_grads = norm_backward(dh)
            grads = {"norm": norm_grads, "head": head_grads}
            return dx, {f"{part}.{n}": g for part, own in grads.items() for n, g in own.items()}

        return y, backward


def test_statistics_of_a_frozen_norm_stay_however_it_is_called():
    """Called without `forward_part`, they moved."""
    model = Direct()
    before = tensors(model)
    trainer = nn.Trainer(model, nn.softmax_cross_entropy, nn.SGD(), 0.1, rates={"norm.": 0})
    trainer.fit(nn.Data(X, CLASSES), 1)
    assert changed(model, before) == {"head.weight", "head.bias"}
