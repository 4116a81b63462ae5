"""The native float32 operations against the plain array reference in float64."""

import numpy as np
import pytest

from engine.native.pool import ThreadPool
from engine.nn.layers.activations import ACTIVATIONS
from engine.nn.losses import softmax_cross_entropy
from engine.nn.operations import NativeOperations, Operations, operations_for, winograd, workspace
from engine.nn.operations.elementwise import PAIRS
from engine.nn.operations.geometry import Geometry
from tests.gradient.cases import arrays_in

pytestmark = pytest.mark.plain

NATIVE = NativeOperations(np)
REFERENCE = Operations(np)


@pytest.fixture
def random():
    """Draws normal numbers of a shape."""
    rng = np.random.default_rng(5)

    def draw(*shape, offset=0.0):
        return (offset + rng.standard_normal(shape)).astype(np.float32)

    return draw


def double(array):
    return array.astype(np.float64)


def assert_close(actual, expected, tolerance=2e-6):
    """Equal up to `tolerance` times the largest value."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    assert (
        float(np.abs(actual - expected).max()) <= tolerance * float(np.abs(expected).max()) + 1e-12
    )


def assert_agrees(name, arrays, *settings, tolerance=2e-6, **options):
    """Compare an operation's results and gradients with the reference, and return them."""
    copies = [array.copy(order="K") for array in arrays]
    *results, backward = getattr(NATIVE, name)(*copies, *settings, **options)
    *expected, wide_backward = getattr(REFERENCE, name)(*map(double, arrays), *settings, **options)
    dy = np.random.default_rng(2).standard_normal(results[0].shape).astype(np.float32)
    actual = arrays_in([results, backward(dy.copy())])
    wide = arrays_in([expected, wide_backward(double(dy))])
    for array, wide_array in zip(actual, wide, strict=True):
        assert_close(array, wide_array, tolerance)
    return actual


WINOGRAD = (3, 1, 1)  # size, stride and padding
FORMS = [  # shape of x, number of kernels, then their size, stride, padding and dilation
    ((3, 112, 8, 8), 32, *WINOGRAD),
    ((37, 32, 4, 12), 16, *WINOGRAD),
    ((2, 20, 12, 11), 50, *WINOGRAD),
    ((3, 1, 28, 28), 32, *WINOGRAD),
    ((2, 3, 2, 5), 17, *WINOGRAD),
    ((2, 32, 10, 9), 16, 3, 1, 0),
    ((2, 16, 7, 5), 32, 3, 1, ((0, 2), (3, 1))),
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


GROUPS = [
    ((2, channels, 9, 8), outputs, groups, *form)
    for channels, outputs, groups in ((20, 20, 20), (6, 18, 6), (12, 6, 3), (16, 32, 2))
    for form in (WINOGRAD, (3, 2, (0, 1), 2), (2, 2, 0))
]


@pytest.mark.parametrize("channels_last", [True, False], ids=["nhwc", "nchw"])
@pytest.mark.parametrize(
    "form", [*((shape, outputs, 1, *form) for shape, outputs, *form in FORMS), *GROUPS], ids=str
)
def test_convolution_agrees_with_the_reference(form, channels_last, random):
    shape, outputs, groups, *settings = form
    windows = Geometry.of(*settings)
    x, weight = random(*shape), random(outputs, shape[1] // groups, *windows.size)
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    by_winograd = winograd.supports(x, weight, windows)
    if groups == 1:
        assert by_winograd == (settings[:2] == [3, 1] and len(settings) == 3 and shape[1] >= 16)
    options = {"tolerance": 3e-5 if by_winograd or groups > 1 else 2e-6}
    arrays = x, weight
    assert_agrees("conv2d", arrays, windows, groups, **options)
    without = assert_agrees("conv2d", arrays, windows, groups, **options, input_gradient=False)
    assert len(without) == 2, "no gradient of the input"
    dy = random(shape[0], outputs, *windows.sides(shape[2:]))
    dx = NATIVE.conv2d_transposed(dy, weight, shape[2:], windows, groups)
    wide = REFERENCE.conv2d_transposed(double(dy), double(weight), shape[2:], windows, groups)
    assert_close(dx, wide, 3e-5)


def test_scattered_rows_agree_with_the_reference(random):
    rows = random(6, 5)
    chosen = np.random.default_rng(4).integers(-1, 9, (6, 4)).astype(np.int32)
    expected = REFERENCE.scatter_rows(double(rows), chosen, 9)
    assert_close(NATIVE.scatter_rows(rows, chosen, 9), expected)


def test_a_bias_agrees_with_the_reference(random):
    for x in (random(3, 8, 8, 8), random(3, 8, 8, 8).transpose(0, 3, 1, 2)):
        assert_agrees("add_bias", (x, random(8)))


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    "shape", [(3, 16, 8, 8), (5, 8, 4, 4), (130, 48, 3, 5), (20, 32), (7, 4, 4, 4), (6, 6, 3, 3)]
)
def test_batch_norm_agrees_with_the_reference(shape, relu, random):
    arrays = random(*shape, offset=30.0), random(shape[1]), random(shape[1])
    # An offset of 30 deviations costs a digit.
    assert_agrees("batch_norm", arrays, 1e-5, relu, tolerance=2e-5)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", [(3, 16, 8, 8), (2, 48, 3, 5), (4, 6, 4, 4)])
def test_gated_sum_agrees_with_the_reference(shape, relu, random):
    x, skip, dy = (random(*shape) for _ in range(3))
    scale, shift, dmean = (random(*shape[:2]) for _ in range(3))
    results = []
    for operations, cast in ((NATIVE, np.copy), (REFERENCE, double)):
        y, backward = operations.gated_sum(*map(cast, (x, scale, shift, skip)), relu)
        *gradients, input_gradient = backward(cast(dy))
        mean = operations.square_mean(cast(x))
        results.append([y, *gradients, input_gradient(cast(dmean)), mean])
    for array, expected in zip(*results, strict=True):
        assert_close(array, expected)


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


@pytest.mark.parametrize("size", [5, 16, 20, 48])
@pytest.mark.parametrize(("kind", "gates"), [("lstm_step", 4), ("gru_step", 3)])
def test_recurrent_steps_agree_with_the_reference(kind, gates, size, random):
    """Also where the last lanes overlap, and below one lane, where no kernel runs."""
    arrays = [random(3, gates * size), random(3, gates * size), random(3, size)]
    if kind == "gru_step":
        arrays.insert(2, random(size))
    slopes = [random(3, size) for _ in range(gates - 2)]
    results = []
    for operations, cast in ((NATIVE, np.copy), (REFERENCE, double)):
        *outputs, backward = getattr(operations, kind)(*map(cast, arrays))
        filled = [cast(0 * arrays[0]) for _ in range(5 - gates)]
        results.append([*outputs, backward(*map(cast, slopes), *filled), *filled])
    for array, expected in zip(*results, strict=True):
        assert_close(array, expected)


WIDTHS = pytest.mark.parametrize("width", [16, 48, 7, 100])


@WIDTHS
def test_softmax_agrees_with_the_reference(width, random):
    scores = random(2, 70, width, offset=3)
    scores[0, 0], scores[1, 3, ::2] = -np.inf, -np.inf
    scores[1, 4, 1] = 1e4
    shares, _ = assert_agrees("softmax", (scores,))
    assert not shares[0, 0].any()
    scores[1, 2, 3] = np.nan
    assert np.isnan(NATIVE.softmax(scores)[0][1, 2]).all()


@WIDTHS
@pytest.mark.parametrize("scale", [1, 1e19, 1e25])  # the squares of the last two have no float32
def test_layer_norm_agrees_with_the_reference(width, scale, random):
    x = random(2, 70, width, offset=100) * np.float32(scale)
    gamma, beta = random(width), random(width)
    assert_agrees("layer_norm", (x, gamma, beta), 1e-5, tolerance=3e-5)
    x[0, 3, 2] = np.nan
    assert np.isnan(NATIVE.layer_norm(x, gamma, beta, 1e-5)[0][0, 3]).all()


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
def test_activations_agree_with_the_reference_at_any_size(name, layout, random):
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
def test_cross_entropy_of_classes_agrees_with_that_in_double_precision(
    width, smoothing, reduction, random
):
    rng = np.random.default_rng(7)
    logits = 5 * random(4, 6, width)
    classes = rng.integers(0, width, (4, 6))
    if not smoothing:  # which would cost infinity
        logits[0, 0, 0] = -np.inf
        classes[0, 0] = 1
    options = {"ignore_index": 2, "label_smoothing": smoothing, "reduction": reduction}
    for further in ({}, {"class_weights": rng.random(width), "weights": rng.random((4, 6))}):
        loss, gradient = softmax_cross_entropy(logits, classes, **options, **further)
        expected, wide_gradient = softmax_cross_entropy(
            double(logits), classes, **options, **further
        )
        np.testing.assert_allclose(loss, expected, rtol=1e-6, atol=1e-6)
        if reduction != "none":
            assert loss.places == pytest.approx(expected.places)
        assert_close(gradient, wide_gradient)


@pytest.mark.parametrize(("groups", "sides"), [(1, ()), (2, (5,)), (3, (5, 7)), (6, (5, 7))])
def test_group_norm_agrees_with_the_reference(groups, sides, random):
    x, gamma, beta = random(4, 6, *sides, offset=9), random(6), random(6)
    assert_agrees("group_norm", (x, gamma, beta), groups, 1e-5, tolerance=2e-5)
    x[1, 2] = np.nan
    assert np.isnan(NATIVE.group_norm(x, gamma, beta, groups, 1e-5)[0][1, 2]).all()


@pytest.mark.parametrize(
    ("window", "stride", "padding", "dilation"),
    [(2, 2, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (2, 1, 0, 2), ((1, 3), (2, 1), ((0, 0), (0, 2)), 1)],
)
def test_the_largest_of_windows_agrees_with_the_reference(window, stride, padding, dilation):
    rng = np.random.default_rng(8)
    x = rng.integers(0, 9, (3, 5, 9, 7)).astype(np.float32)  # with ties
    geometry = Geometry.of(window, stride, padding, dilation)
    assert_agrees("max_pool", (x,), geometry)
    x[1, 2, 2, 4] = np.nan
    assert np.isnan(NATIVE.max_pool(x, geometry)[0]).any()
