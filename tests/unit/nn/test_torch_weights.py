"""Weights of PyTorch's modules in models of ours compute what PyTorch 2.14 does with them."""

import numpy as np
import pytest

from engine import nn

RNG = np.random.default_rng(5)


def waves(number, shape):
    """The numbers of the array with this number, here and in PyTorch."""
    values = np.sin(np.arange(np.prod(shape)) + number) / 2
    return values.reshape(shape).astype(np.float32)


def state_dict(shapes):
    tensors = {name: waves(number, shape) for number, (name, shape) in enumerate(shapes.items())}
    for name in tensors:
        if name.endswith("running_var"):
            tensors[name] = tensors[name] ** 2 + 0.5
    return tensors


CONVOLUTION = nn.Sequential(
    nn.Conv1D(2, 3, 3, RNG, padding=1, bias=False),
    nn.BatchNorm(3),
    nn.PReLU(3),
    nn.GlobalAveragePool(),
    nn.Dense(3, 2, RNG),
)
CONVOLUTION_SHAPES = {
    "0.weight": (3, 2, 3), "1.weight": (3,), "1.bias": (3,), "1.running_mean": (3,), "1.running_var": (3,),
    "1.num_batches_tracked": (), "2.weight": (3,), "5.weight": (2, 3), "5.bias": (2,),
}  # fmt: skip


def recurrent(gates, ending=""):
    shapes = {"weight_ih": (2 * gates, 3), "weight_hh": (2 * gates, 2), "bias_ih": (2 * gates,)}
    shapes["bias_hh"] = (2 * gates,)
    return {f"rnn.{name}_l0{ending}": shape for name, shape in shapes.items()}


BOTH_WAYS = nn.Bidirectional(nn.LSTM(3, 2, RNG), nn.LSTM(3, 2, RNG, reverse=True))
SELF = nn.Sequential(attend=nn.SelfAttention(4, 2, RNG), norm=nn.LayerNorm(4, 1e-5))
SELF_SHAPES = {
    "norm1.weight": (4,), "norm1.bias": (4,), "self_attn.in_proj_weight": (12, 4), "self_attn.in_proj_bias": (12,),
    "self_attn.out_proj.weight": (4, 4), "self_attn.out_proj.bias": (4,),
}  # fmt: skip
CROSS_SHAPES = {
    "cross.q_proj_weight": (4, 4), "cross.k_proj_weight": (4, 3), "cross.v_proj_weight": (4, 3),
    "cross.in_proj_bias": (12,), "cross.out_proj.weight": (4, 4), "cross.out_proj.bias": (4,),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "shapes", "names", "sides", "values"),
    [
        (CONVOLUTION, CONVOLUTION_SHAPES, None, [(1, 2, 4)], [0.60411, 0.11973]),
        (
            nn.Sequential(BOTH_WAYS),
            recurrent(4) | recurrent(4, "_reverse"),
            None,
            [(1, 3, 3)],
            [-0.01709, 0.27074, -0.153, -0.28677],
        ),
        (nn.Sequential(nn.GRU(3, 2, RNG)), recurrent(3), None, [(1, 3, 3)], [-0.21854, 0.47301]),
        (
            SELF,
            SELF_SHAPES,
            {"self_attn.": "attend.", "norm1": "norm"},
            [(1, 3, 4)],
            [0.42074, -0.18937, 0.47245, -0.31486],
        ),
        (
            nn.CrossAttention(4, 3, 2, RNG),
            CROSS_SHAPES,
            {"cross.": ""},
            [(1, 2, 4), (1, 3, 3)],
            [-0.00057, -0.76766, 0.67052, 0.67551],
        ),
    ],
)
def test_a_module_computes_the_same(model, shapes, names, sides, values):
    nn.load_torch(model, state_dict(shapes), names)
    inputs = tuple(waves(9 + number, shape) for number, shape in enumerate(sides))
    y = model(inputs if len(inputs) > 1 else inputs[0])
    assert y[0].ravel()[-len(values) :].tolist() == pytest.approx(values, abs=2e-5)
