"""Weights of PyTorch's modules in models of ours."""

import numpy as np
import pytest

from engine import nn

RNG = np.random.default_rng(5)


def drawn(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def test_modules_go_to_layers_in_their_order():
    model = nn.Sequential(
        nn.Conv2D(2, 3, 3, RNG, bias=False), nn.BatchNorm(3), nn.PReLU(3), nn.GlobalAveragePool(),
        nn.Dense(3, 2, RNG),
    )  # fmt: skip
    tensors = {
        "conv.weight": drawn(3, 2, 3, 3), "bn.weight": drawn(3), "bn.bias": drawn(3), "bn.running_mean": drawn(3),
        "bn.running_var": drawn(3) ** 2, "bn.num_batches_tracked": np.array(7), "act.weight": drawn(3),
        "fc.weight": drawn(2, 3), "fc.bias": drawn(2),
    }  # fmt: skip
    nn.load_torch(model, tensors)
    assert np.array_equal(
        model["batch_norm1"].buffers["running_variance"], tensors["bn.running_var"]
    )
    assert np.array_equal(model["conv2d1"].params["weight"], tensors["conv.weight"])
    assert np.array_equal(model["dense1"].params["bias"], tensors["fc.bias"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3)])
def test_recurrent_modules_compute_the_same(kind, gates):
    """Against the formulas of PyTorch's documentation."""
    w, u = drawn(5 * gates, 3), drawn(5 * gates, 5)
    b, c = drawn(5 * gates), drawn(5 * gates)
    model = nn.Sequential(kind(3, 5, RNG, last=True))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    nn.load_torch(model, {f"rnn.{n}": a for n, a in zip(names, (w, u, b, c), strict=True)})
    x = drawn(2, 4, 3)
    h = s = np.zeros((2, 5), np.float32)
    for t in range(4):
        own = np.split(x[:, t] @ w.T + b, gates, axis=1)
        hidden = np.split(h @ u.T + c, gates, axis=1)
        if kind is nn.LSTM:
            i, f, g, o = (one + other for one, other in zip(own, hidden, strict=True))
            s = sigmoid(f) * s + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(s)
        else:
            r = sigmoid(own[0] + hidden[0])
            z = sigmoid(own[1] + hidden[1])
            h = (1 - z) * np.tanh(own[2] + r * hidden[2]) + z * h
    assert model(x) == pytest.approx(h, abs=1e-5)


def test_attention_goes_by_a_table_of_names():
    model = nn.Sequential(attend=nn.SelfAttention(4, 2, RNG), norm=nn.LayerNorm(4))
    whole, bias = drawn(12, 4), drawn(12)
    tensors = {
        "norm1.weight": drawn(4), "norm1.bias": drawn(4),
        "self_attn.in_proj_weight": whole, "self_attn.in_proj_bias": bias,
        "self_attn.out_proj.weight": drawn(4, 4), "self_attn.out_proj.bias": drawn(4),
    }  # fmt: skip
    nn.load_torch(model, tensors, {"self_attn.": "attend.", "norm1": "norm"})
    found = model.named_parameters()
    assert np.array_equal(found["attend.key.weight"], whole[4:8])
    assert np.array_equal(found["attend.value.bias"], bias[8:])
    assert np.array_equal(found["attend.output.weight"], tensors["self_attn.out_proj.weight"])
