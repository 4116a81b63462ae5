"""Models from outside: their parts, calls, predictions and printing; and the package's own example."""

import doctest
import inspect
from pathlib import Path

import numpy as np
import pytest

from engine import nn
from engine.nn import dit
from engine.nn.array_checks import mapped
from engine.nn.layer import REGISTRY, forward_part, register
from tests.documents.test_token_budget import tokens_of_python
from tests.gradient.cases import arrays_in, of_every_layer
from tests.unit.nn.small_trainings import (
    DATA,
    X,
    changed,
    dense,
    rng,
    small_net,
    tensors,
    trainer,
)

LONGEST = 1_900  # tokens of a file of layers: it is read in one go


# ---- parts ---------------------------------------------------------------------------------------


def test_layers_by_position_are_named_by_their_kind():
    model = small_net()
    assert list(model.layers) == ["dense1", "batch_norm1", "dropout1", "dense2"]
    assert list(nn.Sequential(nn.Flatten(), second=nn.Flatten()).layers) == ["flatten1", "second"]
    model.append(nn.Flatten()).append(nn.Flatten(), "end")
    assert list(model.layers)[4:] == ["flatten1", "end"]


def test_layers_are_found_by_number_and_a_slice_is_a_model():
    model = small_net()
    assert model.layers[0] is model["dense1"] is model.layers[-4]
    first = model[:2]
    assert list(first.layers) == ["dense1", "batch_norm1"]
    assert np.array_equal(model.layers[2:](first(X)), model(X))


@register("listed")
class Listed(nn.Layer):
    """Layers in a list, in a tuple inside a dict, and no call of the base's constructor."""

    def __init__(self, blocks, rng):
        self.blocks = [dense(3, 3) for _ in range(blocks)] if isinstance(blocks, int) else blocks
        self.ends = {"out": (dense(),)}
        self.seen = []
        self.seen.append(self.seen)  # a walk through its parts ended by RecursionError

    def forward(self, x, training=False):
        parts = {f"blocks.{number}": block for number, block in enumerate(self.blocks)}
        parts["out.0"] = self.ends["out"][0]
        steps = []
        for name, part in parts.items():
            x, step = forward_part(name, part, x, training)
            steps.append(step)

        def backward(dy):
            grads = {}
            for step in reversed(steps):
                dy, part = step(dy)
                grads |= part
            return dy, grads

        return x, backward


def test_parts_in_lists_learn_and_are_copied(tmp_path):
    """They were no parts: they trained nothing, went into no file, and nothing said so."""
    model = Listed(2, rng())
    before = tensors(model)
    assert {name.rpartition(".")[0] for name in before} == {"blocks.0", "blocks.1", "out.0"}
    trainer(model).fit(DATA, 1)
    assert changed(model, before) == before.keys()
    assert model.astype(np.float64).blocks[1].params["weight"].dtype == np.float64
    dit.save(tmp_path / "listed.dit", model.replica())
    again, _ = dit.load(tmp_path / "listed.dit")
    assert np.array_equal(again(X), model(X))


# ---- layers of one's own -------------------------------------------------------------------------


class Doubled(nn.Layer):
    """A layer that no file ever holds: neither registered nor with a configuration."""

    def forward(self, x, training=False):
        return 2 * x, lambda dy: (2 * dy, {})


def test_a_layer_of_ones_own_goes_by_the_name_of_its_class():
    model = nn.Sequential(Doubled(), Doubled())
    assert list(model.layers) == ["doubled1", "doubled2"]
    assert "doubled2  Doubled()" in str(model)


@register("shuffled")
class Shuffled(nn.Layer):
    """Numbers in a random order, all times one."""

    def __init__(self, features, rng):
        super().__init__()
        self.features = features
        self.buffers = {"order": rng.permutation(features)}
        self.params = {"gain": np.array(rng.uniform(2, 3), np.float32)}

    def forward(self, x, training=False):
        gain, order = self.params["gain"], self.buffers["order"]
        moved = x[:, order]
        back = np.argsort(order)
        return gain * moved, lambda dy: ((gain * dy)[:, back], {"gain": (dy * moved).sum()})


def test_whole_numbers_of_a_layer_stay_whole():
    """Places became 69.0, on which no index goes, and the means of three shards were rounded down.
    The gradient of a parameter that is one number was neither a mean over the shards nor clipped.
    """
    data = np.ones((30, 70), np.float32)
    ends = []
    for size in (7, None):
        model = nn.Sequential(Shuffled(70, rng())).astype(np.float32)
        order = model[0].buffers["order"].copy()
        gain = float(model[0].params["gain"])
        run = trainer(model, rate=0.1, batch_size=30, shard_size=size, clip_norm=0.5)
        run.fit(nn.Data(data, data), 2)
        assert np.array_equal(model[0].buffers["order"], order)
        assert abs(model[0].params["gain"] - gain) < 2 * 0.1 * 0.5
        ends.append(model(data))
    assert ends[0] == pytest.approx(ends[1], abs=1e-5)


def test_a_layer_that_draws_any_numbers_is_loaded(tmp_path):
    """Neither one that draws other than normal numbers could be, nor one with a parameter without
    sides.
    """
    layer = Shuffled(3, rng())
    assert layer.config() == {"layer": "shuffled", "features": 3}
    dit.save(tmp_path / "own.dit", layer)
    assert np.array_equal(dit.load(tmp_path / "own.dit")[0](X), layer(X))


def test_averages_are_of_any_model_in_its_own_precision():
    """Running statistics in double precision were rounded, and a layer without a name in files was
    refused.
    """
    model = nn.Sequential(nn.BatchNorm(3), Doubled()).astype(np.float64)
    run = trainer(model, average_decay=0.5)
    run.step(nn.Data(X, X))
    # The first average is the model itself.
    assert np.array_equal(run.averaged_model()(X), model(X))


# ---- inference -----------------------------------------------------------------------------------


HEADS = {"value": nn.Dense(4, 1, rng()), "policy": nn.Dense(4, 5, rng())}
SEVERAL = rng().standard_normal((10, 3, 4)), rng().standard_normal((10, 5, 3))


@pytest.mark.parametrize("rows", [10, 0])
@pytest.mark.parametrize(
    ("model", "x"),
    [
        (small_net(), X),
        (nn.MultiHead(nn.Dense(3, 4, rng()), HEADS), X),
        (nn.CrossAttention(4, 3, 2, rng()), SEVERAL),
    ],
)
def test_predictions_in_batches_are_those_of_one_call(model, x, rows):
    x = mapped(lambda part: part[:rows], x)
    in_batches = arrays_in(model.predict(x, batch_size=3))
    for array, expected in zip(in_batches, arrays_in(model(x)), strict=True):
        assert array.shape == expected.shape
        assert array == pytest.approx(expected, abs=1e-6)


# ---- printing ------------------------------------------------------------------------------------


def test_a_summary_with_an_example_shows_every_output():
    stem = nn.Sequential(conv=nn.Conv2D(1, 4, 3, rng()), flatten=nn.Flatten())
    model = nn.Sequential(stem=stem, out=nn.Dense(256, 10, rng()))
    lines = model.summary(np.zeros((2, 1, 8, 8))).splitlines()
    outputs = {line.split()[0]: line for line in lines}
    assert " [2, 4, 8, 8] " in outputs["stem.conv"]
    assert " [2, 10] " in outputs["out"]


@of_every_layer
def test_every_layer_prints_itself(case):
    assert repr(case.layer).startswith(f"{type(case.layer).__name__}(")
    if not case.options:
        assert "not used" not in case.layer.summary(case.x)


# ---- what a reader finds -------------------------------------------------------------------------


def test_the_example_of_the_package_prints_what_it_says():
    example = doctest.testmod(nn)
    assert example.attempted > 10
    assert example.failed == 0


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


def test_a_setting_that_came_later_is_left_out_of_files_at_its_default():
    """Files of older versions load, and older versions load what uses nothing new."""
    plain = nn.Conv2D(1, 2, (3, 3), rng())
    assert plain.config().keys() == {
        "layer", "inputs", "outputs", "size", "stride", "padding", "bias", "input_gradient",
    }  # fmt: skip
