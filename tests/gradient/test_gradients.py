"""Every registered layer and loss against central differences in float64: |a - n| / (|a| + |n|) < 1e-6 per tensor.

The table of all errors: python -m tests.gradient.test_gradients
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.network.tower.model import TowerConfig, build_tower
from engine.nn import LOSSES, REGISTRY, Activation, Layer
from engine.nn.layers import ACTIVATIONS
from tests.gradient.cases import CASES, Case
from tests.gradient.numeric import STEP, TOLERANCE, numeric_gradient, relative_error

ROOT = Path(__file__).resolve().parents[2]
SEED = (7,)  # of the dropout masks


def parts_of(value: Any) -> dict[str, np.ndarray]:
    """The arrays of an output or input, by name."""
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple):
        return {f"x{number}": part for number, part in enumerate(value)}
    return {"x": value}


def scalar(outputs: Any, weights: dict[str, np.ndarray]) -> float:
    return float(sum((weights[name] * part).sum() for name, part in parts_of(outputs).items()))


def compared_gradients(case: Case, training: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, by hand, by central differences) of every input and parameter."""
    rng = np.random.default_rng(7)
    layer: Layer = case.layer.astype(np.float64)
    for tensor in layer.named_parameters().values():
        tensor += 0.3 * rng.standard_normal(tensor.shape)  # off the special values of a fresh layer: beta 0, gamma 1
    layer.reseed(*SEED)
    outputs, backward = layer.forward(case.x, training, **case.options)
    weights = {name: rng.standard_normal(part.shape) for name, part in parts_of(outputs).items()}
    dx, grads = backward(weights if isinstance(outputs, dict) else weights["x"])
    assert grads.keys() == layer.named_parameters().keys()
    buffers = {name: array.copy() for name, array in layer.named_buffers().items()}

    def value() -> float:
        layer.load_buffers(buffers)
        layer.reseed(*SEED)
        return scalar(layer.forward(case.x, training, **case.options)[0], weights)

    inputs = {name: part for name, part in parts_of(case.x).items() if part.dtype.kind == "f"}
    by_hand = parts_of(dx) if inputs else {}
    assert inputs or dx is None  # whole numbers have no gradient
    for name, tensor in {**inputs, **layer.named_parameters()}.items():
        yield name, by_hand[name] if name in by_hand else grads[name], numeric_gradient(value, tensor)


def vanishes(name: str, analytic: np.ndarray) -> bool:
    """Whether this gradient is zero by the mathematics, so that both numbers are rounding.

    A bias before a batch norm does nothing; nor does one that adds the same to all the scores of a softmax.
    """
    return name.endswith("bias") and float(np.abs(analytic).max()) < 1e-12


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer_gradients_agree_with_central_differences(case: Case, training: bool) -> None:
    for name, analytic, numeric in compared_gradients(case, training):
        assert analytic.shape == numeric.shape, name
        if vanishes(name, analytic):
            assert np.abs(numeric).max() < 1e-8, name
        else:
            assert relative_error(analytic, numeric) < TOLERANCE, name


def test_every_registered_layer_is_checked() -> None:
    assert {case.layer.kind for case in CASES} == REGISTRY.keys()
    activations = {case.layer.function for case in CASES if isinstance(case.layer, Activation)}
    assert activations == ACTIVATIONS.keys()


def test_every_layer_in_the_source_is_registered_and_checked() -> None:
    """Also one in a module that nothing here imports: the registry alone would not know it."""
    kinds: dict[str, str] = {}
    for path in (path for package in ("engine", "selfplay", "uci") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                kinds |= dict.fromkeys(registered_kinds(node), f"{path.name}: {node.name}")
    assert len(kinds) > 20
    assert not {name for kind, name in kinds.items() if kind not in {case.layer.kind for case in CASES}}


def registered_kinds(node: ast.ClassDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "register":
            yield ast.literal_eval(decorator.args[0])


def subclasses(layer: type[Layer]) -> Iterator[type[Layer]]:
    for child in layer.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_layer_that_is_used_has_a_kind() -> None:
    """A layer without one could be neither saved nor checked; bases that others build on have no forward to check."""
    unregistered = [
        layer
        for layer in subclasses(Layer)
        if layer.__module__.startswith(("engine.", "selfplay.")) and layer not in REGISTRY.values()
    ]
    assert {layer.__name__ for layer in unregistered} == {"Recurrent", "_Attention", "_Pool2D"}


# ---- losses -------------------------------------------------------------------------------------------------------


def distribution(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    weights = rng.random(mask.shape) * mask
    return weights / weights.sum(axis=1, keepdims=True)


def loss_cases() -> dict[str, list[tuple[np.ndarray, tuple, dict]]]:
    rng = np.random.default_rng(3)
    logits, everywhere = rng.standard_normal((4, 6)), np.ones((4, 6), bool)
    mask = rng.random((4, 6)) < 0.6
    mask[:, 2] = True
    column, target = rng.standard_normal((5, 2)), rng.standard_normal((5, 2))
    return {
        "softmax_cross_entropy": [
            (logits, (np.array([0, 5, 2, 2]),), {}),
            (logits, (distribution(rng, everywhere),), {}),
            (logits, (distribution(rng, mask), mask), {}),
            (logits, (np.full(4, 2),), {"mask": mask}),
        ],
        "sigmoid_binary_cross_entropy": [
            (logits, (rng.random((4, 6)),), {}),
            (column, (rng.integers(0, 2, (5, 2)),), {}),
        ],
        "mse": [(column, (target,), {})],
        "mae": [(column, (target,), {})],
        "huber": [(column, (target,), {}), (column, (target,), {"delta": 0.3})],
    }


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradients_agree_with_central_differences(name: str) -> None:
    for prediction, arguments, options in loss_cases()[name]:
        _, analytic = LOSSES[name](prediction, *arguments, **options)
        numeric = numeric_gradient(lambda p=prediction, a=arguments, o=options: LOSSES[name](p, *a, **o)[0], prediction)
        assert relative_error(analytic, numeric) < TOLERANCE


def test_every_registered_loss_is_checked() -> None:
    assert loss_cases().keys() == LOSSES.keys()


# ---- the whole network --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "mish"])
def test_tower_gradients_agree_along_random_directions(activation: str) -> None:
    rng = np.random.default_rng(11)
    model = build_tower(TowerConfig(filters=8, blocks=2, se_ratio=4, activation=activation), rng).astype(np.float64)
    x = rng.random((3, 112, 8, 8))
    outputs, backward = model.forward(x, training=True)
    weights = {name: rng.standard_normal(part.shape) for name, part in outputs.items()}
    _, grads = backward(weights)
    for name, tensor in model.named_parameters().items():
        direction = rng.standard_normal(tensor.shape)
        direction /= np.linalg.norm(direction)
        kept = tensor.copy()
        tensor += STEP * direction
        above = scalar(model.forward(x, training=True)[0], weights)
        tensor[...] = kept - STEP * direction
        below = scalar(model.forward(x, training=True)[0], weights)
        tensor[...] = kept
        analytic, numeric = float((grads[name] * direction).sum()), (above - below) / (2 * STEP)
        assert abs(analytic - numeric) < TOLERANCE * (abs(analytic) + abs(numeric)) + 1e-7, name


# ---- the table ----------------------------------------------------------------------------------------------------


def print_table() -> None:
    """Every layer and loss with its largest relative error."""
    print(f"{'layer and input':48} {'tensor':24} |a-n|/(|a|+|n|)")
    for case in CASES:
        title = f"{case} {getattr(case.layer, 'function', '')}"
        for name, analytic, numeric in compared_gradients(case, training=True):
            error = "0 by mathematics" if vanishes(name, analytic) else f"{relative_error(analytic, numeric):.1e}"
            print(f"{title:48} {name:24} {error}")
    for name, cases in loss_cases().items():
        for prediction, arguments, options in cases:
            _, analytic = LOSSES[name](prediction, *arguments, **options)
            numeric = numeric_gradient(
                lambda p=prediction, a=arguments, o=options, n=name: LOSSES[n](p, *a, **o)[0], prediction
            )
            print(f"{name:48} {'outputs':24} {relative_error(analytic, numeric):.1e}")


if __name__ == "__main__":
    print_table()
