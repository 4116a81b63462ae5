"""Every registered layer and loss against central differences in float64: |a - n| / (|a| + |n|) < 1e-6 per tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.network.tower import TowerConfig, build_tower
from engine.nn import (
    LOSSES,
    REGISTRY,
    Activation,
    BatchNorm,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MultiHead,
    Residual,
    Sequential,
    SqueezeExcitation,
)
from engine.nn.layers import ACTIVATIONS

STEP = 1e-6
TOLERANCE = 1e-6

RNG = np.random.default_rng(20)


def small_body(channels: int) -> Sequential:
    return Sequential(conv=Conv2D(channels, channels, 3, RNG), norm=BatchNorm(channels))


# kind -> [(layer, shape of its input)]
LAYERS: dict[str, list[tuple[Layer, tuple[int, ...]]]] = {
    "dense": [(Dense(5, 3, RNG), (4, 5)), (Dense(2, 1, RNG, initialization="glorot"), (1, 2))],
    "conv2d": [
        (Conv2D(2, 3, 3, RNG), (2, 2, 5, 4)),
        (Conv2D(3, 2, 1, RNG, bias=False), (2, 3, 4, 4)),
        (Conv2D(2, 2, 5, RNG, stride=2, padding=1), (1, 2, 7, 8)),
        (Conv2D(1, 2, 3, RNG, stride=3, padding=0), (2, 1, 8, 7)),
    ],
    "batch_norm": [
        (BatchNorm(3), (6, 3)),
        (BatchNorm(2, relu=True), (3, 2, 4, 4)),
        (BatchNorm(2, momentum=0.5, epsilon=1e-2), (2, 2, 3, 5)),
    ],
    "activation": [(Activation(name), (3, 7)) for name in ACTIVATIONS],
    "flatten": [(Flatten(), (2, 3, 2, 2))],
    "squeeze_excitation": [
        (SqueezeExcitation(4, 3, RNG), (2, 4, 3, 3)),
        (SqueezeExcitation(2, 2, RNG, activation="mish"), (3, 2, 4, 4)),
    ],
    "residual": [
        (Residual(small_body(2)), (2, 2, 4, 4)),
        (Residual(small_body(3), SqueezeExcitation(3, 2, RNG)), (2, 3, 4, 4)),
        (Residual(small_body(2), SqueezeExcitation(2, 2, RNG), activation="mish"), (2, 2, 4, 4)),
    ],
    "sequential": [(Sequential(a=Dense(3, 4, RNG), b=Activation("tanh"), c=Dense(4, 2, RNG)), (3, 3))],
    "multi_head": [
        (
            MultiHead(
                Sequential(conv=Conv2D(2, 3, 3, RNG), norm=BatchNorm(3, relu=True)),
                {"image": Conv2D(3, 2, 1, RNG), "flat": Sequential(flatten=Flatten(), dense=Dense(48, 2, RNG))},
            ),
            (2, 2, 4, 4),
        )
    ],
}
CASES = [(kind, layer, shape) for kind, cases in LAYERS.items() for layer, shape in cases]


def away_from_kinks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal numbers, none closer to zero than 0.05."""
    x = rng.standard_normal(shape)
    return x + 0.05 * np.sign(x)


def scalar(outputs: object, weights: dict[str, np.ndarray]) -> float:
    parts = outputs if isinstance(outputs, dict) else {"y": outputs}
    return float(sum((weights[name] * part).sum() for name, part in parts.items()))


def numeric_gradient(value: Callable[[], float], tensor: np.ndarray) -> np.ndarray:
    """Central differences of ``value`` over every element of ``tensor``, which is changed in place and restored."""
    gradient = np.zeros_like(tensor)
    for place in np.ndindex(tensor.shape):
        kept = tensor[place]
        tensor[place] = kept + STEP
        above = value()
        tensor[place] = kept - STEP
        below = value()
        tensor[place] = kept
        gradient[place] = (above - below) / (2 * STEP)
    return gradient


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return float(np.linalg.norm(analytic - numeric) / scale) if scale else 0.0


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize(("kind", "layer", "shape"), CASES, ids=[f"{c[0]}{i}" for i, c in enumerate(CASES)])
def test_layer_gradients_agree_with_central_differences(
    kind: str, layer: Layer, shape: tuple[int, ...], training: bool
) -> None:
    rng = np.random.default_rng(7)
    layer = layer.astype(np.float64)
    for tensor in layer.named_parameters().values():
        tensor += 0.3 * rng.standard_normal(tensor.shape)  # off the special values of a fresh layer: beta 0, gamma 1
    x = away_from_kinks(rng, shape)
    outputs, backward = layer.forward(x, training)
    parts = outputs if isinstance(outputs, dict) else {"y": outputs}
    weights = {name: rng.standard_normal(part.shape) for name, part in parts.items()}
    dx, grads = backward(weights if isinstance(outputs, dict) else weights["y"])

    assert layer.kind == kind
    assert grads.keys() == layer.named_parameters().keys()
    buffers = {name: array.copy() for name, array in layer.named_buffers().items()}

    def value() -> float:
        layer.load_buffers(buffers)
        return scalar(layer.forward(x, training)[0], weights)

    for name, tensor in [("x", x), *layer.named_parameters().items()]:
        analytic = dx if name == "x" else grads[name]
        assert analytic.shape == tensor.shape, name
        numeric = numeric_gradient(value, tensor)
        if training and name.endswith("bias") and np.abs(analytic).max() < 1e-12:
            assert np.abs(numeric).max() < 1e-8, name  # a bias before batch norm does nothing: both are rounding
            continue
        assert relative_error(analytic, numeric) < TOLERANCE, name


def test_every_registered_layer_is_checked() -> None:
    assert LAYERS.keys() == REGISTRY.keys()
    assert {layer.function for layer, _ in LAYERS["activation"]} == ACTIVATIONS.keys()


# ---- losses -------------------------------------------------------------------------------------------------------


def distribution(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    weights = rng.random(mask.shape) * mask
    return weights / weights.sum(axis=1, keepdims=True)


def loss_cases() -> dict[str, list[tuple[np.ndarray, tuple, dict]]]:
    rng = np.random.default_rng(3)
    logits, everywhere = rng.standard_normal((4, 6)), np.ones((4, 6), bool)
    mask = rng.random((4, 6)) < 0.6
    mask[:, 2] = True
    column = rng.standard_normal((5, 2))
    return {
        "softmax_cross_entropy": [
            (logits, (np.array([0, 5, 2, 2]),), {}),
            (logits, (distribution(rng, everywhere),), {}),
            (logits, (distribution(rng, mask), mask), {}),
            (logits, (np.full(4, 2),), {"mask": mask}),
        ],
        "mse": [(column, (rng.standard_normal((5, 2)),), {})],
        "huber": [
            (column, (rng.standard_normal((5, 2)),), {}),
            (column, (rng.standard_normal((5, 2)),), {"delta": 0.3}),
        ],
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
