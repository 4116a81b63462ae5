"""The mistakes of someone who knows PyTorch or Keras: each is refused by a message that says what to do."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine import nn
from engine.errors import AinoError, ConfigError, DataError, ShapeError
from engine.nn import dit
from engine.nn.advice import ARGUMENTS_ELSEWHERE, CLASSES_ELSEWHERE, ELSEWHERE

X = np.random.default_rng(2).standard_normal((8, 3)).astype(np.float32)
CLASSES = (X[:, 0] > 0).astype(np.int64)
IMAGES = np.zeros((8, 28, 28), np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def net(outputs: int = 2) -> nn.Sequential:
    return nn.Sequential(hidden=nn.Dense(3, 4, rng()), active=nn.Activation("relu"), out=nn.Dense(4, outputs, rng()))


def heads() -> nn.MultiHead:
    return nn.MultiHead(nn.Dense(3, 4, rng()), {"value": nn.Dense(4, 1, rng()), "policy": nn.Dense(4, 5, rng())})


def trained(loss: Any, targets: Any, outputs: int = 2, inputs: Any = X) -> None:
    nn.Trainer(net(outputs), loss, nn.Adam(), 0.01).fit(nn.Data(inputs, targets), 1)


SHAPES: dict[str, tuple[Callable[[], object], str]] = {
    "one example": (lambda: net().forward(X[0]), r"x\[None\]"),
    "layers that do not fit": (
        lambda: nn.Sequential(a=nn.Dense(3, 8, rng()), b=nn.Dense(9, 2, rng())).forward(X),
        r"^b: Dense: .*build this layer for 8, or let the one before it give 9",
    ),
    "images into a dense layer": (
        lambda: nn.Dense(784, 2, rng()).forward(IMAGES),
        r"put Flatten\(\) before this layer",
    ),
    "images without channels": (lambda: nn.Conv2D(1, 2, 3, rng()).forward(IMAGES), r"axis of channels: x\[:, None\]"),
    "channels last": (
        lambda: nn.Conv2D(3, 2, 3, rng()).forward(np.zeros((2, 8, 8, 3), np.float32)),
        r"x\.transpose\(0, 3, 1, 2\)",
    ),
    "vectors as images": (lambda: nn.MaxPool2D(2).forward(X), r"x\.reshape\(len\(x\), channels, height, width\)"),
    "one sequence": (lambda: nn.SelfAttention(3, 1, rng()).forward(X), r"x\[None\]; .*one step: x\[:, None\]"),
    "other channels": (lambda: nn.BatchNorm(4).forward(X), "build this layer for 3"),
    "a list": (lambda: net().forward([[1.0, 2.0, 3.0]]), r"np\.asarray\(x, np\.float32\)"),
    "doubles into forward": (lambda: net().forward(X.astype(float)), r"x\.astype\(np\.float32\), or the model"),
    "whole numbers": (lambda: net()(np.ones((2, 3), int)), r"cast it: x\.astype\(np\.float32\)$"),
    "pixels": (lambda: net()(np.ones((2, 3), np.uint8)), r"x\.astype\(np\.float32\) / 255 for pixels"),
    "tokens as floats": (lambda: nn.Embedding(5, 2, rng()).forward(X), r"x\.astype\(np\.int64\)"),
    "tokens from one": (
        lambda: nn.Embedding(5, 2, rng()).forward(np.array([[1, 5]])),
        "count from 0, or build .* for 6",
    ),
    "two things as one": (lambda: nn.mse(net(1).forward(X), X[:, :1]), r"y, backward = layer\.forward\(x\)"),
    "several heads": (lambda: nn.mse(heads()(X), X[:, :1]), r"outputs\['value'\]"),
    "the loss back": (lambda: net().forward(X, True)[1](0.3), r"loss, dy = mse\(y, targets\)"),
    "a whole loss back": (lambda: net().forward(X, True)[1](1), r"found int; .*loss, dy = mse\(y, targets\)"),
    "flat targets": (lambda: trained(nn.mse, X[:, 0], 1), r"reshape targets to \[-1, 1\]: targets\.reshape\(-1, 1\)"),
    "classes for mse": (lambda: trained(nn.mse, CLASSES), "classes belong to softmax_cross_entropy"),
    "a column of classes": (lambda: trained(nn.softmax_cross_entropy, CLASSES[:, None]), r"reshape targets to \[-1\]"),
    "classes as floats": (lambda: trained(nn.softmax_cross_entropy, CLASSES * 1.0), r"targets\.astype\(np\.int64\)"),
    "names of classes": (lambda: trained(nn.softmax_cross_entropy, np.array(["a"] * 8)), r"np\.unique\(targets"),
    "targets in a list": (lambda: nn.softmax_cross_entropy(X, [0] * 8), r"np\.asarray\(targets\)"),
    "the wrong way round": (lambda: nn.softmax_cross_entropy(CLASSES, X), "outputs come first"),
    "data in lists": (lambda: trained(nn.mse, X[:, :1].tolist(), 1, X.tolist()), r"np\.asarray\(x, np\.float32\)"),
    "no pair": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), 0.1).fit(X, 1), r"found ndarray; give Data\(x, targets\)"),
    "one number for all": (
        lambda: trained(nn.mse, np.array(1.0)),
        "found 8 and a single number; make arrays",
    ),
    "a table of pandas": (lambda: trained(nn.mse, CLASSES, inputs=Table()), r"found Table and 8; .*np\.asarray"),
    "no example": (lambda: trained(nn.mse, X[:0], 3, X[:0]), "at least one, found 0 and 0$"),
    "a tensor": (lambda: net()(Tensor()), r"found Tensor; make an array of it: np\.asarray"),
    "tensors as targets": (lambda: nn.mse(X, Tensor()), r"found Tensor; .*np\.asarray\(targets\)"),
    "steps of a sequence": (
        lambda: nn.softmax_cross_entropy(np.zeros((2, 4, 5), np.float32), np.zeros((2, 4), int)),
        r"outputs\.reshape\(-1, 5\), targets\.reshape\(-1\)",
    ),
    "truth first": (lambda: nn.accuracy(CLASSES, X), "outputs come first"),
    "a table of truth first": (lambda: nn.confusion_matrix(CLASSES, CLASSES), "outputs come first, as the model gives"),
    "accuracy of a column": (lambda: nn.accuracy(X[:, :1], CLASSES), r"needs targets \[B, 1\]"),
}
VALUES: dict[str, tuple[Callable[[], object], str]] = {
    "classes from one": (lambda: trained(nn.softmax_cross_entropy, CLASSES + 1), "classes count from 0: targets - 1"),
    "too many classes": (lambda: trained(nn.softmax_cross_entropy, CLASSES * 4), "give the last layer 5 outputs"),
    "one output for two classes": (
        lambda: trained(nn.softmax_cross_entropy, CLASSES, 1),
        "give the last layer 2 outputs, or use sigmoid_binary_cross_entropy",
    ),
    "minus one and one": (
        lambda: trained(nn.sigmoid_binary_cross_entropy, 2.0 * CLASSES[:, None] - 1, 1),
        r"\(targets \+ 1\) / 2",
    ),
    "accuracy of numbers": (lambda: nn.accuracy(X[:, :1], 2 * X[:, :1]), "targets from 0 to 1 .* for numbers, use mae"),
}
SETTINGS: dict[str, tuple[Callable[[], object], str]] = {
    "layers in a list": (lambda: nn.Sequential([nn.Dense(3, 2, rng())]), r"one by one, as \*layers"),
    "a class for a layer": (lambda: nn.Sequential(nn.Flatten), r"build it, Flatten\(\.\.\.\)"),
    "a word for a layer": (lambda: nn.Sequential(nn.Dense(3, 2, rng()), "relu"), r'Activation\("relu"\)'),
    "a name used twice": (lambda: nn.Sequential(nn.Flatten(), flatten1=nn.Flatten()), "flatten1"),
    "a seed for a generator": (lambda: nn.Dense(3, 2, 0), r"np\.random\.default_rng\(0\), not 0"),
    "a capital": (lambda: nn.Activation("ReLU"), "did you mean 'relu'"),
    "another name": (lambda: nn.Activation("SiLU"), "did you mean 'swish'"),
    "softmax": (lambda: nn.Activation("softmax"), "softmax_cross_entropy contains the softmax"),
    "lr": (lambda: nn.Adam(lr=1e-3), r"Trainer\(model, loss, Adam\(\), 0\.001\).*step\(model\.named_parameters\(\)"),
    "learning_rate": (lambda: nn.RMSProp(learning_rate=0.1), r"RMSProp\(\), 0\.1\)"),
    "a rate by position": (lambda: nn.SGD(0.1), r"SGD\(\), 0\.1\)"),
    "parameters and a rate": (lambda: nn.Adam(net().named_parameters(), lr=0.1), r"Adam\(\), 0\.1\)"),
    "a step with the model": (
        lambda: nn.Adam().step(net(), {}, 0.1),
        r"step\(model\.named_parameters\(\), grads, rate\)",
    ),
    "the class of an optimizer": (lambda: nn.Trainer(net(), nn.mse, nn.Adam, 0.1), r"such as Adam\(\), not"),
    "inputs and targets apart": (
        lambda: nn.Trainer(net(), nn.mse, nn.Adam(), 0.1).fit(CLASSES, CLASSES, epochs=1),
        r"fit\(Data\(x, targets\), epochs\)",
    ),
    "the name of a loss": (lambda: nn.Trainer(net(), "mse", nn.Adam(), 0.1), "function, such as mse"),
    "the class of a model": (lambda: nn.Trainer(nn.Dense, nn.mse, nn.Adam(), 0.1), "must be a layer"),
    "the name of a rate": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), "cosine"), "such as 0.001"),
    "a negative rate": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), -0.1), "a rate >= 0, .*not -0.1"),
    "no number for a rate": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), math.nan), "a rate >= 0, .*not nan"),
    "a rate in an array": (
        lambda: nn.Trainer(net(), nn.mse, nn.Adam(), lambda step: np.array([0.1])).fit(nn.Data(X, X[:, :2]), 1),
        r"a finite number >= 0, not array\(\[0\.1\]\)",
    ),
    "half a schedule": (lambda: nn.WarmupCosine(0.1), "WarmupCosine: missing total"),
    "a shuffled loader": (lambda: nn.Loader(X, X, shuffle=True), "every epoch has an order of its own"),
    "half a square": (lambda: nn.random_shift(1.5), r"a whole number of at least 1, got 1\.5"),
    "a size of pooling": (lambda: nn.MaxPool2D(kernel_size=2), "here: .*window"),
    "another device": (lambda: net().to("cuda"), r"cupy \(an NVIDIA GPU\), not 'cuda'"),
    "a sigmoid too many": (
        lambda: nn.Trainer(
            nn.Sequential(net(1), nn.Activation("sigmoid")), nn.sigmoid_binary_cross_entropy, nn.Adam(), 0.1
        ),
        "leave out the last layer, .*sigmoid_binary_cross_entropy takes raw outputs",
    ),
    "one layer under two names": (
        lambda: nn.Trainer(Twice(), nn.mse, nn.Adam(), 0.1),
        "first and second are one",
    ),
    "a new weight": (lambda: setattr(net()[0], "weight", X), r'layer\.params\["weight"\]\[\.\.\.\] = values'),
    "a batch size": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), 0.1, 32), "batch_size=32"),
    "metrics in a list": (
        lambda: nn.Trainer(net(), nn.mse, nn.Adam(), 0.1, None, [nn.accuracy]),
        '{"accuracy": accuracy}',
    ),
}


@pytest.mark.parametrize("name", [*SHAPES, *VALUES, *SETTINGS])
def test_a_mistake_is_refused_by_a_message_that_says_what_to_do(name: str) -> None:
    expected: type[AinoError] = ShapeError if name in SHAPES else DataError if name in VALUES else ConfigError
    mistake, advice = (SHAPES | VALUES | SETTINGS)[name]
    with pytest.raises(expected, match=advice):
        mistake()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_from_another_library_is_told_what_does_the_same_here(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"'Sequential' object has no attribute '{name}'; here: .") as caught:
        getattr(net(), name)
    assert ELSEWHERE[name] in str(caught.value)


@pytest.mark.parametrize("name", CLASSES_ELSEWHERE)
def test_a_class_from_another_library_is_told_what_to_write(name: str) -> None:
    assert name not in vars(nn)
    with pytest.raises(ImportError, match=rf"engine\.nn has no {name}; here: .") as caught:
        getattr(nn, name)
    for word in re.findall(r"\w+(?=\()", str(caught.value)):
        assert word in vars(nn)
    for activation in re.findall(r'Activation\("(\w+)"\)', str(caught.value)):
        nn.Activation(activation)


def test_an_import_of_a_class_from_another_library_is_told_what_to_write() -> None:
    with pytest.raises(ImportError, match=r"has no Linear; here: Dense\(inputs, outputs, rng\)"):
        from engine.nn import Linear  # noqa: F401
    with pytest.raises(AttributeError, match=r"'engine\.nn' has no attribute 'Colour'"):
        nn.Colour  # noqa: B018


@pytest.mark.parametrize("name", ARGUMENTS_ELSEWHERE)
def test_an_argument_of_another_library_is_told_what_to_write(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^Dense has no {name}; here: \w"):
        nn.Dense(3, 2, rng(), **{name: 1})


def test_an_unknown_argument_names_those_there_are_and_a_part_may_have_any_name() -> None:
    with pytest.raises(ConfigError, match="Dense has no colour; it takes inputs, outputs, rng"):
        nn.Dense(3, 2, rng(), colour=1)
    assert list(nn.Sequential(activation=nn.Activation("relu")).layers) == ["activation"]


def test_a_name_that_no_library_has_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'Dense' object has no attribute 'colour'$"):
        nn.Dense(3, 2, rng()).colour  # noqa: B018
    assert not hasattr(net(), "parameters")


def test_an_error_deep_inside_names_the_path_of_its_layer() -> None:
    model = nn.MultiHead(
        nn.Sequential(one=nn.Flatten()), {"value": nn.Sequential(first=nn.Flatten(), second=nn.Dense(4, 1, rng()))}
    )
    with pytest.raises(ShapeError, match=r"^value\.second: Dense: expected float32 \[B, \.\.\., 4\], found") as caught:
        model.forward(X)
    assert caught.value.layer == "value.second"


def test_a_broken_input_is_found_however_it_is_shaped() -> None:
    """The advice must not fail where there is none to give."""
    for x in (None, 3, "text", np.array("text"), np.zeros((), np.float32), np.zeros((1, 2, 3, 4, 5, 6), np.float32)):
        for layer in (
            nn.Dense(3, 2, rng()),
            nn.Conv2D(3, 2, 3, rng()),
            nn.BatchNorm(3),
            nn.SelfAttention(3, 1, rng()),
        ):
            with pytest.raises(ShapeError, match="expected"):
                layer.forward(x)


class OnlyY(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(3, 2, rng())

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.dense(x)


class OnlyDx(nn.Layer):
    def forward(self, x: Any, training: bool = False) -> Any:
        return 2 * x, lambda dy: 2 * dy


class OnlyX(nn.Layer):
    def forward(self, x: Any) -> Any:
        return x, lambda dy: (dy, {})


class Listed(nn.Layer):
    """Its part stands in a list, where nothing finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = [nn.Dense(3, 2, rng())]

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.parts[0].forward(x, training)


class Doubles(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.params = {"scale": np.ones(3)}

    def forward(self, x: Any, training: bool = False) -> Any:
        return x * self.params["scale"], lambda dy: (dy, {"scale": dy})


class NoSuper(nn.Layer):
    def __init__(self) -> None:
        self.dense = nn.Dense(3, 2, rng())

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.dense.forward(x, training)


class Twice(nn.Layer):
    """Its part would be trained twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Dense(3, 2, rng())

    def forward(self, x: Any, training: bool = False) -> Any:
        return self.first.forward(x, training)


class Tensor:
    """As PyTorch's, whose dtypes have no kind."""

    shape, dtype = X.shape, object()


class Table:
    """As a table of pandas, which reads columns by `[]`, and rows by `iloc`."""

    shape = iloc = X.shape


def trainer(model: nn.Layer | None = None) -> nn.Trainer:
    return nn.Trainer(model or net(), nn.softmax_cross_entropy, nn.Adam(), 0.01)


def net_of(layer: nn.Layer) -> None:
    trainer(nn.Sequential(layer, nn.Dense(2 if isinstance(layer, Listed) else 3, 2, rng()))).fit(DATA, 1)


def history() -> Any:
    return trainer().fit(nn.Data(X, CLASSES), 1)


DATA = nn.Data(X, CLASSES)
SLIPS: dict[str, tuple[Callable[[], object], str]] = {
    "a layer without rng": (lambda: nn.Dense(2, 16), r"Dense: missing rng, .*default_rng\(0\)"),
    "dropout without rng": (lambda: nn.Dropout(0.5), "Dropout: missing rng"),
    "no rate": (lambda: nn.Trainer(net(), nn.mse, nn.Adam()), r"Trainer: missing the learning rate, such as 0\.001$"),
    "no optimizer": (lambda: nn.Trainer(net(), nn.mse), r"missing an optimizer, such as Adam\(\) and the learning"),
    "no epochs": (lambda: trainer().fit(DATA), "missing how often .* epochs=10"),
    "batch size for fit": (lambda: trainer().fit(DATA, 1, batch_size=8), r"TrainerSettings\(batch_size=32\)"),
    "validation_data": (lambda: trainer().fit(DATA, 1, validation_data=DATA), r"here: validation=Data\(x, targets\)"),
    "step of nothing": (lambda: nn.Adam().step(), r"missing .*dx, grads = backward\(dy\)"),
    "dropout draws no weights": (lambda: nn.Dropout(0.5), "missing rng, a generator of random numbers"),
    "a part as an attribute": (lambda: net().hidden, r'here: its layers\["hidden"\]'),
    "a step of a schedule": (lambda: nn.WarmupCosine(0.1, 10).step(), r"Trainer\(model, loss, Adam\(\), schedule\)"),
    "no checkpoint": (lambda: trainer().resume("nothing.npz"), "nothing.npz: file not found"),
    "zero_grad": (lambda: nn.Adam().zero_grad(), "nothing to clear"),
    "place in layers": (lambda: net().layers[0], r"no layer 0 among hidden, active, out; model\[0\]"),
    "keys of a history": (lambda: history().keys(), "here: history.columns"),
    "history.history": (lambda: history().history, r'history\["loss"\] is a column'),
    "an epoch of a history": (lambda: history()[-1], r"one epoch is \.records\[-1\]"),
    "y alone, called": (lambda: OnlyY()(X), "OnlyY.forward must return y and backward, a function of dy, not ndarray"),
    "y alone, trained": (lambda: trainer(nn.Sequential(OnlyY())).fit(DATA, 1), "OnlyY.forward must return y and back"),
    "dx alone": (lambda: nn.gradient_check(OnlyDx(), X), "OnlyDx: backward must return dx and the gradients by name"),
    "no super": (lambda: NoSuper()(X), r"call super\(\)\.__init__\(\) first"),
    "a schedule not built": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), nn.WarmupCosine), "build the schedule"),
    "a metric's name": (lambda: nn.Trainer(net(), nn.mse, nn.Adam(), 0.1, metrics={"a": "a"}), "must be functions"),
    "rng first": (
        lambda: nn.Dense(rng(), 2, 3),
        "Dense: inputs must be a whole number, .* order is inputs, outputs, rng",
    ),
    "half a unit": (lambda: nn.Dense(2, 16 / 2, rng()), r"outputs must be a whole number, not 8\.0"),
    "two sizes": (lambda: nn.Conv2D(1, 4, (3, 3), rng()), r"size must be a whole number, not \(3, 3\)"),
    "a seed for dropout": (lambda: nn.Dropout(0.5, 0), r"Dropout: rng must be a generator"),
    "nothing to pool": (lambda: nn.MaxPool2D(), "^MaxPool2D: missing window"),
    "sides of a shape": (lambda: nn.Reshape(1, 8, 8), "too many positional arguments; it takes shape"),
    "one side": (lambda: nn.Reshape(-1), "shape must be several whole numbers"),
    "a list of heads": (lambda: nn.MultiHead(net(), [net()]), "heads must be layers by name"),
    "one gradient for heads": (
        lambda: heads().forward(X)[1](X),
        r"by name of \['value', 'policy'\], found \['ndarray'\]",
    ),
    "eps": (lambda: nn.Adam(eps=1e-8), "Adam has no eps; here: epsilon"),
    "epochs in the settings": (lambda: nn.TrainerSettings(epochs=3), "an argument of fit"),
    "nesterov alone": (lambda: nn.SGD(nesterov=True), "a momentum above 0"),
    "train()": (lambda: trainer().train(DATA), r"here: trainer\.fit"),
    "training, called": (lambda: net()(X, training=True), r"model\(x\) is inference; to train"),
    "train=True": (lambda: net().forward(X, train=True), "here: training=True"),
    "a loss alone": (lambda: nn.mse(X), "mse: missing"),
    "a loss of one's own, alone": (
        lambda: trained(lambda y, t: 0.5, CLASSES),
        "a number and the gradient .* not float",
    ),
    "both of a loss": (lambda: net().forward(X)[1](nn.mse(X[:, :2], X[:, :2])), "loss, dy = mse"),
    "logits as targets": (lambda: trained(nn.softmax_cross_entropy, X[:, :2]), "targets >= 0, found -.* logits"),
    "a rate of None": (
        lambda: nn.Trainer(net(), nn.mse, nn.Adam(), lambda step: None).fit(nn.Data(X, X[:, :2]), 1),
        "Adam.step: learning_rate must be a number, not None",
    ),
    "forward without training": (lambda: net_of(OnlyX()), r"write forward\(self, x, training=False\)"),
    "parts in a list": (lambda: net_of(Listed()), r"gradients of \['listed1\.bias', .*public attributes"),
    "doubles of one's own": (lambda: net_of(Doubles()), "one dtype, .* not float64 .* and float32"),
    "weights from a path": (lambda: net().load_parameters("net.dit"), "tensors must be arrays by name"),
    "a model in place of a path": (lambda: dit.save(net(), "net.dit"), "path must be the name of a file"),
    "a check of a class": (lambda: nn.gradient_check(nn.Dense, X), r"build the layer, Dense\(\.\.\.\)"),
    "a check of nothing": (lambda: nn.gradient_check(net()), r"gradient_check\(layer, x\)"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_of_beginners_ended_in_tracebacks_of_python(slip: str) -> None:
    do, advice = SLIPS[slip]
    with pytest.raises((AinoError, AttributeError), match=advice):
        do()


def test_what_beginners_write_and_means_something_works() -> None:
    model = net()
    assert model["hidden"] is model[0] is model.layers["hidden"]
    assert (model[0], model[1], model[-1]) == tuple(model) == tuple(model.layers.values())
    assert len(model) == 3
    told: list[object] = []
    history = trainer().fit(DATA, 1, callbacks=told.append)
    assert history.columns == ["epoch", "step", "rate", "loss", "gradient_norm"]
    assert ("loss" in history, "accuracy" in history) == (True, False)
    assert len(told) == 1
    assert model.replica().layers["out"].params["weight"] is model.layers["out"].params["weight"]
