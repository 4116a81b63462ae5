"""PyTorch's own inputs of its modules, each through the layer that does the same: results, and
gradients of x.

What the library has not raises `Waiting`.
"""

import collections

import numpy as np
import pytest

from engine import nn
from engine.errors import AinoError
from tests.unit.nn.test_onnx_suite import RNG, Waiting, filled, needs

RIGHT = 130  # at least


def arrays_of(module):
    return {name: one.detach().numpy() for name, one in module.state_dict().items()}


def convolution(make):
    def build(m):
        needs(m.padding_mode == "zeros" and m.padding != "same")
        padding = 0 if m.padding == "valid" else m.padding
        form = {"stride": m.stride, "padding": padding, "dilation": m.dilation, "groups": m.groups}
        if hasattr(m, "output_padding") and any(m.output_padding):
            form["output_padding"] = m.output_padding
        size = m.in_channels, m.out_channels, m.kernel_size
        layer = make(*size, RNG, bias=m.bias is not None, **form)
        return filled(layer, *arrays_of(m).values())

    return build


def linear(m):
    weight = arrays_of(m)["weight"]
    bias = arrays_of(m).get("bias", np.zeros(len(weight)))
    return filled(nn.Dense(m.in_features, m.out_features, RNG), weight, bias)


def norm(make):
    """Return a norm by groups, or over the last axis, with 1 and 0 where it learns nothing."""

    def build(m):
        layer = make(m)
        own = arrays_of(m)
        gamma, beta = own.get("weight"), own.get("bias")
        units = [
            np.ones_like(one) if n == 0 else np.zeros_like(one)
            for n, one in enumerate(layer.params.values())
        ]
        given = [
            unit if one is None else one for one, unit in zip((gamma, beta), units, strict=False)
        ]
        return filled(layer, *given)

    return build


def batch_norm(m):
    needs(m.momentum is not None)
    layer = norm(lambda m: nn.BatchNorm(m.num_features, False, m.momentum, m.eps))(m)
    if m.running_mean is not None:
        layer.load_buffers(
            {"running_mean": m.running_mean.numpy(), "running_variance": m.running_var.numpy()}
        )
    else:
        layer.normalises_batches = True
    return layer


def one_side(m, make):
    needs(len(m.normalized_shape) == 1)
    epsilon = np.finfo(np.float64).eps if m.eps is None else m.eps
    return make(m.normalized_shape[0], epsilon)


def pool(make, average=False):
    def build(m):
        needs(
            not getattr(m, "return_indices", False) and getattr(m, "divisor_override", None) is None
        )
        form = {"ceil": m.ceil_mode}
        if average:
            form["counts_padding"] = m.count_include_pad
        else:
            form["dilation"] = m.dilation
        return make(m.kernel_size, m.stride, m.padding, **form)

    return build


def activation(name, **of):
    return lambda m: nn.Activation(name, **{key: getattr(m, other) for key, other in of.items()})


def gelu(m):
    return nn.Activation("exact_gelu" if m.approximate == "none" else "gelu")


def softmax(log):
    def build(m):
        needs(m.dim not in (0, None))
        return nn.Softmax(m.dim, log)

    return build


def embedding(m):
    needs(m.max_norm is None and m.padding_idx is None)
    return filled(nn.Embedding(m.num_embeddings, m.embedding_dim, RNG), *arrays_of(m).values())


def recurrent(make):
    """Return the layer of one direction, with the biases of both products together."""

    def build(m):
        plain = m.num_layers == 1 and not m.bidirectional and not m.dropout
        needs(
            plain
            and not getattr(m, "proj_size", 0)
            and getattr(m, "nonlinearity", "tanh") == "tanh"
        )
        own = arrays_of(m)
        layer = make(m.input_size, m.hidden_size, RNG, return_state=True)
        order = {1: [0], 3: [0, 1, 2], 4: [0, 1, 3, 2]}[layer.gates]

        def sorted_gates(array):
            return np.concatenate([np.split(array, layer.gates)[n] for n in order])

        arrays = [sorted_gates(own["weight_ih_l0"]), sorted_gates(own["weight_hh_l0"])]
        zeros = np.zeros(len(arrays[0]))
        first, second = (sorted_gates(own.get(f"bias_{one}_l0", zeros)) for one in ("ih", "hh"))
        if "candidate_bias" in layer.params:
            whole = 2 * m.hidden_size
            own_part = second[2 * m.hidden_size :]
            first = np.concatenate([(first + second)[:whole], first[whole:]])
            return filled(layer, *arrays, first, own_part)
        return filled(layer, *arrays, first + second)

    return build


LAYERS = {
    "Linear": linear, "Conv1d": convolution(nn.Conv1D), "Conv2d": convolution(nn.Conv2D),
    "ConvTranspose1d": convolution(nn.ConvTranspose1D), "ConvTranspose2d": convolution(nn.ConvTranspose2D),
    "BatchNorm1d": batch_norm, "BatchNorm2d": batch_norm, "BatchNorm3d": batch_norm,
    "GroupNorm": norm(lambda m: nn.GroupNorm(m.num_groups, m.num_channels, m.eps)),
    "LayerNorm": norm(lambda m: one_side(m, nn.LayerNorm)), "RMSNorm": norm(lambda m: one_side(m, nn.RMSNorm)),
    "MaxPool1d": pool(nn.MaxPool1D), "MaxPool2d": pool(nn.MaxPool2D), "AvgPool1d": pool(nn.AveragePool1D, True),
    "AvgPool2d": pool(nn.AveragePool2D, True), "ELU": activation("elu", alpha="alpha"),
    "CELU": activation("celu", alpha="alpha"), "GELU": gelu, "Hardswish": activation("hard_swish"),
    "LeakyReLU": activation("leaky_relu", alpha="negative_slope"), "ReLU": activation("relu"),
    "SELU": activation("selu"), "SiLU": activation("swish"), "Sigmoid": activation("sigmoid"),
    "Mish": activation("mish"), "Softsign": activation("softsign"), "Tanh": activation("tanh"),
    "Softmax": softmax(log=False), "LogSoftmax": softmax(log=True), "Softmax2d": lambda m: nn.Softmax(-3),
    "Embedding": embedding, "RNN": recurrent(nn.RNN), "GRU": recurrent(nn.GRU), "LSTM": recurrent(nn.LSTM),
}  # fmt: skip


def instance_norm(m):
    needs(not m.track_running_stats)
    return norm(lambda m: nn.GroupNorm(m.num_features, m.num_features, m.eps))(m)


LAYERS |= {f"InstanceNorm{sides}d": instance_norm for sides in (1, 2, 3)}


def cross_entropy(m, outputs, targets):
    needs(outputs.ndim > 1)
    needs(targets.dtype.kind != "i" or (targets != m.ignore_index).any())  # ours is 0, not NaN
    options = {"label_smoothing": m.label_smoothing, "reduction": m.reduction}
    if targets.dtype.kind == "i":
        options["ignore_index"] = m.ignore_index
    else:
        targets = np.moveaxis(targets, 1, -1)
    weights = None if m.weight is None else m.weight.numpy()
    logits = np.moveaxis(outputs, 1, -1)
    loss, slopes = nn.softmax_cross_entropy(logits, targets, class_weights=weights, **options)
    return loss, np.moveaxis(slopes, -1, 1)


def binary(m, outputs, targets):
    needs(m.pos_weight is None)
    weights = None if m.weight is None else m.weight.numpy()
    options = {"class_weights": weights, "reduction": m.reduction}
    return nn.sigmoid_binary_cross_entropy(outputs, targets, **options)


LOSSES = {
    "CrossEntropyLoss": cross_entropy, "BCEWithLogitsLoss": binary,
    "MSELoss": lambda m, y, t: nn.mse(y, t, reduction=m.reduction),
    "L1Loss": lambda m, y, t: nn.mae(y, t, reduction=m.reduction),
    "HuberLoss": lambda m, y, t: nn.huber(y, t, m.delta, reduction=m.reduction),
}  # fmt: skip


def layer_results(m, given):
    layer = LAYERS[type(m).__name__](m).astype(np.float64)
    needs(len(given) == 1 and given[0].ndim >= 1)
    (x,) = given
    is_recurrent = hasattr(layer, "gates")
    if is_recurrent:
        needs(x.ndim == 3)
        x = x if m.batch_first else x.swapaxes(0, 1)
    y, backward = layer.forward(x, training=hasattr(layer, "normalises_batches"))
    if is_recurrent:
        y, *ends = y
        dy = np.ones_like(y), *map(np.zeros_like, ends)
        shown = (y, backward(dy)[0])
        return shown if m.batch_first else tuple(one.swapaxes(0, 1) for one in shown)
    return y, backward(np.ones_like(y))[0]


def outcome(torch, m, given):
    name = type(m).__name__
    if name not in LAYERS and name not in LOSSES:
        return "waits"
    try:
        tensors = [one.detach().clone() for one in given]
        arrays = [one.numpy() for one in tensors]
        y, dx = LOSSES[name](m, *arrays) if name in LOSSES else layer_results(m, arrays)
    except (Waiting, AinoError, AttributeError, TypeError):
        return "waits"
    if tensors[0].is_floating_point():
        tensors[0].requires_grad_(True)
    expected = m(*tensors)
    expected = expected[0] if isinstance(expected, tuple) else expected
    expected.sum().backward()
    pairs = [(y, expected.detach().numpy())]
    if tensors[0].grad is not None:
        pairs.append((dx, tensors[0].grad.numpy()))
    same = [
        np.shape(one) == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-9)
        for one, other in pairs
    ]
    return "right" if all(same) else "wrong"


def counted():
    torch = pytest.importorskip("torch")
    modules = pytest.importorskip("torch.testing._internal.common_modules")
    counts = collections.Counter()
    wrong = []
    for info in modules.module_db:
        form = {"device": "cpu", "dtype": torch.float64, "requires_grad": False, "training": False}
        for case in info.module_inputs_func(info, **form):
            made, called = case.constructor_input, case.forward_input
            torch.manual_seed(0)
            m = info.module_cls(*made.args, **made.kwargs).double().eval()
            is_plain = (
                called is not None and not called.kwargs and all(map(torch.is_tensor, called.args))
            )
            found = outcome(torch, m, called.args) if is_plain else "waits"
            counts[found] += 1
            if found == "wrong":
                wrong.append(f"{m} {[one.shape for one in called.args]}")
    return counts, wrong


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTorch's of its own modules
def test_of_pytorch_module_inputs_none_is_wrong():
    counts, wrong = counted()
    assert not wrong, wrong
    assert counts["right"] >= RIGHT, counts
