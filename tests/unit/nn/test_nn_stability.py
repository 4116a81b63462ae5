"""No warning, no infinity, no NaN: every layer and loss at inputs of +-1,000, in single precision."""

from typing import Any

import numpy as np
import pytest

from engine.nn.layers import ACTIVATIONS
from tests.gradient.cases import CASES, Case, arrays_in

HUGE = 1e3


def extreme(x: Any) -> Any:
    """Floats replaced by +-1,000 and 0, whole numbers kept."""
    if isinstance(x, tuple):
        return tuple(extreme(part) for part in x)
    if x.dtype.kind != "f":
        return x
    values = np.array([HUGE, -HUGE, 0.0, HUGE, HUGE, -HUGE, -HUGE], np.float32)
    return np.resize(values, x.shape)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers_stay_finite(case: Case, training: bool) -> None:
    layer = case.layer.astype(np.float32)
    layer.reseed(1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, backward = layer.forward(extreme(case.x), training, **case.options)
        dy = {name: np.ones_like(part) for name, part in y.items()} if isinstance(y, dict) else np.ones_like(y)
        dx, grads = backward(dy)
    for array in arrays_in([y, dx, grads]):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_have_their_limits_at_a_thousand(name: str) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, slope = ACTIVATIONS[name](np.array([-HUGE, HUGE], np.float32))
        dx = slope(np.ones(2, np.float32))
    left = {"identity": -HUGE, "leaky_relu": -10.0, "selu": -1.7580993, "tanh": -1.0}.get(name, 0.0)
    one = ("sigmoid", "tanh", "clipped_relu", "squared_clipped_relu")
    right = 1.0 if name in one else {"selu": 1050.7010, "squared_relu": HUGE**2}.get(name, HUGE)
    assert y.tolist() == pytest.approx([left, right], rel=1e-6)
    slope_left = {"identity": 1.0, "leaky_relu": 0.01}.get(name, 0.0)
    slope_right = {"squared_relu": 2 * HUGE}.get(name, right / HUGE if right > 1 else 0.0)
    assert dx.tolist() == pytest.approx([slope_left, slope_right])


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "squared_relu"])  # which is that square
def test_activations_and_slopes_stay_finite_where_the_square_of_x_is_not(name: str) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, slope = ACTIVATIONS[name](np.array([-1e38, -1e20, 1e20, 1e38], np.float32))
        dx = slope(np.ones(4, np.float32))
    assert np.isfinite(y).all()
    assert dx.tolist() == pytest.approx(ACTIVATIONS[name](np.float32([-1e3, -1e3, 1e3, 1e3]))[1](np.ones(4)).tolist())
