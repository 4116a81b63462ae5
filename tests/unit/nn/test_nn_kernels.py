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


def random(rng, *shape, offset=0.0):
    return (offset + rng.standard_normal(shape)).astype(np.float32)


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
    copies = [one.copy(order="K") for one in arrays]
    *found, backward = getattr(NATIVE, name)(*copies, *settings, **options)
    *expected, wide_backward = getattr(REFERENCE, name)(*map(double, arrays), *settings, **options)
    dy = random(np.random.default_rng(2), *found[0].shape)
    actual = arrays_in([found, backward(dy.copy())])
    for one, other in zip(actual, arrays_in([expected, wide_backward(double(dy))]), strict=True):
        assert_close(one, other, tolerance)
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


@pytest.mark.parametrize("channels_last", [True, False], ids=["nhwc", "nchw"])
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_convolution_agrees_with_the_reference(form, channels_last):
    rng = np.random.default_rng(1)
    shape, outputs, *settings = form
    windows = Geometry.of(*settings)
    x, weight = random(rng, *shape), random(rng, outputs, shape[1], *windows.size)
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    by_winograd = winograd.supports(x, weight, windows)
    assert by_winograd == (settings[:2] == [3, 1] and len(settings) == 3 and shape[1] >= 16)
    tolerance = 3e-5 if by_winograd else 2e-6
    assert_agrees("conv2d", (x, weight), windows, tolerance=tolerance)
    without = assert_agrees(
        "conv2d", (x, weight), windows, tolerance=tolerance, input_gradient=False
    )
    assert len(without) == 2, "no gradient of the input"


@pytest.mark.parametrize(
    ("channels", "outputs", "groups"), [(20, 20, 20), (6, 18, 6), (12, 6, 3), (16, 32, 2)]
)
@pytest.mark.parametrize("form", [(3, 1, 1), (3, 2, (0, 1), 2), (2, 2, 0)], ids=str)
def test_groups_of_a_convolution_agree_with_the_reference(channels, outputs, groups, form):
    rng = np.random.default_rng(1)
    windows = Geometry.of(*form)
    x = random(rng, 2, channels, 9, 8)
    weight = random(rng, outputs, channels // groups, *windows.size)
    assert_agrees("conv2d", (x, weight), windows, groups, tolerance=3e-5)  # some by Winograd
    dy = random(rng, 2, outputs, *windows.sides((9, 8)))
    dx = NATIVE.conv2d_transposed(dy, weight, (9, 8), windows, groups)
    wide_dx = REFERENCE.conv2d_transposed(double(dy), double(weight), (9, 8), windows, groups)
    assert_close(dx, wide_dx, 3e-5)


def test_sums_agree_with_the_reference():
    rng = np.random.default_rng(4)
    a, b = random(rng, 2, 16, 4, 4), random(rng, 2, 16, 4, 4)
    assert_close(NATIVE.add(a, b), double(a) + double(b))


def test_scattered_rows_agree_with_the_reference():
    rng = np.random.default_rng(4)
    rows = random(rng, 6, 5)
    chosen = rng.integers(-1, 9, (6, 4)).astype(np.int32)
    expected = REFERENCE.scatter_rows(double(rows), chosen, 9)
    assert_close(NATIVE.scatter_rows(rows, chosen, 9), expected)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2)], ids=["nchw", "nhwc"])
def test_a_bias_agrees_with_the_reference(axes):
    rng = np.random.default_rng(4)
    assert_agrees("add_bias", (random(rng, 3, 8, 8, 8).transpose(axes), random(rng, 8)))


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    "shape", [(3, 16, 8, 8), (5, 8, 4, 4), (130, 48, 3, 5), (20, 32), (7, 4, 4, 4), (6, 6, 3, 3)]
)
def test_batch_norm_agrees_with_the_reference(shape, relu):
    rng = np.random.default_rng(5)
    x, gamma, beta = random(rng, *shape, offset=30.0), random(rng, shape[1]), random(rng, shape[1])
    # An offset of 30 deviations costs a digit.
    assert_agrees("batch_norm", (x, gamma, beta), 1e-5, relu, tolerance=2e-5)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", [(3, 16, 8, 8), (2, 48, 3, 5), (4, 6, 4, 4)])
def test_gated_sum_agrees_with_the_reference(shape, relu):
    rng = np.random.default_rng(6)
    x, skip, dy = (random(rng, *shape) for _ in range(3))
    scale, shift, dmean = (random(rng, *shape[:2]) for _ in range(3))
    y, backward = NATIVE.gated_sum(x, scale, shift, skip, relu)
    expected_y, expected_backward = REFERENCE.gated_sum(*map(double, (x, scale, shift, skip)), relu)
    actual = backward(dy)
    expected = expected_backward(double(dy))
    assert_close(y, expected_y)
    for part, wanted in zip(actual[:3], expected[:3], strict=True):
        assert_close(part, wanted)
    assert_close(actual.input_gradient(dmean), expected.input_gradient(double(dmean)))
    assert_close(NATIVE.square_mean(x), double(x).mean(axis=(2, 3)))


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
def test_recurrent_steps_agree_with_the_reference(size):
    """Also where the last lanes overlap, and below one lane, where no kernel runs."""
    rng = np.random.default_rng(4)
    before = random(rng, 3, size)
    dh = random(rng, 3, size)
    dm = random(rng, 3, size)
    bias = random(rng, size)
    for gates, kind, given in ((4, "lstm_step", (before,)), (3, "gru_step", (bias, before))):
        a, c = random(rng, 3, gates * size), random(rng, 3, gates * size)
        *found, backward = getattr(NATIVE, kind)(a, c, *given)
        *expected, wide_backward = getattr(REFERENCE, kind)(
            double(a), double(c), *map(double, given)
        )
        slopes = (dh, dm)[: gates - 2]
        filled = [np.zeros_like(a) for _ in range(5 - gates)]
        wide_filled = [double(one) for one in filled]
        found += [backward(*slopes, *filled), *filled]
        expected += [wide_backward(*map(double, slopes), *wide_filled), *wide_filled]
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)


WIDTHS = pytest.mark.parametrize("width", [16, 48, 7, 100])


@WIDTHS
def test_softmax_agrees_with_the_reference(width):
    scores = random(np.random.default_rng(5), 2, 70, width, offset=3)
    scores[0, 0], scores[1, 3, ::2] = -np.inf, -np.inf
    scores[1, 4, 1] = 1e4
    shares, _ = assert_agrees("softmax", (scores,))
    assert not shares[0, 0].any()
    scores[1, 2, 3] = np.nan
    assert np.isnan(NATIVE.softmax(scores)[0][1, 2]).all()


@WIDTHS
@pytest.mark.parametrize("scale", [1, 1e19, 1e25])  # the squares of the last two have no float32
def test_layer_norm_agrees_with_the_reference(width, scale):
    rng = np.random.default_rng(5)
    x = random(rng, 2, 70, width, offset=100) * np.float32(scale)
    gamma, beta = random(rng, width), random(rng, width)
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
def test_activations_agree_with_the_reference_at_any_size(name, layout):
    """Also where the last lanes are not filled. Of an axis that runs backwards or stands still in
    memory, y had the numbers in another order.
    """
    rng = np.random.default_rng(6)
    x = layout(np.array([*FAR, *rng.uniform(-20, 20, 212)], np.float32).reshape(5, 5, 9))
    dy = layout(random(rng, 5, 5, 9))
    y, slope = NATIVE.activate(ACTIVATIONS[name], x)
    with np.errstate(over="ignore"):
        expected, wide_slope = REFERENCE.activate(ACTIVATIONS[name], double(x))
        wide_dx = wide_slope(double(dy))
    assert min(x.strides) <= 0 or y.strides == x.strides
    for found, wanted in ((y, expected), (slope(dy), wide_dx)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=5e-7, atol=5e-7)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("width", [3, 16, 100])
def test_cross_entropy_of_classes_agrees_with_that_in_double_precision(width, smoothing, reduction):
    rng = np.random.default_rng(7)
    logits = 5 * random(rng, 4, 6, width)
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


@pytest.mark.parametrize("number", [0.0, 3.0, -3.0, 90.0, -90.0, 1e30, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_binary_cross_entropy_agrees_with_the_reference(number, target):
    logits, targets = np.full((3, 7), number, np.float32), np.full((3, 7), target, np.float32)
    with np.errstate(invalid="ignore"):
        expected = REFERENCE.binary_cross_entropy(double(logits), double(targets))
    for terms, wide_terms in zip(
        NATIVE.binary_cross_entropy(logits, targets), expected, strict=True
    ):
        np.testing.assert_allclose(terms, wide_terms, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize(("groups", "sides"), [(1, ()), (2, (5,)), (3, (5, 7)), (6, (5, 7))])
def test_group_norm_agrees_with_the_reference(groups, sides):
    rng = np.random.default_rng(5)
    x, gamma, beta = random(rng, 4, 6, *sides, offset=9), random(rng, 6), random(rng, 6)
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
