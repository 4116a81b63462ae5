"""Layers: that they keep nothing, copies, and numbers and batches of any size.

`tests/gradient` checks their gradients, `test_onnx_file` compares what they compute with ONNX
Runtime.
"""

import numpy as np
import pytest

from engine import nn
from engine.errors import ShapeError
from engine.nn.array_checks import mapped
from engine.nn.layers import ACTIVATIONS
from engine.nn.norm_folding import fold_norms
from tests.gradient.cases import CASES, Case, arrays_in, of_every_layer
from tests.unit.nn.small_trainings import rng


def test_dropout_keeps_the_mean():
    y, _ = nn.Dropout(0.25, rng()).forward(np.ones((200, 100), np.float32), training=True)
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert y.mean() == pytest.approx(1, abs=0.02)


@of_every_layer
def test_a_layer_keeps_nothing_of_a_call(case):
    """Backward passes may run in any order, and twice: each closes over its own call."""
    layer = case.layer.astype(np.float64)
    y, backward = layer.forward(case.x, training=True, **case.options)
    dy = mapped(np.ones_like, y)
    first = arrays_in(backward(dy))
    reversed_x = mapped(lambda part: part[::-1], case.x)
    layer.forward(reversed_x, training=True, **case.options)[1](dy)
    for array, again in zip(first, arrays_in(backward(dy)), strict=True):
        assert np.array_equal(array, again)


SEQUENCES = np.ones((2, 3, 4), np.float32)


def test_attention_across_one_sequence_has_two_gradients():
    _, backward = nn.CrossAttention(4, 4, 2, rng()).forward((SEQUENCES, SEQUENCES))
    assert len(backward(SEQUENCES)[0]) == 2


def test_attention_to_an_empty_context_is_zero():
    layer = nn.CrossAttention(4, 3, 2, rng())
    layer.parts["output"].params["bias"][...] = 1.5
    y, backward = layer.forward((SEQUENCES, np.zeros((2, 0, 3), np.float32)))
    assert (y == 1.5).all()
    (dx, dcontext), _ = backward(np.ones_like(y))
    assert not dx.any()
    assert dcontext.shape == (2, 0, 3)


def test_a_norm_behind_a_convolution_of_sequences_is_folded():
    model = nn.Sequential(nn.Conv1D(3, 5, 3, rng()), nn.BatchNorm(5))
    assert np.allclose(fold_norms(model)(SEQUENCES), model(SEQUENCES), atol=1e-4)


def test_a_dilated_window_around_a_small_board_finds_its_square():
    pool = nn.MaxPool2D(3, 1, 2, dilation=2)
    assert pool(np.full((1, 1, 1, 1), -7, np.float32)).tolist() == [[[[-7.0]]]]


def test_rounding_up_adds_no_window_that_begins_behind_the_board():
    assert nn.MaxPool1D(2, 3, 1, ceil=True)(np.zeros((1, 1, 4))).shape == (1, 1, 2)


# ---- arrays --------------------------------------------------------------------------------------


def test_a_tensor_that_does_not_fit_changes_nothing():
    layer = nn.Dense(2, 1, rng())
    before = layer.params["weight"].copy()
    with pytest.raises(ShapeError, match="bias"):
        layer.load_parameters({"weight": np.zeros((1, 2)), "bias": np.zeros(7)})
    assert np.array_equal(before, layer.params["weight"])


def test_a_parameter_keeps_its_dtype():
    params = nn.BatchNorm(8).params
    params["gamma"] = np.ones(8)
    assert params["gamma"].dtype == np.float32


def test_a_layer_without_arrays_may_stand_in_two_places():
    relu = nn.Activation("relu")
    assert len(nn.Sequential(relu, nn.Dense(3, 3, rng()), relu).named_parameters()) == 2


# ---- empty batches, and other dtypes -------------------------------------------------------------


def emptied(x):
    """No rows of the batch; a table beside it, as of Smolgen, keeps its own."""
    if not isinstance(x, tuple):
        return x[:0]
    return tuple(part[:0] if len(part) == len(x[0]) else part for part in x)


def shape_of(y):
    return arrays_in(y)[0].shape


def block(se=None):
    return nn.Residual(nn.Sequential(nn.Conv2D(16, 16, 3, rng()), nn.BatchNorm(16)), se)


IMAGES = np.zeros((2, 16, 8, 8))
NATIVE = [  # of a size for which there are kernels
    Case(layer, IMAGES)
    for layer in (
        nn.Conv2D(16, 16, 3, rng()),
        nn.Conv2D(16, 16, 1, rng()),
        nn.BatchNorm(16, relu=True),
        nn.SqueezeExcitation(16, 4, rng()),
        block(),
        block(nn.SqueezeExcitation(16, 4, rng())),
    )
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", [*CASES, *NATIVE], ids=str)
def test_an_empty_batch_has_an_empty_result(case, dtype):
    """Reshaping to a side of -1 had no answer in Flatten, attention and recurrent layers."""
    layer = case.layer.astype(dtype)
    empty = layer.prepared(emptied(case.x))
    masks = {name: mask[:0] for name, mask in case.options.items()}
    nothing, backward = layer.forward(empty, **masks)
    assert shape_of(nothing) == (0, *shape_of(layer(case.x, **case.options))[1:])
    dx, grads = backward(nothing)
    assert not any(gradient.any() for gradient in grads.values())
    assert not isinstance(dx, np.ndarray) or dx.shape == empty.shape


@pytest.mark.parametrize("case", NATIVE, ids=str)
def test_a_gradient_in_double_precision_is_not_read_as_single_precision(case):
    """The kernels took its memory for float32: gradients of 1e36, or NaN."""
    dy = rng().standard_normal((4, 16, 8, 8)).astype(np.float32)
    _, backward = case.layer.forward(dy[::-1].copy(), training=True)
    for single, double in zip(
        arrays_in(backward(dy)), arrays_in(backward(dy.astype(np.float64))), strict=True
    ):
        assert np.allclose(single, double, rtol=1e-4, atol=1e-4)


# ---- large numbers, and NaN ----------------------------------------------------------------------


def extreme(x):
    """Floats replaced by +-1,000 and 0, whole numbers kept."""
    if x.dtype.kind != "f":
        return x
    values = np.array([1e3, -1e3, 0.0, 1e3, 1e3, -1e3, -1e3], np.float32)
    return np.resize(values, x.shape)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@of_every_layer
def test_layers_stay_finite(case, training):
    layer = case.layer.astype(np.float32)
    layer.reseed(1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, backward = layer.forward(mapped(extreme, case.x), training, **case.options)
        gradients = backward(mapped(np.ones_like, y))
    for array in arrays_in(y, gradients):
        assert np.isfinite(array).all()


@pytest.mark.parametrize(
    "name", [name for name in ACTIVATIONS if name != "squared_relu"]
)  # which is that square
def test_activations_stay_finite_where_the_square_of_x_is_not(name):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, slope = ACTIVATIONS[name](np.array([-1e38, -1e20, 1e20, 1e38], np.float32))
        dx = slope(np.ones(4, np.float32))
    assert np.isfinite(y).all()
    _, far_slope = ACTIVATIONS[name](np.float32([-1e3, -1e3, 1e3, 1e3]))
    assert dx.tolist() == pytest.approx(far_slope(np.ones(4)).tolist(), abs=2e-6)


def test_the_log_of_a_softmax_without_any_choice_is_minus_infinity():
    assert (nn.Softmax(log=True)(np.full((1, 3), -np.inf)) == -np.inf).all()


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)], ids=str)
def test_a_single_value_a_channel_is_normalised_by_the_running_statistics(shape):
    """Its variance of 0 went into the running one, and it came out as beta whatever it was."""
    norm = nn.BatchNorm(3)
    norm.buffers["running_mean"][:] = 1
    x = np.full(shape, 3.0, np.float32)
    y, backward = norm.forward(x, training=True)
    assert np.allclose(y, 2, atol=1e-4)
    assert np.allclose(backward(np.ones_like(x))[0], 1, atol=1e-4)
    assert (norm.buffers["running_mean"] == 1).all()
    assert (norm.buffers["running_variance"] == 1).all()


@pytest.mark.parametrize("scale", [1, 1e30])  # the second's variance has no float32
def test_groups_of_a_batch_are_normalised_each_alone(scale):
    x = np.float32(scale) * rng().standard_normal((6, 3), np.float32)
    norm = nn.BatchNorm(3)
    norm.groups = 2
    alone = [nn.BatchNorm(3).forward(group, training=True)[0] for group in (x[:3], x[3:])]
    np.testing.assert_allclose(norm.forward(x, training=True)[0], np.concatenate(alone), 1e-5)


def test_two_values_a_channel_are_a_batch():
    norm = nn.BatchNorm(1, momentum=1.0)
    norm.forward(np.array([[[[1.0, 3.0]]]], np.float32), training=True)
    assert norm.buffers["running_mean"].tolist() == [2]
    assert norm.buffers["running_variance"].tolist() == [1]
