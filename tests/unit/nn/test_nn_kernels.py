"""The native float32 operations against the plain array reference in float64."""

import numpy as np
import pytest

from engine import nn
from engine.native.pool import ThreadPool
from engine.nn.layers.activations import ACTIVATIONS
from engine.nn.losses import softmax_cross_entropy
from engine.nn.numeric import floats_as
from engine.nn.operations import NativeOperations, Operations, operations_for, winograd, workspace
from engine.nn.operations.elementwise import PAIRS
from engine.nn.operations.geometry import Geometry
from tests.gradient.cases import Case, arrays_in

pytestmark = pytest.mark.plain

NATIVE = NativeOperations(np)
REFERENCE = Operations(np)
RNG = np.random.default_rng(5)


def random(*shape, offset=0.0):
    return (offset + RNG.standard_normal(shape)).astype(np.float32)


def double(array):
    return array.astype(np.float64)


def assert_close(actual, expected, tolerance=2e-6):
    """Equal up to `tolerance` times the largest value."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert (
        float(np.abs(actual - expected).max()) <= tolerance * float(np.abs(expected).max()) + 1e-12
    )


# ---- layers of sizes for which there are kernels -------------------------------------------------

WINOGRAD = (3, 1, 1)  # size, stride and padding
FORMS = [  # shape of x, number of kernels, then their size, stride, padding and dilation
    ((3, 112, 8, 8), 32, *WINOGRAD),
    ((37, 32, 4, 12), 16, *WINOGRAD),
    ((2, 20, 12, 11), 50, *WINOGRAD),
    ((3, 1, 28, 28), 32, *WINOGRAD),
    ((2, 3, 2, 5), 17, *WINOGRAD),
    ((2, 32, 10, 9), 16, 3, 1, 0),
    ((2, 16, 7, 5), 32, 3, 1, ((0, 2), (3, 1))),
    ((2, 32, 11, 9), 16, 3, 1, 2, 2),
    *[
        ((3, 16, 8, 8), 32, *form)
        for form in ((1, 1, 0), (5, 1, 2), (3, 2, 1), (3, 1, 0), (1, 2, 0))
    ],
    ((2, 3, 17, 16), 6, 7, 2, 3),
    ((1, 2, 35, 34), 3, 5, 1, 2),  # more places of a gradient than are added at once
    ((2, 3, 9, 8), 4, 3, 4, 0),
    ((1, 2, 3, 3), 2, 3, 1, 5),
    *[
        ((2, 5, 12, 11), 6, (2, 3), stride, ((1, 2), (0, 3)), dilation)
        for stride in (1, 2, (3, 1))
        for dilation in (1, (2, 3))
    ],
]


def convolutions(shape, outputs, *form, groups=1):
    """Of a board in either order of memory, and as the first layer of a network."""
    size, stride, padding, dilation = (*form, 1)[:4]
    x = random(*shape)
    channels_last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for board, needs_gradient in ((x, True), (channels_last, True), (x, False)):
        settings = {"dilation": dilation, "groups": groups, "input_gradient": needs_gradient}
        yield nn.Conv2D(shape[1], outputs, size, RNG, stride, padding, **settings), board


def softmax_scores(width):
    scores = random(2, 70, width, offset=3)
    scores[0, 0], scores[1, 3, ::2] = -np.inf, -np.inf
    scores[1, 4, 1] = 1e4
    return scores


WIDTHS = 16, 48, 7, 100
KERNELS = [
    *[pair for form in FORMS for pair in convolutions(*form)],
    *[
        pair
        for channels, outputs, groups in ((20, 20, 20), (6, 18, 6), (12, 6, 3), (16, 32, 2))
        for form in (WINOGRAD, (3, 2, (0, 1), 2), (2, 2, 0))
        for pair in convolutions((2, channels, 9, 8), outputs, *form, groups=groups)
    ],
    *[
        (nn.ConvTranspose2D(shape[1], 32, 3, RNG, stride, 1), random(*shape))
        for shape in ((3, 20, 8, 8), (2, 16, 7, 5))
        for stride in (1, 2)
    ],
    *[
        (nn.BatchNorm(shape[1], relu=relu), random(*shape, offset=30))
        for shape in ((3, 16, 8, 8), (5, 8, 4, 4), (130, 48, 3, 5), (20, 32), (7, 4, 4, 4), (6, 6, 3, 3))
        for relu in (True, False)
    ],
    # Their variance was infinite, and everything came out as 0.
    *[
        (nn.BatchNorm(shape[1]), np.float32(1e36) * random(*shape))
        for shape in ((8, 3), (4, 16, 2, 2), (4, 4, 2, 2))
    ],
    *[
        (
            nn.Residual(nn.Sequential(), nn.SqueezeExcitation(shape[1], 4, RNG), function),
            random(*shape),
        )
        for shape in ((3, 16, 8, 8), (2, 48, 3, 5), (4, 6, 4, 4))
        for function in ("relu", "identity")
    ],
    # Also where the last lanes overlap, and below one lane, where no kernel runs.
    *[
        (kind(5, size, RNG), random(3, 4, 5))
        for kind in (nn.RNN, nn.GRU, nn.LSTM)
        for size in (5, 16, 20, 48)
    ],
    *[(nn.Softmax(), softmax_scores(width)) for width in WIDTHS],
    *[
        (nn.LayerNorm(width), random(2, 70, width, offset=100) * np.float32(scale))
        for width in WIDTHS
        for scale in (1, 1e19, 1e25)  # the squares of the last two have no float32
    ],
    *[
        (nn.GroupNorm(groups, 6), random(4, 6, *sides, offset=9))
        for groups, sides in ((1, ()), (2, (5,)), (3, (5, 7)), (6, (5, 7)))
    ],
    *[
        (nn.MaxPool2D(*form, dilation=dilation), np.round(3 * random(3, 5, 9, 7)))  # with ties
        for *form, dilation in (
            (2, 2, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (2, 1, 0, 2), ((1, 3), (2, 1), ((0, 0), (0, 2)), 1),
        )
    ],
]  # fmt: skip


def training_step(layer, x, dtype):
    layer = layer.astype(dtype)
    for number, array in enumerate(layer.named_parameters().values()):
        change = np.random.default_rng(number).standard_normal(array.shape)
        array += change.astype(np.float32)
    y, backward = layer.forward(floats_as(dtype, x), training=True)
    dy = np.random.default_rng(2).standard_normal(y.shape).astype(np.float32)
    assert all(np.isfinite(buffer).all() for buffer in layer.named_buffers().values())
    return arrays_in(y, backward(dy.astype(dtype)))


@pytest.mark.parametrize("case", [Case(*pair) for pair in KERNELS], ids=str)
def test_a_layer_in_single_precision_agrees_with_that_in_double(case):
    # Plain Python warns of squares that have no float32, which kernels find afterwards.
    with np.errstate(over="ignore", invalid="ignore"):
        single = training_step(case.layer, case.x, np.float32)
    wide = training_step(case.layer, case.x, np.float64)
    for array, expected in zip(single, wide, strict=True):
        assert_close(array, expected, 3e-5)


def test_winograd_takes_what_fills_its_tiles():
    for shape, outputs, *form in FORMS:
        windows = Geometry.of(*form)
        weight = random(outputs, shape[1], *windows.size)
        fits = form[:2] == [3, 1] and len(form) == 3 and shape[1] >= 16
        assert winograd.supports(random(*shape), weight, windows) == fits


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape", "nan", "spoiled"),
    [
        (nn.Softmax(), (2, 3, 20), (1, 2, 3), (1, 2)),
        (nn.LayerNorm(20), (2, 3, 20), (1, 2, 3), (1, 2)),
        (nn.GroupNorm(6, 6), (2, 6, 5), (1, 2, 3), (1, 2)),
        (nn.MaxPool2D(3, 1, 1), (3, 5, 9, 7), (1, 2, 2, 4), (1, 2, 2, 4)),
        # The kernel took the larger of NaN and 0 for 0, the array code for NaN.
        (nn.BatchNorm(16, relu=True), (2, 16, 2, 2), (0, 3, 0, 0), (0, 3, 0, 0)),
    ],
)
def test_nan_is_not_hidden(layer, shape, nan, spoiled, training):
    x = random(*shape)
    x[nan] = np.nan
    y, _ = layer.forward(x, training)
    assert np.isnan(y[spoiled]).all()


# ---- operations ----------------------------------------------------------------------------------


def test_only_float32_in_host_memory_runs_natively():
    assert isinstance(operations_for(np.zeros(1, np.float32)), NativeOperations)
    assert type(operations_for(np.zeros(1))) is Operations


def place_of(name):
    return workspace.scratch(name, (8,)).ctypes.data


def test_scratch_of_one_name_is_one_place():
    assert place_of("test") == workspace.scratch("test", (2, 2)).ctypes.data != place_of("other")


def test_scratch_belongs_to_a_thread():
    with ThreadPool(2, "test") as pool:
        assert pool.start(place_of, "test").result() != place_of("test")


FAR = [0.0, 1e-6, -1e-6, 30.0, -30.0, 86.0, -86.0, 88.0, -88.0, 1e3, -1e3, 1e30, -1e30]


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x.transpose(0, 2, 1),
        lambda x: x[:, ::-1],
        lambda x: np.broadcast_to(x[..., None], (5, 5, 9, 2)),
    ],
)
@pytest.mark.parametrize("name", PAIRS)
def test_activations_agree_with_the_reference_at_any_size(name, layout):
    """Also where the last lanes are not filled. Of an axis that runs backwards or stands still in
    memory, y had the numbers in another order.
    """
    x = layout(np.append(FAR, 8 * random(212)).astype(np.float32).reshape(5, 5, 9))
    dy = layout(random(5, 5, 9))
    y, slope = NATIVE.activate(ACTIVATIONS[name], x)
    with np.errstate(over="ignore"):
        expected, wide_slope = REFERENCE.activate(ACTIVATIONS[name], double(x))
        wide_dx = wide_slope(double(dy))
    assert min(x.strides) <= 0 or y.strides == x.strides
    for array, wide in ((y, expected), (slope(dy), wide_dx)):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, wide, rtol=5e-7, atol=5e-7)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("width", [3, 16, 100])
def test_cross_entropy_of_classes_agrees_with_that_in_double_precision(width, smoothing, reduction):
    logits = 5 * random(4, 6, width)
    classes = RNG.integers(0, width, (4, 6))
    if not smoothing:  # which would cost infinity
        logits[0, 0, 0] = -np.inf
        classes[0, 0] = 1
    options = {"ignore_index": 2, "label_smoothing": smoothing, "reduction": reduction}
    for further in ({}, {"class_weights": RNG.random(width), "weights": RNG.random((4, 6))}):
        loss, gradient = softmax_cross_entropy(logits, classes, **options, **further)
        expected, wide_gradient = softmax_cross_entropy(
            double(logits), classes, **options, **further
        )
        np.testing.assert_allclose(loss, expected, rtol=1e-6, atol=1e-6)
        if reduction != "none":
            assert loss.places == pytest.approx(expected.places)
        assert_close(gradient, wide_gradient)
