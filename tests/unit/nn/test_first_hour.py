"""What newcomers write: parts in lists, names of other libraries, and layers and losses that return
too little.
"""

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError
from engine.nn import dit
from engine.nn.layer import forward_part, register
from engine.nn.onnx_file import save_onnx

RNG = np.random.default_rng(0)
X = RNG.standard_normal((16, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 16)


@register("listed")
class Listed(nn.Layer):
    """Layers in a list, in a tuple inside a dict, and no call of the base's constructor."""

    def __init__(self, blocks, rng):
        self.blocks = (
            [nn.Dense(4, 4, rng) for _ in range(blocks)] if isinstance(blocks, int) else blocks
        )
        self.ends = {"out": (nn.Dense(4, 3, rng),)}

    def chain(self):
        blocks = [(f"blocks.{n}", block) for n, block in enumerate(self.blocks)]
        return [*blocks, ("out.0", self.ends["out"][0])]

    def forward(self, x, training=False):
        steps = []
        for name, part in self.chain():
            x, step = forward_part(name, part, x, training)
            steps.append(step)

        def backward(dy):
            grads = {}
            for step in reversed(steps):
                dy, part = step(dy)
                grads |= part
            return dy, grads

        return x, backward


def test_parts_in_lists_learn():
    """They were no parts: they trained nothing, went into no file, and nothing said so."""
    model = Listed(2, np.random.default_rng(0))
    before = {name: array.copy() for name, array in model.named_parameters().items()}
    assert {name.rpartition(".")[0] for name in before} == {"blocks.0", "blocks.1", "out.0"}
    fitted(nn.softmax_cross_entropy, model)
    assert all((array != before[name]).any() for name, array in model.named_parameters().items())


def test_parts_in_lists_are_copied(tmp_path):
    model = Listed(2, np.random.default_rng(0))
    assert model.astype(np.float64).blocks[1].params["weight"].dtype == np.float64
    dit.save(tmp_path / "listed.dit", model.replica())
    again, _ = dit.load(tmp_path / "listed.dit")
    assert np.array_equal(again(X), model(X))


def test_a_part_whose_backward_is_never_called_is_named():
    class Forgetful(Listed):
        def chain(self):
            return super().chain()[1:]

    with pytest.raises(
        ConfigError,
        match=r"no gradient for \['blocks.0.bias', 'blocks.0.weight'\]: call the backward",
    ):
        fitted(nn.softmax_cross_entropy, Forgetful(2, RNG))


def model():
    return nn.Sequential(nn.Dense(4, 3, np.random.default_rng(0)))


def fitted(loss, net=None):
    nn.Trainer(net or model(), loss, nn.Adam(), 0.01).fit(nn.Data(X, CLASSES), 1)


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: fitted(lambda y, _: float(y.mean())), "`return mean_loss, gradient`.*found float"),
        (lambda: fitted(lambda y, _: (y.mean(axis=1), y)), r"found \['float32 \[16\]'"),
        (
            lambda: nn.Trainer(model(), nn.mse, nn.Adam(), 0.1, metrics=nn.accuracy),
            'such as {"accuracy": accuracy}',
        ),
        (lambda: setattr(model()[0], "weight", X), r'layer.params\["weight"\]\[...\] = values'),
        (lambda: dit.save("x.dit", model(), "a card"), "card must be a dict, such as .*'a card'"),
        (lambda: save_onnx(model(), "x.onnx", X), r"save_onnx\(path, model, x\): expected a layer"),
    ],
)
def test_a_mistake_of_the_first_hour_names_the_right_form(act, text):
    with pytest.raises(ConfigError, match=text):
        act()


@pytest.mark.parametrize(
    ("owner", "name", "text"),
    [
        (nn, "Linear", r"here it is Dense\(inputs, outputs, rng\)"),
        (nn, "CrossEntropyLoss", "here it is softmax_cross_entropy"),
        (nn, "Nonsense", "engine.nn has no 'Nonsense'$"),
        (model(), "fit", r"here it is Trainer\("),
        (model(), "nonsense", "Sequential has no 'nonsense'$"),
    ],
)
def test_a_name_of_another_library_is_answered_with_ours(owner, name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(owner, name)


def test_every_name_that_is_advised_is_here():
    from engine.nn.foreign_names import CLASSES

    for advice in CLASSES.values():
        first = advice.replace("an array in ", "").split("(")[0].split()[0].strip(",")
        assert first in ("a", 'self.params["name"]') or hasattr(nn, first), advice


def test_a_setting_that_came_later_is_left_out_of_files_at_its_default():
    """Files of older versions load, and older versions load what uses nothing new."""
    plain = nn.Conv2D(1, 2, (3, 3), RNG)
    assert plain.config().keys() == {
        "layer", "inputs", "outputs", "size", "stride", "padding", "bias", "input_gradient",
    }  # fmt: skip
