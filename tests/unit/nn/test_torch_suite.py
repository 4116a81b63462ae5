"""PyTorch's own inputs of its modules, each through the layer that does the same: results, and
gradients of x.

What the library has not raises `Waiting`.
"""

import re

import numpy as np
import pytest

from engine import nn
from engine.errors import AinoError
from engine.nn.layers import ACTIVATIONS
from tests.unit.nn.test_onnx_suite import RNG, Waiting, filled, needs

RIGHT = 180  # at least
# Of activation functions whose names follow no rule, and of their constants.
FUNCTIONS = {"silu": "swish", "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid"}
CONSTANTS = {"leaky_relu": "negative_slope", "elu": "alpha", "celu": "alpha"}


def ours(name):
    """Return the layer of PyTorch's name, such as Conv1D of Conv1d, or None."""
    name = re.sub("([12])d$", r"\1D", name.replace("AvgPool", "AveragePool"))
    return getattr(nn, name, None) if name.endswith("D") else None


def arrays_of(module):
    return {name: one.detach().numpy() for name, one in module.state_dict().items()}


def convolution(m):
    needs(m.padding_mode == "zeros" and m.padding != "same")
    padding = 0 if m.padding == "valid" else m.padding
    form = {"stride": m.stride, "padding": padding, "dilation": m.dilation, "groups": m.groups}
    if any(getattr(m, "output_padding", [])):
        form["output_padding"] = m.output_padding
    make = ours(type(m).__name__)
    size = m.in_channels, m.out_channels, m.kernel_size
    return filled(make(*size, RNG, bias=m.bias is not None, **form), *arrays_of(m).values())


def pool(m):
    needs(not getattr(m, "return_indices", False) and getattr(m, "divisor_override", None) is None)
    form = {"ceil": m.ceil_mode}
    if hasattr(m, "count_include_pad"):
        form["counts_padding"] = m.count_include_pad
    else:
        form["dilation"] = m.dilation
    return ours(type(m).__name__)(m.kernel_size, m.stride, m.padding, **form)


def linear(m):
    own = arrays_of(m)
    bias = own.get("bias", np.zeros(m.out_features))
    return filled(nn.Dense(m.in_features, m.out_features, RNG), own["weight"], bias)


def norm(m):
    """Return a norm by groups, or over the last axis, with 1 and 0 where it learns nothing."""
    name = type(m).__name__
    if name.startswith("Batch"):
        needs(m.momentum is not None and m.running_mean is not None)
        layer = nn.BatchNorm(m.num_features, False, m.momentum, m.eps)
        running = {"running_mean": m.running_mean, "running_variance": m.running_var}
        layer.load_buffers({key: one.numpy() for key, one in running.items()})
    elif name.startswith("Instance"):
        needs(not m.track_running_stats)
        layer = nn.GroupNorm(m.num_features, m.num_features, m.eps)
    elif name == "GroupNorm":
        layer = nn.GroupNorm(m.num_groups, m.num_channels, m.eps)
    else:
        needs(len(m.normalized_shape) == 1)
        epsilon = np.finfo(np.float64).eps if m.eps is None else m.eps
        layer = getattr(nn, name)(m.normalized_shape[0], epsilon)
    own = arrays_of(m)
    given = zip(("weight", "bias"), layer.params.values(), strict=False)
    return filled(layer, *(own.get(key, unit) for key, unit in given))


def activation(m):
    name = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(m).__name__).lower().replace("_lu", "lu")
    if getattr(m, "approximate", "tanh") == "none":
        name = "exact_gelu"
    name = FUNCTIONS.get(name, name)
    needs(name in ACTIVATIONS and name != "softplus")
    alpha = getattr(m, CONSTANTS[name]) if name in CONSTANTS else None
    return nn.Activation(name, alpha=alpha)


def softmax(m):
    needs(m.dim not in (0, None))
    return nn.Softmax(m.dim, type(m).__name__ == "LogSoftmax")


def embedding(m):
    needs(m.max_norm is None and m.padding_idx is None)
    return filled(nn.Embedding(m.num_embeddings, m.embedding_dim, RNG), *arrays_of(m).values())


def recurrent(m):
    """Return the layer of one direction, with the biases of both products together."""
    needs(m.num_layers == 1 and not m.bidirectional and not m.dropout and not m.proj_size)
    needs(getattr(m, "nonlinearity", "tanh") == "tanh")
    layer = getattr(nn, type(m).__name__)(m.input_size, m.hidden_size, RNG, return_state=True)
    order = {1: [0], 3: [0, 1, 2], 4: [0, 1, 3, 2]}[layer.gates]
    own = arrays_of(m)

    def sorted_gates(name):
        array = own.get(f"{name}_l0", np.zeros(layer.gates * m.hidden_size))
        return np.concatenate([np.split(array, layer.gates)[n] for n in order])

    weights = [sorted_gates(f"weight_{one}") for one in ("ih", "hh")]
    first, second = (sorted_gates(f"bias_{one}") for one in ("ih", "hh"))
    if "candidate_bias" not in layer.params:
        return filled(layer, *weights, first + second)
    whole = 2 * m.hidden_size
    joint = np.concatenate([(first + second)[:whole], first[whole:]])
    return filled(layer, *weights, joint, second[whole:])


# By a beginning of the module's name; the rest are activation functions.
LAYERS = {
    "Conv": convolution,
    "MaxPool": pool,
    "AvgPool": pool,
    "Linear": linear,
    **dict.fromkeys(("Batch", "Instance", "Group", "LayerNorm", "RMSNorm"), norm),
    "Softmax2d": lambda m: nn.Softmax(-3),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    "Embedding": embedding,
    **dict.fromkeys(("RNN", "GRU", "LSTM"), recurrent),
}


def layer_of(m):
    makers = (make for start, make in LAYERS.items() if type(m).__name__.startswith(start))
    return next(makers, activation)(m).astype(np.float64)


def cross_entropy(m, outputs, targets):
    needs(outputs.ndim > 1)
    options = {"label_smoothing": m.label_smoothing, "reduction": m.reduction}
    if targets.dtype.kind == "i":
        needs((targets != m.ignore_index).any())  # ours is 0, not NaN
        options["ignore_index"] = m.ignore_index
    else:
        targets = np.moveaxis(targets, 1, -1)
    options["class_weights"] = None if m.weight is None else m.weight.numpy()
    loss, slopes = nn.softmax_cross_entropy(np.moveaxis(outputs, 1, -1), targets, **options)
    return loss, np.moveaxis(slopes, -1, 1)


def binary(m, outputs, targets):
    needs(m.pos_weight is None)
    weights = None if m.weight is None else m.weight.numpy()
    options = {"class_weights": weights, "reduction": m.reduction}
    return nn.sigmoid_binary_cross_entropy(outputs, targets, **options)


LOSSES = {
    "CrossEntropyLoss": cross_entropy,
    "BCEWithLogitsLoss": binary,
    "MSELoss": lambda m, y, t: nn.mse(y, t, reduction=m.reduction),
    "L1Loss": lambda m, y, t: nn.mae(y, t, reduction=m.reduction),
    "HuberLoss": lambda m, y, t: nn.huber(y, t, m.delta, reduction=m.reduction),
}


def layer_results(m, x, *others):
    needs(not others and x.ndim)
    layer = layer_of(m)
    if not hasattr(layer, "gates"):
        y, backward = layer.forward(x)
        return y, backward(np.ones_like(y))[0]
    needs(x.ndim == 3)
    (y, *ends), backward = layer.forward(x if m.batch_first else x.swapaxes(0, 1))
    dx = backward((np.ones_like(y), *map(np.zeros_like, ends)))[0]
    return (y, dx) if m.batch_first else (y.swapaxes(0, 1), dx.swapaxes(0, 1))


def outcome(m, given):
    tensors = [one.detach().clone() for one in given]
    try:
        compute = LOSSES.get(type(m).__name__, layer_results)
        y, dx = compute(m, *[one.numpy().copy() for one in tensors])
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # PyTorch's of its own modules
def test_of_pytorch_module_inputs_none_is_wrong():
    torch = pytest.importorskip("torch")
    modules = pytest.importorskip("torch.testing._internal.common_modules")
    form = {"device": "cpu", "dtype": torch.float64, "requires_grad": False, "training": False}
    right = 0
    wrong = []
    for info in modules.module_db:
        for case in info.module_inputs_func(info, **form):
            made, called = case.constructor_input, case.forward_input
            torch.manual_seed(0)
            m = info.module_cls(*made.args, **made.kwargs).double().eval()
            if called is None or called.kwargs or not all(map(torch.is_tensor, called.args)):
                continue
            found = outcome(m, called.args)
            right += found == "right"
            if found == "wrong":
                wrong.append(f"{m} {[one.shape for one in called.args]}")
    assert not wrong, wrong
    assert right >= RIGHT, right
