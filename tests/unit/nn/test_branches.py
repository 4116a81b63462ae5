"""Branches that meet again, and what models are made of: slices, `append`, weights of PyTorch."""

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError

RNG = np.random.default_rng(5)
X = RNG.standard_normal((4, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: nn.Add(), ConfigError, "at least one branch"),
        (lambda: nn.Add(nn.Flatten(), "relu"), ConfigError, "a part must be a layer"),
        (
            lambda: nn.Add(nn.Dense(3, 2, RNG), nn.Sequential())(X),
            ShapeError,
            r"'dense1': \[4, 2\], 'sequential1': \[4, 3\]",
        ),
        (lambda: nn.Concatenate(nn.Sequential(), axis=2)(X), ShapeError, "do not fit together"),
        (
            lambda: nn.Concatenate(nn.Sequential(), nn.Dense(3, 2, RNG), axis=0)(X),
            ShapeError,
            "do not fit together",
        ),
    ],
)
def test_branches_that_do_not_fit_are_told(build, error, words):
    with pytest.raises(error, match=words):
        build()


# ---- parts of a Sequential -----------------------------------------------------------------------


def test_layers_are_found_by_number_and_a_slice_is_a_model():
    model = nn.Sequential(nn.Dense(3, 4, RNG), nn.Activation("tanh"), nn.Dense(4, 2, RNG))
    assert model.layers[0] is model["dense1"] is model.layers[-3]
    first = model[:2]
    assert list(first.layers) == ["dense1", "activation1"]
    assert np.array_equal(model.layers[2:](first(X)), model(X))


def test_a_layer_is_appended_under_its_kind_or_a_name():
    model = nn.Sequential(nn.Dense(3, 3, RNG))
    model.append(nn.Dense(3, 3, RNG)).append(nn.Flatten(), "end")
    assert list(model.layers) == ["dense1", "dense2", "end"]
    with pytest.raises(ConfigError, match="already"):
        model.append(nn.Flatten(), "end")


# ---- data, schedules, histories ------------------------------------------------------------------


def test_targets_may_be_a_dict():
    heads = {"a": nn.Dense(2, 1, RNG), "b": nn.Dense(2, 2, RNG)}
    model = nn.MultiHead(nn.Dense(3, 2, RNG), heads)

    def loss(outputs, targets):
        parts = {name: nn.mse(outputs[name], targets[name]) for name in heads}
        return sum(part[0] for part in parts.values()), {n: part[1] for n, part in parts.items()}

    data = nn.Data(X, {"a": X[:, :1], "b": X[:, 1:]})
    trainer = nn.Trainer(model, loss, nn.SGD(), 0.1, nn.TrainerSettings(3, shard_size=2))
    history = trainer.fit(data, 9, validation=data)
    assert history["validation_loss"][-1] < history["validation_loss"][0]


def test_a_rate_falls_by_steps():
    rate = nn.StepDecay(0.5, every=10, factor=0.1)
    assert [rate(step) for step in (0, 9, 10, 20)] == pytest.approx([0.5, 0.5, 0.05, 0.005])
    with pytest.raises(ConfigError, match="every >= 1"):
        nn.StepDecay(0.5, every=0)


def test_a_history_prints_as_a_table():
    records = [{"epoch": 1, "loss": 0.25}, {"epoch": 2, "loss": 0.125, "accuracy": 1.0}]
    lines = str(nn.History(records)).splitlines()
    assert [line.split() for line in lines] == [
        ["epoch", "loss", "accuracy"],
        ["1", "0.25"],
        ["2", "0.125", "1"],
    ]


def test_patience_follows_any_measure():
    class Told(nn.Callback):
        def on_epoch(self, trainer, record):
            record["accuracy"] = [0.5, 0.9, 0.8, 0.7][trainer.steps_done - 1]

    form = nn.TrainerSettings(patience=2, measure="accuracy", highest=True)
    metrics = {"accuracy": lambda outputs, targets: 0.5}
    run = nn.Trainer(nn.Dense(3, 2, RNG), nn.mse, nn.SGD(), 0.1, form, metrics)
    assert len(run.fit(nn.Data(X, X[:, :2]), 9, callbacks=[Told()])) == 4


@pytest.mark.parametrize(
    ("measure", "words"), [("validation_loss", "validation data"), ("speed", "expected loss")]
)
def test_patience_on_a_measure_that_will_not_be_there_is_refused(measure, words):
    run = nn.Trainer(
        nn.Dense(3, 2, RNG), nn.mse, nn.SGD(), 0.1, nn.TrainerSettings(patience=2, measure=measure)
    )
    with pytest.raises(ConfigError, match=words):
        run.fit(nn.Data(X, X[:, :2]), 1)


def test_decay_spares_gains_of_several_dimensions():
    gate = nn.PlaceGate(2, 3)
    optimizer = nn.AdamW(weight_decay=0.5)
    zeros = {name: np.zeros_like(array) for name, array in gate.params.items()}
    optimizer.step(gate.named_parameters(), zeros, 0.1)
    assert (gate.params["scale"] == 1).all()


@pytest.mark.parametrize("measure", [nn.softmax_cross_entropy, nn.accuracy])
def test_classes_of_images_may_be_the_channels(measure):
    logits = RNG.standard_normal((2, 4, 3, 5))
    classes = RNG.integers(0, 4, (2, 3, 5))
    found, expected = measure(logits, classes, axis=1), measure(np.moveaxis(logits, 1, -1), classes)
    if measure is nn.softmax_cross_entropy:
        assert np.array_equal(found[1], np.moveaxis(expected[1], -1, 1))
        found, expected = found[0], expected[0]
    assert found == pytest.approx(expected)


def test_images_whose_sides_are_as_many_as_their_classes_must_say_the_axis():
    """They learned nothing, without a word."""
    logits = np.zeros((2, 3, 3, 3))
    with pytest.raises(ShapeError, match="give axis=1 if the channels are the classes"):
        nn.softmax_cross_entropy(logits, np.zeros((2, 3, 3), int))
    assert nn.softmax_cross_entropy(logits, np.zeros((2, 3, 3), int), axis=1)[0] > 0


# ---- weights of PyTorch --------------------------------------------------------------------------


def drawn(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_modules_go_to_layers_in_their_order():
    model = nn.Sequential(
        nn.Conv2D(2, 3, 3, RNG, bias=False), nn.BatchNorm(3), nn.PReLU(3), nn.GlobalAveragePool(),
        nn.Dense(3, 2, RNG),
    )  # fmt: skip
    tensors = {
        "conv.weight": drawn(3, 2, 3, 3), "bn.weight": drawn(3), "bn.bias": drawn(3), "bn.running_mean": drawn(3),
        "bn.running_var": drawn(3) ** 2, "bn.num_batches_tracked": np.array(7), "act.weight": drawn(3),
        "fc.weight": drawn(2, 3), "fc.bias": drawn(2),
    }  # fmt: skip
    nn.load_torch(model, tensors)
    assert np.array_equal(
        model["batch_norm1"].buffers["running_variance"], tensors["bn.running_var"]
    )
    assert np.array_equal(model["conv2d1"].params["weight"], tensors["conv.weight"])
    assert np.array_equal(model["dense1"].params["bias"], tensors["fc.bias"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_recurrent_modules_compute_the_same(kind, gates):
    """Against the formulas of PyTorch's documentation."""
    w, u = drawn(5 * gates, 3), drawn(5 * gates, 5)
    b, c = drawn(5 * gates), drawn(5 * gates)
    model = nn.Sequential(kind(3, 5, RNG, last=True))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    nn.load_torch(model, {f"rnn.{n}": a for n, a in zip(names, (w, u, b, c), strict=True)})
    x = drawn(2, 4, 3)
    h = s = np.zeros((2, 5), np.float32)
    for t in range(4):
        own = np.split(x[:, t] @ w.T + b, gates, axis=1)
        hidden = np.split(h @ u.T + c, gates, axis=1)
        if kind is nn.LSTM:
            i, f, g, o = (one + other for one, other in zip(own, hidden, strict=True))
            s = sigmoid(f) * s + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(s)
        else:
            r = sigmoid(own[0] + hidden[0])
            z = sigmoid(own[1] + hidden[1])
            h = (1 - z) * np.tanh(own[2] + r * hidden[2]) + z * h
    assert model(x) == pytest.approx(h, abs=1e-5)


def test_attention_goes_by_a_table_of_names():
    model = nn.Sequential(attend=nn.SelfAttention(4, 2, RNG), norm=nn.LayerNorm(4))
    whole, bias = drawn(12, 4), drawn(12)
    tensors = {
        "norm1.weight": drawn(4), "norm1.bias": drawn(4),
        "self_attn.in_proj_weight": whole, "self_attn.in_proj_bias": bias,
        "self_attn.out_proj.weight": drawn(4, 4), "self_attn.out_proj.bias": drawn(4),
    }  # fmt: skip
    nn.load_torch(model, tensors, {"self_attn.": "attend.", "norm1": "norm"})
    found = model.named_parameters()
    assert np.array_equal(found["attend.key.weight"], whole[4:8])
    assert np.array_equal(found["attend.value.bias"], bias[8:])
    assert np.array_equal(found["attend.output.weight"], tensors["self_attn.out_proj.weight"])


@pytest.mark.parametrize(
    ("tensors", "names", "error", "words"),
    [
        ({"a.weight": drawn(2, 3)}, {"a": "b"}, ConfigError, "a goes to 'b'"),
        ({"a.weight": drawn(2, 3), "b.weight": drawn(1)}, None, ConfigError, "2 modules for 1"),
        ({"a.weight": drawn(5, 3)}, None, ShapeError, "dense1.weight"),
    ],
)
def test_modules_without_a_counterpart_are_named(tensors, names, error, words):
    with pytest.raises(error, match=words):
        nn.load_torch(nn.Sequential(nn.Dense(3, 2, RNG)), tensors, names)
