"""Models in ONNX files compute in ONNX Runtime what they compute here."""

import contextlib
import sys

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError
from engine.nn.layers.recurrent import Recurrent
from engine.nn.numeric import floats_as, named_parts
from engine.nn.onnx_file import save_onnx
from tests.gradient.cases import CASES, numbers


def assert_same_in_runtime(path, model, x, mask=None):
    """`x` may have other sides than the example, where these are free."""
    runtime = pytest.importorskip("onnxruntime")
    x = floats_as(np.float32, x)
    options = {} if mask is None else {"mask": mask}
    expected = named_parts(model(x, **options), "y")
    with contextlib.suppress(ImportError):
        import onnx

        onnx.checker.check_model(str(path), full_check=True)
    session = runtime.InferenceSession(str(path))
    assert [output.name for output in session.get_outputs()] == list(expected)
    found = session.run(None, named_parts(x, "x") | options)
    for name, array in zip(expected, found, strict=True):
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def doubled(x):
    return tuple(map(doubled, x)) if isinstance(x, tuple) else np.concatenate([x, x])


def is_passed_over(case):
    """Whether a mask passes over places of a recurrent layer."""
    layers = [layer for _, layer in case.layer.walk()]
    return "mask" in case.options and any(isinstance(layer, Recurrent) for layer in layers)


@pytest.mark.parametrize("case", [case for case in CASES if not is_passed_over(case)], ids=str)
def test_every_layer_goes_to_onnx_with_any_number_of_rows(case, tmp_path):
    mask = case.options.get("mask")
    path = tmp_path / "layer.onnx"
    layer = case.layer.astype(np.float32)
    # Of a bias, axis 1 has the heads.
    is_sequence = isinstance(layer, nn.SelfAttention) and not isinstance(case.x, tuple)
    save_onnx(path, layer, case.x, mask, free=(0, 1) if is_sequence else (0,))
    assert_same_in_runtime(path, layer, case.x, mask)
    if not isinstance(layer, nn.Smolgen | nn.EncoderLayer):  # whose tables have no batch
        assert_same_in_runtime(
            path, layer, doubled(case.x), None if mask is None else doubled(mask)
        )


def layers_of_sequences(rng):
    """A random layer that turns [B, T, 6] to [B, T, 6]; those that can, see the mask."""
    block = {
        "features": 6,
        "heads": 3,
        "hidden": 4,
        "activation": "gelu",
        "causal": bool(rng.integers(2)),
    }
    inner = nn.Sequential(
        nn.LayerNorm(6), nn.SelfAttention(6, 2, rng, inner=4), nn.Dropout(0.1, rng)
    )
    kinds = [
        nn.Residual(inner, activation="identity"),
        nn.Residual(nn.Sequential(nn.Residual(nn.Sequential(nn.Encoder(2, block, rng))))),
    ]
    return kinds[rng.integers(len(kinds))]


def layers_of_boards(rng):
    """A random layer that turns [B, 4, H, W] to boards of 4 channels."""
    body = nn.Sequential(nn.Conv2D(4, 4, 3, rng, bias=False), nn.BatchNorm(4, relu=True))
    kinds = [
        nn.Conv2D(4, 4, 3, rng, stride=2),
        nn.Sequential(nn.MaxPool2D(3, stride=1, padding=1), nn.Activation("selu")),
        nn.Residual(body, nn.SqueezeExcitation(4, 2, rng, "swish"), "mish"),
        nn.Sequential(inner=nn.Sequential(nn.Residual(body), nn.Dropout(0.5, rng))),
    ]
    return kinds[rng.integers(len(kinds))]


@pytest.mark.parametrize("seed", range(12))
def test_random_nested_networks_go_to_onnx(seed, tmp_path):
    rng = np.random.default_rng(seed)
    if seed % 2:
        parts = [
            nn.Embedding(5, 6, rng, padding_idx=0),
            nn.PositionEmbedding(9, 6, rng),
        ]
        parts += [layers_of_sequences(rng) for _ in range(3)]
        model = nn.Sequential(
            nn.Sequential(*parts), nn.Transpose(), nn.GlobalAveragePool(), nn.Dense(6, 2, rng)
        )
        x, others = rng.integers(0, 5, (2, 6)), rng.integers(0, 5, (3, 9))
    else:
        parts = [nn.Conv2D(2, 4, 3, rng), *(layers_of_boards(rng) for _ in range(3))]
        places = nn.Encoder(1, {"features": 4, "heads": 2, "hidden": 4}, rng)
        heads = {
            "squares": places,
            "classes": nn.Sequential(nn.GlobalAveragePool(), nn.Dense(4, 3, rng)),
        }
        model = nn.Sequential(
            trunk=nn.Sequential(*parts), heads=nn.MultiHead(nn.Activation("tanh"), heads)
        )
        x, others = rng.standard_normal((2, 2, 8, 8)), rng.standard_normal((3, 2, 9, 8))
    save_onnx(tmp_path / "net.onnx", model, x, free=(0, 1) if seed % 2 else (0, 2))
    assert_same_in_runtime(tmp_path / "net.onnx", model, others)


class Doubled(nn.Dense):
    def forward(self, x, training=False):
        return super().forward(2 * x, training)


class WithNodes(Doubled):
    def onnx(self, graph, x):
        return graph.product(graph.times(x, 2.0), self.params["weight"], self.params["bias"])


class Ready(nn.Sequential):
    def __init__(self, rng):
        super().__init__(nn.Reshape([2, 3]), nn.Flatten(), WithNodes(6, 2, rng))


def test_a_layer_of_ones_own_goes_by_its_method(tmp_path):
    path = tmp_path / "net.onnx"
    save_onnx(path, Ready(np.random.default_rng(1)), numbers(1, 6))
    assert_same_in_runtime(path, Ready(np.random.default_rng(1)), numbers(3, 6))


@pytest.mark.parametrize(
    ("model", "x", "told"),
    [
        (
            nn.Sequential(Doubled(2, 2, np.random.default_rng(1))),
            numbers(1, 2),
            r"Doubled cannot be written as ONNX: give it a method like def onnx\(",
        ),
        (nn.MultiHead(nn.Flatten(), {"x": nn.Flatten()}), numbers(1, 2), "x names an input"),
        (
            nn.Sequential(
                nn.Embedding(3, 2, np.random.default_rng(1), padding_idx=0),
                nn.GRU(2, 2, np.random.default_rng(1)),
            ),
            np.ones((1, 2), int),
            "ONNX has no GRU that a mask passes over",
        ),
    ],
)
def test_what_cannot_be_written_leaves_no_file(model, x, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        save_onnx(tmp_path / "no.onnx", model, x)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("axis", [-1, -2, 3, 7])
def test_a_free_axis_that_no_input_has_is_a_shape_error(axis, tmp_path):
    """The output's side got a name while the input stayed fixed, or nothing was free."""
    with pytest.raises(ShapeError, match=f"free axes are 0 to 2 of the inputs, found {axis}"):
        save_onnx(tmp_path / "no.onnx", nn.Softmax(-1), numbers(2, 3, 4), free=(0, axis))


def test_a_model_of_one_place_has_no_free_axis(tmp_path):
    """Half of one place is one place, which passed as another length."""
    model = nn.PositionEmbedding(1, 2, np.random.default_rng(1))
    with pytest.raises(ShapeError, match="takes no other length of axis 1"):
        save_onnx(tmp_path / "no.onnx", model, numbers(2, 1, 2), free=(0, 1))


def test_an_example_of_one_place_may_be_longer(tmp_path):
    path = tmp_path / "net.onnx"
    model = nn.GRU(2, 3, np.random.default_rng(1))
    save_onnx(path, model, numbers(2, 1, 2), free=(0, 1))
    assert_same_in_runtime(path, model, numbers(2, 4, 2))


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    with pytest.raises(ConfigError, match="pip install onnx"):
        save_onnx(tmp_path / "no.onnx", nn.Flatten(), numbers(1, 2))
