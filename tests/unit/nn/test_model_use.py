"""A model from outside: calling it, predicting with it, printing it, scoring it; and the package's
own example.
"""

import doctest
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, ShapeError
from engine.nn import accuracy, confusion_matrix, plot_confusion
from engine.nn.layer import REGISTRY, register
from tests.documents.test_token_budget import tokens_of_python
from tests.gradient.cases import CASES, arrays_in

LONGEST = 1_900  # tokens of a file of layers: it is read in one go
ROOT = Path(nn.__file__).parent


def rng():
    return np.random.default_rng(3)


def small_net():
    return nn.Sequential(
        nn.Dense(3, 4, rng()),
        nn.BatchNorm(4),
        nn.Activation("tanh"),
        nn.Dropout(0.5, rng()),
        nn.Dense(4, 2, rng()),
    )


# ---- Sequential ----------------------------------------------------------------------------------


def test_layers_by_position_are_named_by_their_kind():
    model = small_net()
    assert list(model.layers) == ["dense1", "batch_norm1", "activation1", "dropout1", "dense2"]
    assert list(nn.Sequential(nn.Flatten(), second=nn.Flatten()).layers) == ["flatten1", "second"]


class Doubled(nn.Layer):
    """A layer of one's own that no file ever holds: neither registered nor with a configuration."""

    def forward(self, x, training=False):
        return 2 * x, lambda dy: (2 * dy, {})


def test_a_layer_of_ones_own_goes_by_the_name_of_its_class():
    model = nn.Sequential(Doubled(), Doubled())
    assert list(model.layers) == ["doubled1", "doubled2"]
    assert "doubled2  Doubled()" in str(model)


class Shuffled(nn.Layer):
    """Another one, until it is registered: numbers in a random order, each times a weight, and all
    times one.
    """

    def __init__(self, features, rng):
        super().__init__()
        self.features = features
        self.buffers = {"order": rng.permutation(features)}
        self.params = {
            "scale": (rng.uniform(1, 2, features) + rng.normal(size=features)).astype(np.float32)
        }
        self.params["gain"] = np.array(1.5, np.float32)

    def forward(self, x, training=False):
        (scale, gain), (order,) = self.params.values(), self.buffers.values()
        back = np.argsort(order)
        moved = x[:, order]
        return moved * scale * gain, lambda dy: (
            (dy * scale * gain)[:, back],
            {"scale": (dy * moved * gain).sum(axis=0), "gain": (dy * moved * scale).sum()},
        )


def test_whole_numbers_of_a_layer_stay_whole():
    """Places became 69.0, on which no index goes, and the means of three shards were rounded down.
    The gradient of a parameter that is one number was neither a mean over the shards nor clipped.
    """
    data = np.ones((30, 70), np.float32)
    ends = []
    for size in (7, None):
        model = nn.Sequential(Shuffled(70, rng())).astype(np.float32)
        order = model[0].buffers["order"].copy()
        settings = nn.TrainerSettings(30, shard_size=size, clip_norm=0.5)
        nn.Trainer(model, nn.mse, nn.SGD(), 0.1, settings).fit(nn.Data(data, data), 2)
        assert np.array_equal(model[0].buffers["order"], order)
        assert abs(model[0].params["gain"] - 1.5) < 2 * 0.1 * 0.5
        ends.append(model(data))
    assert ends[0] == pytest.approx(ends[1], abs=1e-5)


def test_averages_are_of_any_model_in_its_own_precision():
    """Running statistics in double precision were rounded, and a layer without a name in files was
    refused.
    """
    model = nn.Sequential(nn.BatchNorm(2), Doubled()).astype(np.float64)
    x = rng().standard_normal((8, 2))
    run = nn.Trainer(model, nn.mse, nn.SGD(), 0.1, nn.TrainerSettings(average_decay=0.5))
    run.step(nn.Data(x, x))
    assert np.array_equal(run.averaged_model()(x), model(x)), (
        "the first average is the model itself"
    )


# ---- inference -----------------------------------------------------------------------------------


def test_any_floating_input_is_cast_to_the_parameters():
    model = small_net()
    x = rng().standard_normal((4, 3))
    single = model(x.astype(np.float32))
    assert single.dtype == np.float32
    assert np.array_equal(model(x), single)
    assert model.astype(np.float64)(x.astype(np.float32)).dtype == np.float64


HEADS = {"value": nn.Dense(4, 1, rng()), "policy": nn.Dense(4, 5, rng())}
CROSS = nn.CrossAttention(4, 3, 2, rng())
SEVERAL = rng().standard_normal((10, 3, 4)), rng().standard_normal((10, 5, 3))
X = rng().standard_normal((10, 3))


@pytest.mark.parametrize("rows", [10, 0])
@pytest.mark.parametrize(
    ("model", "x"),
    [(small_net(), X), (nn.MultiHead(nn.Dense(3, 4, rng()), HEADS), X), (CROSS, SEVERAL)],
)
def test_predictions_in_batches_are_those_of_one_call(model, x, rows):
    given = x[:rows] if x is X else tuple(part[:rows] for part in x)
    found, expected = map(arrays_in, (model.predict(given, batch_size=3), model(given)))
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert one == pytest.approx(other, abs=1e-6)


def test_batches_of_no_rows_are_refused():
    with pytest.raises(ConfigError, match="batch_size"):
        small_net().predict(X, batch_size=0)


# ---- printing ------------------------------------------------------------------------------------


def test_a_summary_with_an_example_shows_every_output():
    stem = nn.Sequential(conv=nn.Conv2D(1, 4, 3, rng()), flatten=nn.Flatten())
    model = nn.Sequential(stem=stem, out=nn.Dense(256, 10, rng()))
    before = str(model)
    lines = model.summary(np.zeros((2, 1, 8, 8))).splitlines()
    columns = slice(lines[0].index("output"), lines[0].index("parameters"))
    outputs = {line.split()[0]: line[columns].strip() for line in lines[1:-1]}
    assert (outputs["stem.conv"], outputs["out"]) == ("[2, 4, 8, 8]", "[2, 10]")
    assert str(model) == before


def test_a_summary_may_begin_with_whole_numbers():
    tokens = nn.Sequential(nn.Embedding(5, 4, rng()), nn.GRU(4, 3, rng(), last=True))
    assert "[6, 7, 4]" in tokens.summary(np.zeros((6, 7), int))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_prints_itself(case):
    assert repr(case.layer).startswith(f"{type(case.layer).__name__}(")
    if not case.options:
        assert "not used" not in case.layer.summary(case.x)


# ---- what a reader finds -------------------------------------------------------------------------


def test_the_example_of_the_package_prints_what_it_says():
    found = doctest.testmod(nn)
    assert found.attempted > 10
    assert found.failed == 0


OWN = [layer for layer in REGISTRY.values() if layer.__module__.startswith("engine.nn.")]


@pytest.mark.parametrize("layer", OWN, ids=lambda layer: layer.kind)
def test_a_layer_is_one_short_file_with_its_mathematics(layer):
    source = Path(inspect.getfile(layer))
    assert tokens_of_python(source.read_text(encoding="utf-8")) <= LONGEST
    text = inspect.cleandoc(layer.__doc__ or "")
    if "as in Recurrent" in text:
        text += inspect.getdoc(layer.__mro__[1]) or ""
    assert "->" in text, "no shapes"
    assert "dx" in text or "no gradient" in text or "-> None" in text, "no gradient"


def test_a_layer_inside_itself_is_named():
    """A walk through its parts ended by RecursionError."""
    net = small_net()
    net[0].owner = net
    with pytest.raises(ConfigError, match="owner is a layer inside itself"):
        net.named_parameters()


def test_a_list_may_hold_itself():
    """A walk through the parts of its layer ended by RecursionError."""
    layer = nn.Dense(2, 3, rng())
    layer.seen = [1]
    layer.seen.append(layer.seen)
    assert list(layer.named_parameters()) == ["weight", "bias"]


def test_a_registered_layer_names_the_arguments_it_is_rebuilt_from(monkeypatch, tmp_path):
    """One that draws other than normal numbers could not be loaded, nor one with a parameter
    without sides.
    """
    monkeypatch.setattr("engine.nn.layer.REGISTRY", dict(REGISTRY))
    with pytest.raises(
        ConfigError,
        match=r"Shuffled has no name in files: put @register\(\"name\"\) above the class",
    ):
        Shuffled(3, rng()).config()
    layer = register("shuffled")(Shuffled)(3, rng())
    assert layer.config() == {"layer": "shuffled", "features": 3}
    nn.dit.save(tmp_path / "own.dit", layer)
    again = nn.dit.load(tmp_path / "own.dit")[0]
    x = np.ones((1, 3), np.float32)
    assert np.array_equal(again(x), layer(x))

    @register("forgetful")
    class Forgetful(Doubled):
        def __init__(self, power):
            super().__init__()

    with pytest.raises(
        ConfigError, match=r"Forgetful: expected attributes like .* found no \['power'\]"
    ):
        Forgetful(3).config()


OUTPUTS = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [5.0, 4.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
TRUTH = np.array([0, 1, 1, 2])


def test_accuracy_is_the_share_of_right_answers():
    assert accuracy(OUTPUTS, TRUTH) == 0.75
    assert accuracy(OUTPUTS, np.eye(3)[TRUTH]) == 0.75
    assert accuracy(OUTPUTS.reshape(2, 2, 3), TRUTH.reshape(2, 2)) == 0.75
    logits = np.array([[2.0], [-1.0], [-3.0], [0.5]])
    assert accuracy(logits, np.array([[1], [0], [1], [1]])) == 0.75


@pytest.mark.parametrize("targets", [np.zeros(3, int), np.zeros((4, 2)), np.zeros((4, 1), int)])
def test_accuracy_refuses_shapes_that_would_broadcast(targets):
    with pytest.raises(ShapeError, match="do not fit"):
        accuracy(OUTPUTS, targets)
    with pytest.raises(ShapeError, match="do not fit"):
        accuracy(OUTPUTS[:, 0], TRUTH)
    with pytest.raises(ShapeError, match="expected arrays, found ndarray and list"):
        accuracy(OUTPUTS, [*TRUTH])
    # the largest had counted
    with pytest.raises(DataError, match="their sum over several outputs"):
        accuracy(OUTPUTS, np.ones((4, 3)))


def test_a_row_of_the_confusion_matrix_is_a_true_class():
    matrix = confusion_matrix(OUTPUTS, TRUTH)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert matrix.trace() / matrix.sum() == accuracy(OUTPUTS, TRUTH)


def test_confusion_refuses_targets_that_are_no_classes():
    with pytest.raises(DataError, match="classes 0 to 2, found 0 to 3"):
        confusion_matrix(OUTPUTS, np.array([0, 1, 2, 3]))
    for targets in (TRUTH.astype(float), TRUTH[:3]):
        with pytest.raises(ShapeError, match=r"integer targets \[B\]"):
            confusion_matrix(OUTPUTS, targets)


def test_confusion_is_drawn_with_its_classes(monkeypatch, tmp_path):
    matrix = confusion_matrix(OUTPUTS, TRUTH)
    plot_confusion(matrix, tmp_path / "small.svg", ["cat", "dog", "ox"], "pets")
    text = (tmp_path / "small.svg").read_text(encoding="utf-8")
    for word in ("cat", "pets", "answered"):
        assert f"<!-- {word} -->" in text, word
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[plots\]'"):
        plot_confusion(matrix, tmp_path / "none.png")
