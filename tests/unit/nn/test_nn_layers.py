"""Layers: shapes, names, configurations, copies and errors.

`tests/gradient` checks their gradients, `test_onnx_file` compares what they compute with ONNX
Runtime.
"""

import re

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError
from engine.nn import dit
from engine.nn.norm_folding import fold_norms
from engine.nn.numeric import mapped
from tests.gradient.cases import CASES, Case, arrays_in


def rng():
    return np.random.default_rng(5)


def small_network():
    body = nn.Sequential(conv=nn.Conv2D(16, 16, 3, rng(), bias=False), norm=nn.BatchNorm(16))
    trunk = nn.Sequential(
        conv=nn.Conv2D(3, 16, 3, rng()),
        norm=nn.BatchNorm(16, relu=True),
        block=nn.Residual(body, nn.SqueezeExcitation(16, 4, rng())),
    )
    head = nn.Sequential(
        flatten=nn.Flatten(), dense=nn.Dense(16 * 16, 2, rng()), out=nn.Activation("tanh")
    )
    return nn.MultiHead(trunk, {"value": head})


def image():
    return rng().standard_normal((2, 3, 4, 4)).astype(np.float32)


def test_dropout_keeps_the_mean():
    layer = nn.Dropout(0.25, rng())
    x = np.ones((200, 100), np.float32)
    y, backward = layer.forward(x, training=True)
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    assert y.mean() == pytest.approx(1, abs=0.02)
    assert np.array_equal(backward(x)[0], y)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_keeps_nothing_of_a_call(case):
    """Backward passes may run in any order, and twice: each closes over its own call."""
    layer = case.layer.astype(np.float64)
    y, backward = layer.forward(case.x, training=True, **case.options)
    dy = mapped(np.ones_like, y)
    first = arrays_in(backward(dy))
    other = tuple(part[::-1] for part in case.x) if isinstance(case.x, tuple) else case.x[::-1]
    layer.forward(other, training=True, **case.options)[1](dy)
    assert all(
        np.array_equal(one, again)
        for one, again in zip(first, arrays_in(backward(dy)), strict=True)
    )


SEQUENCES = np.ones((2, 3, 4), np.float32)


def test_attention_across_one_sequence_has_two_gradients():
    _, backward = nn.CrossAttention(4, 4, 2, rng()).forward((SEQUENCES, SEQUENCES))
    assert len(backward(SEQUENCES)[0]) == 2


def test_a_norm_behind_a_convolution_of_sequences_is_folded():
    model = nn.Sequential(nn.Conv1D(3, 5, 3, rng()), nn.BatchNorm(5))
    assert np.allclose(fold_norms(model)(SEQUENCES), model(SEQUENCES), atol=1e-4)


# ---- names, configurations and copies ------------------------------------------------------------


def test_parameters_are_named_by_their_path():
    names = list(small_network().named_parameters())
    assert names[:2] == ["trunk.conv.weight", "trunk.conv.bias"]
    assert "trunk.block.se.squeeze.weight" in names
    assert names[-1] == "value.dense.bias"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, r"dense1\.bias"),
        ({"dense1.bias": np.zeros(1), "stranger": np.zeros(1)}, "stranger"),
        ({"dense1.bias": np.zeros(7)}, r"dense1\.bias"),
    ],
)
def test_tensors_that_do_not_fit_change_nothing(given, told):
    model = nn.Sequential(nn.Dense(2, 1, rng()))
    given = {"dense1.weight": np.zeros((1, 2)), **given}
    before = model[0].params["weight"].copy()
    with pytest.raises((ConfigError, ShapeError), match=told):
        model.load_parameters(given)
    assert np.array_equal(before, model[0].params["weight"])


def test_a_parameter_keeps_its_shape_and_its_dtype():
    """Kernels read behind the end of a smaller one."""
    params = nn.BatchNorm(8).params
    with pytest.raises(ShapeError, match=r"gamma: expected float32 \[8\], found float64 \[3\]"):
        params["gamma"] = np.ones(3)
    params["gamma"] = np.ones(8)
    assert params["gamma"].dtype == np.float32


def test_a_replica_owns_its_buffers_alone():
    network = small_network()
    twin = network.replica()
    for name, array in network.named_parameters().items():
        assert twin.named_parameters()[name] is array
    twin.forward(image(), training=True)
    assert not network.named_buffers()["trunk.norm.running_mean"].any()
    assert twin.named_buffers()["trunk.norm.running_mean"].any()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Dense(3, 2, rng()), (3,)),
        (lambda: nn.Conv2D(2, 2, 5, rng(), padding=0), (1, 2, 4, 8)),
        (lambda: nn.BatchNorm(3), (2, 4)),
        (nn.Flatten, (3,)),
        (lambda: nn.Reshape([2, 2]), (3, 5)),
        (lambda: nn.AveragePool2D(2), (1, 4, 4)),
        # NaN, as behind a window of padding alone, infinity
        (nn.GlobalAveragePool, (1, 2, 3, 0)),
        (lambda: nn.MaxPool2D(2, padding=1), (1, 2, 0, 3)),
        (lambda: nn.Residual(nn.Sequential(conv=nn.Conv2D(2, 3, 3, rng()))), (1, 2, 4, 4)),
    ],
)
def test_a_wrong_input_shape_is_a_shape_error(layer, shape):
    with pytest.raises(ShapeError, match=str(shape[-1])):
        layer().forward(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("settings", "side"),
    [
        ((2, 1, 3, 3), 1),
        ((2, 1, 1, 3), 2),
        ((2, 1, ((0, 0), (3, 3)), (1, 3)), 1),
    ],
)
def test_a_dilated_window_of_padding_alone_is_a_shape_error(settings, side):
    """The maximum was minus infinity, although padding never wins."""
    window, stride, padding, dilation = settings
    pool = nn.MaxPool2D(window, stride, padding, dilation=dilation)
    with pytest.raises(ShapeError, match="nothing but padding"):
        pool(np.zeros((1, 1, 2, side), np.float32))


def test_a_dilated_window_around_a_small_board_finds_its_square():
    pool = nn.MaxPool2D(3, 1, 2, dilation=2)
    assert pool(np.full((1, 1, 1, 1), -7, np.float32)).tolist() == [[[[-7.0]]]]


@pytest.mark.parametrize(
    "x",
    [np.zeros((2, 3)), np.zeros((2, 3), int), [[0.0] * 3] * 2, None, np.array("text")],
)
def test_a_wrong_dtype_is_a_shape_error(x):
    """A double would silently turn the whole computation double."""
    with pytest.raises(ShapeError, match=r"Dense: expected float32 \[B, ..., 3\], found"):
        nn.Dense(3, 2, rng()).forward(x)
    with pytest.raises(ShapeError, match="Activation: expected floating"):
        nn.Activation("relu").forward(np.zeros((1, 1, 2, 2), int))


def test_an_error_deep_inside_names_the_path_of_its_layer():
    with pytest.raises(
        ShapeError, match=r"^value\.dense: Dense: expected float32 \[B, \.\.\., 256\], found"
    ) as caught:
        small_network().forward(np.zeros((2, 3, 4, 5), np.float32))
    assert caught.value.layer == "value.dense"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_gradient_that_does_not_fit_is_a_shape_error(case):
    y, backward = case.layer.astype(np.float64).forward(case.x, training=True, **case.options)
    right = np.zeros(shape_of(y))
    # dx was cast to the dtype of the last one
    for wrong in (np.zeros(1), right[None].repeat(7, 0), right[..., 0], right.astype(int)):
        with pytest.raises(ShapeError, match=re.escape(f"found {wrong.dtype} {[*wrong.shape]}")):
            backward(mapped(lambda part, wrong=wrong: wrong, y))


def shape_of(y):
    return arrays_in(y)[0].shape


BAD_CONFIGURATIONS = [
    {},
    {"layer": "nonsense"},
    {"layer": "dense", "inputs": 3},
    {"layer": "dense", "inputs": "3", "outputs": 2},
    {"layer": "dense", "inputs": 1, "outputs": 1, "colour": "red"},
    {"layer": "sequential", "layers": {"self": {"layer": "flatten"}}},
    {"layer": "sequential", "layers": {"a.b": {"layer": "flatten"}}},
    {"layer": "residual", "body": {"layer": "flatten"}, "se": None, "activation": "relu"},
    {"layer": "activation", "function": "magic"},
    {"layer": "multi_head", "trunk": {"layer": "flatten"}, "heads": {}},
]


@pytest.mark.parametrize(
    "build",
    [
        *[
            lambda config=config: nn.layer_from_config(config, rng())
            for config in BAD_CONFIGURATIONS
        ],
        lambda: nn.Activation("softmax"),
        lambda: nn.Sequential(nn.Dense(3, 2, rng()), "relu"),
        lambda: nn.Sequential(nn.Flatten(), flatten1=nn.Flatten()),
        lambda: nn.Dropout(1.0, rng()),
        lambda: nn.Dropout(float("nan"), rng()),
        lambda: nn.Conv2D(1, 1, (3, 3, 3), rng()),
        lambda: nn.Conv2D(1, 1, 3, rng(), padding=(1, (1, 2, 3))),
        lambda: nn.Conv2D(4, 6, 3, rng(), groups=4),
        lambda: nn.ConvTranspose2D(1, 1, 3, rng(), stride=2, output_padding=2),
        lambda: nn.AveragePool2D(3, padding=3),
        lambda: nn.Upsample(2, "nearest", align_corners=True),
        lambda: nn.Transpose([1, 1]),
        lambda: nn.Softmax(0),
        lambda: nn.GroupNorm(2, 3),
        lambda: nn.Activation("relu", alpha=0.1),
        lambda: nn.SelfAttention(6, 2, rng(), rotary=True),
        lambda: nn.SelfAttention(6, 4, rng()),
        lambda: nn.Reshape([2.5]),
        lambda: nn.LayerNorm(2, epsilon=0),
        lambda: nn.Activation("celu", alpha=0),
        lambda: nn.MultiHead(nn.Flatten(), {1: nn.Flatten()}),
    ],
)
def test_settings_out_of_range_are_config_errors(build):
    with pytest.raises(ConfigError):
        build()


def emptied(x):
    """No rows of the batch; a table beside it, as of Smolgen, keeps its own."""
    if not isinstance(x, tuple):
        return x[:0]
    return tuple(part[:0] if len(part) == len(x[0]) else part for part in x)


IMAGES = np.zeros((2, 16, 8, 8))
NATIVE = [  # of a size for which there are kernels
    Case(nn.Conv2D(16, 16, 3, rng()), IMAGES),
    Case(nn.Conv2D(16, 16, 1, rng()), IMAGES),
    Case(nn.BatchNorm(16, relu=True), IMAGES),
    Case(nn.SqueezeExcitation(16, 4, rng()), IMAGES),
    Case(nn.Residual(nn.Sequential(nn.Conv2D(16, 16, 3, rng()), nn.BatchNorm(16))), IMAGES),
    Case(small_network().trunk.children()["block"], IMAGES),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", [*CASES, *NATIVE], ids=str)
def test_an_empty_batch_has_an_empty_result(case, dtype):
    """Reshaping to a side of -1 had no answer in Flatten, attention and recurrent layers."""
    layer = case.layer.astype(dtype)
    empty = layer.prepared(emptied(case.x))
    nothing, backward = layer.forward(
        empty, **{name: mask[:0] for name, mask in case.options.items()}
    )
    assert shape_of(nothing) == (0, *shape_of(layer(case.x, **case.options))[1:])
    dx, grads = backward(nothing)
    assert not any(gradient.any() for gradient in grads.values())
    assert not isinstance(dx, np.ndarray) or dx.shape == empty.shape


@pytest.mark.parametrize("case", NATIVE, ids=str)
def test_a_gradient_in_double_precision_is_not_read_as_single_precision(case):
    """The kernels took its memory for float32: gradients of 1e36, or NaN."""
    x, dy = (rng().standard_normal((4, 16, 8, 8)).astype(np.float32) for _ in range(2))
    _, backward = case.layer.forward(x, training=True)
    dx, grads = backward(dy)
    dx_double, grads_double = backward(dy.astype(np.float64))
    assert np.allclose(dx, dx_double, atol=1e-5)
    assert all(np.allclose(grads[name], grads_double[name], rtol=1e-4, atol=1e-4) for name in grads)


SHARED = nn.Dense(3, 3, rng())


def test_a_layer_without_arrays_may_stand_in_two_places():
    relu = nn.Activation("relu")
    assert len(nn.Sequential(relu, SHARED, relu).named_parameters()) == 2


@pytest.mark.parametrize(
    ("build", "places"),
    [
        (lambda: nn.Sequential(SHARED, SHARED), "dense1 and dense2"),
        (lambda: nn.Sequential(a=SHARED, b=nn.Sequential(inner=SHARED)), r"a and b\.inner"),
        (lambda: nn.MultiHead(nn.Sequential(SHARED), {"v": SHARED}), r"trunk\.dense1 and v"),
        (lambda: nn.Add(SHARED, SHARED), "dense1 and dense2"),
        (lambda: nn.Sequential(SHARED).append(SHARED), "dense1 and dense2"),
    ],
)
def test_a_layer_with_arrays_in_two_places_is_named_by_both(build, places):
    """An optimizer stepped it twice."""
    with pytest.raises(ConfigError, match=f"{places} are one layer, which would be trained twice"):
        build()


@pytest.mark.parametrize("view", [lambda array: array, lambda array: array.T])
@pytest.mark.parametrize(
    "use",
    [
        lambda tied: dit.save("tied.dit", tied),
        lambda tied: tied.astype(np.float64),
        lambda tied: tied.named_parameters(),
    ],
)
def test_an_array_under_two_names_is_refused(use, view):
    """A copy in another dtype made two of it."""
    tied = nn.Sequential(first=nn.Dense(3, 3, rng()), second=nn.Dense(3, 3, rng()))
    tied["second"].params["weight"] = view(tied["first"].params["weight"])
    with pytest.raises(ConfigError, match=r"first\.weight and second\.weight are one array"):
        use(tied)


def test_gradients_for_unknown_heads_are_refused():
    network = small_network()
    _, backward = network.forward(image(), training=True)
    for dy, found in (
        ({"policy": np.zeros((2, 2), np.float32)}, "policy"),
        (np.zeros((2, 2), np.float32), "ndarray"),
    ):
        with pytest.raises(
            ShapeError, match=rf"gradients by name of \['value'\], found \['{found}'\]"
        ):
            backward(dy)


def test_rounding_up_adds_no_window_that_begins_behind_the_board():
    assert nn.MaxPool1D(2, 3, 1, ceil=True)(np.zeros((1, 1, 4))).shape == (1, 1, 2)
