"""Every registered layer and loss against central differences in float64: |a - n| / (|a| + |n|) <
1e-6 per tensor.

The table of all errors: python -m tests.gradient.test_gradients
"""

import importlib

import numpy as np
import pytest

from engine.errors import ConfigError, ShapeError
from engine.network.people.people_model import PeopleNetwork
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.tower.tower_model import RatedTower
from engine.network.transformer.transformer_model import Transformer
from engine.network.value.value_model import ValueNetwork
from engine.nn import LOSSES, REGISTRY, Dense, Layer, gradient_check
from engine.nn.array_checks import mapped
from engine.nn.numeric import TOLERANCE
from tests.gradient.cases import CASES, arrays_in
from tests.gradient.oracle_case import ORACLE_CASE
from tests.unit.test_imports import MODULES

# What computes something else in inference: norms with running statistics, and dropout.
CHANGING = [case for case in CASES if case.layer.named_buffers() or "Dropout" in repr(case.layer)]


@pytest.mark.parametrize(
    ("case", "training"),
    [*((case, True) for case in [*CASES, ORACLE_CASE]), *((case, False) for case in CHANGING)],
    ids=str,
)
def test_layer_gradients_agree_with_central_differences(case, training):
    check = gradient_check(case.layer, case.x, training=training, **case.options)
    assert check.error < TOLERANCE, check
    floating = [part for part in arrays_in(case.x) if part.dtype.kind == "f"]
    # whole numbers have no gradient
    assert len(check.tensors) == len(floating) + len(case.layer.named_parameters())


def test_every_layer_in_the_source_is_checked():
    """Bases that others build on have no forward to check, nor have the weights of networks that
    are not of layers.
    """
    for name in MODULES:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    house = [layer for layer in subclasses(Layer) if layer.__module__ in MODULES]
    # Which other tests compare with layers that are cases, or check along random directions; a
    # rated tower computes as its base, which is a case.
    elsewhere = {SparseNetwork, ValueNetwork, PeopleNetwork, RatedTower, Transformer}
    assert {type(case.layer) for case in CASES} >= set(house) & set(REGISTRY.values()) - elsewhere
    unregistered = {layer.__name__ for layer in house if layer not in REGISTRY.values()}
    assert unregistered == {
        "CustomWeights",
        "TablesLayer",
        "NamedLayers",
        "Recurrent",
        "_Attention",
        "Block",
        "_Branches",
        "_Convolution",
        "Windowed",
        "_Pool",
    }


def subclasses(layer):
    for child in layer.__subclasses__():
        yield child
        yield from subclasses(child)


# ---- losses --------------------------------------------------------------------------------------


def distribution(rng, mask):
    weights = rng.random(mask.shape) * mask
    return weights / weights.sum(axis=1, keepdims=True)


def loss_cases():
    rng = np.random.default_rng(3)
    logits = rng.standard_normal((4, 6))
    everywhere = np.ones((4, 6), bool)
    mask = rng.random((4, 6)) < 0.6
    mask[:, 2] = True
    weights = rng.random(6)
    changed = {"class_weights": weights, "label_smoothing": 0.2}
    column, target = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    masked = {"mask": mask}
    return {
        "softmax_cross_entropy": [
            (logits, np.array([0, 5, 2, 2]), {}),
            (logits, distribution(rng, everywhere), {}),
            (logits, distribution(rng, mask), masked),
            (logits, np.full(4, 2), masked),
            (logits, np.array([0, -1, 2, 2]), {"mask": everywhere, "ignore_index": -1}),
            (
                rng.standard_normal((2, 3, 4)),
                np.array([[0, 3, 1], [2, 1, 1]]),
                {"ignore_index": 1},
            ),
            (logits, np.array([0, 5, 2, 2]), {**changed, "ignore_index": 5}),
            (logits, distribution(rng, everywhere), {**changed, "reduction": "none"}),
            (logits, np.full(4, 2), {**masked, "class_weights": weights, "reduction": "sum"}),
        ],
        "sigmoid_binary_cross_entropy": [
            (logits, rng.random((4, 6)), {}),
            (logits, rng.random((4, 6)), {"class_weights": weights, "reduction": "none"}),
        ],
        "mse": [(column, target, {"reduction": "sum"})],
        "mae": [(column, target, {"reduction": "none"})],
        "huber": [(column, target, {}), (column, target, {"delta": 0.3})],
    }


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradients_agree_with_central_differences(name):
    for prediction, targets, options in loss_cases()[name]:
        check = gradient_check(LOSSES[name], prediction, targets, **options)
        assert check.error < TOLERANCE, check


# ---- the check itself ----------------------------------------------------------------------------


class Mistaken(Dense):
    """A dense layer with a mistake in the bias's gradient."""

    mistake = None

    def forward(self, x, training=False):
        y, right = super().forward(x, training)

        def backward(dy):
            dx, grads = right(dy)
            bias = self.mistake(grads["bias"]) if self.mistake else grads["bias"]
            return dx, {**grads, "bias": bias}

        return y, backward


def not_finite(bad):
    return lambda gradient: np.append(gradient[:1], bad)


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (lambda gradient: 0.5 * gradient, 1 / 3),
        # Comparisons with NaN are false: the largest error of all tensors left it out.
        (not_finite(np.nan), np.inf),
        (not_finite(np.inf), np.inf),
    ],
)
def test_a_wrong_gradient_is_named(mistake, error):
    layer = Mistaken(3, 2, np.random.default_rng(5))
    layer.mistake = mistake
    x = np.random.default_rng(6).standard_normal((4, 3)).astype(np.float32)
    check = gradient_check(layer, x)
    assert check.error == pytest.approx(error)
    wrong = [line.split()[0] for line in str(check).splitlines() if line.endswith("WRONG")]
    assert wrong == ["bias"]
    assert not layer.params["bias"].any()
    assert x.dtype == layer.params["weight"].dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_has_no_right_gradient(bad):
    check = gradient_check(lambda y: (bad, y), np.ones((2, 2)))
    assert check.error == np.inf
    assert "WRONG" in str(check)


def test_a_loss_of_several_outputs_is_checked():
    def loss(outputs):
        total = sum(float((part**3).sum()) for part in arrays_in(outputs))
        return total, mapped(lambda part: 3 * part**2, outputs)

    ones = np.ones(3, np.float32)
    for outputs in ({"a": ones, "b": ones}, (ones, ones)):
        check = gradient_check(loss, outputs)
        assert len(check.tensors) == 2
        assert check.error < TOLERANCE


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e200])
def test_gradients_of_any_size_are_told_apart(scale):
    """Norms of large gradients overflowed: infinity in infinity is NaN."""

    def error(factor):
        def loss(y):
            return float(scale * (y * y).sum()), factor * scale * y

        return gradient_check(loss, np.array([[0.5, -2.0]])).error

    assert error(2) < TOLERANCE
    assert error(1) > 0.1


def test_a_gradient_that_is_missing_or_of_another_shape_is_refused():
    rng = np.random.default_rng(5)
    layer = Mistaken(3, 2, rng)
    x = rng.standard_normal((4, 3))
    layer.params["other"] = np.zeros(3, np.float32)
    with pytest.raises(
        ConfigError,
        match=r"gradients of \['weight', 'bias'\], expected \['weight', 'bias', 'other'\]",
    ):
        gradient_check(layer, x)
    with pytest.raises(ShapeError, match=r"gradient of outputs: expected \[4, 3\], found \[1\]"):
        gradient_check(lambda outputs: (0.0, np.zeros(1)), x)


# ---- the table -----------------------------------------------------------------------------------


def print_table():
    """Every layer and loss with its largest relative error."""
    for case in CASES:
        print(
            f"{case} {getattr(case.layer, 'function', '')}\n{gradient_check(case.layer, case.x, **case.options)}\n"
        )
    for name, cases in loss_cases().items():
        for prediction, targets, options in cases:
            print(f"{name}\n{gradient_check(LOSSES[name], prediction, targets, **options)}\n")


if __name__ == "__main__":
    print_table()
