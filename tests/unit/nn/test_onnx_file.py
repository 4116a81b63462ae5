"""Models in ONNX files compute in ONNX Runtime what they compute here."""

import numpy as np
import onnx
import pytest

from engine import nn
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
    return case.mask is not None and any(isinstance(layer, Recurrent) for layer in layers)


@pytest.mark.parametrize("case", [case for case in CASES if not is_passed_over(case)], ids=str)
def test_every_layer_goes_to_onnx_with_any_number_of_rows(case, tmp_path):
    mask = case.mask
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


def sequences(rng):
    """Blocks within each other, the first of which makes a mask."""
    block = {"features": 6, "heads": 3, "hidden": 4, "activation": "gelu", "causal": True}
    attention = nn.SelfAttention(6, 2, rng, inner=4)
    inner = nn.Sequential(nn.LayerNorm(6), attention, nn.Dropout(0.1, rng))
    return nn.Sequential(
        nn.Sequential(
            nn.Embedding(5, 6, rng, padding_idx=0),
            nn.PositionEmbedding(9, 6, rng),
            nn.Residual(inner, activation="identity"),
            nn.Residual(nn.Sequential(nn.Residual(nn.Sequential(nn.Encoder(2, block, rng))))),
        ),
        nn.Transpose(),
        nn.GlobalAveragePool(),
        nn.Dense(6, 2, rng),
    )


def boards(rng):
    """A trunk of blocks, and heads of which one is as long as the board."""
    body = nn.Sequential(nn.Conv2D(4, 4, 3, rng, bias=False), nn.BatchNorm(4, relu=True))
    trunk = nn.Sequential(
        nn.Conv2D(2, 4, 3, rng, stride=(1, 2)),
        nn.MaxPool2D(3, stride=1, padding=1),
        nn.Sequential(inner=nn.Sequential(nn.Residual(body), nn.Dropout(0.5, rng))),
    )
    heads = {
        "policy": nn.Conv2D(4, 1, 1, rng),
        "value": nn.Sequential(nn.GlobalAveragePool(), nn.Dense(4, 3, rng)),
    }
    return nn.Sequential(trunk=trunk, heads=nn.MultiHead(nn.Activation("tanh"), heads))


TOKENS = np.array([[1, 4, 0, 0], [2, 3, 1, 4], [3, 0, 0, 0]])


@pytest.mark.parametrize(
    ("make", "x", "others", "free"),
    [
        (sequences, TOKENS[:2], np.repeat(TOKENS, 2, axis=1), (0, 1)),
        (boards, numbers(2, 2, 8, 8), numbers(3, 2, 9, 8), (0, 2)),
    ],
)
def test_nested_networks_go_to_onnx_with_sides_of_any_length(make, x, others, free, tmp_path):
    model = make(np.random.default_rng(1))
    save_onnx(tmp_path / "net.onnx", model, x, free=free)
    assert_same_in_runtime(tmp_path / "net.onnx", model, others)


class WithNodes(nn.Dense):
    def forward(self, x, training=False):
        return super().forward(2 * x, training)

    def onnx(self, graph, x):
        return graph.product(graph.times(x, 2.0), self.params["weight"], self.params["bias"])


def test_a_layer_of_ones_own_goes_by_its_method(tmp_path):
    own = WithNodes(6, 2, np.random.default_rng(1))
    model = nn.Sequential(nn.Reshape([2, 3]), nn.Flatten(), own)
    save_onnx(tmp_path / "net.onnx", model, numbers(1, 6))
    assert_same_in_runtime(tmp_path / "net.onnx", model, numbers(3, 6))


def test_an_example_of_one_place_may_be_longer(tmp_path):
    model = nn.GRU(2, 3, np.random.default_rng(1))
    save_onnx(tmp_path / "net.onnx", model, numbers(2, 1, 2), free=(0, 1))
    assert_same_in_runtime(tmp_path / "net.onnx", model, numbers(2, 4, 2))
