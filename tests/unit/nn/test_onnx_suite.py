"""ONNX's own node tests, each by the layer that does the same.

What the library has not raises `Waiting`. Outputs that only its backward would need, such as the
mean of a norm or the mask of a dropout, are not compared. Cases and their expanded forms hold the
same numbers; both are counted.
"""

import collections
import math
import warnings

import numpy as np
import pytest

from engine import nn
from engine.errors import AinoError
from engine.nn.layers import attend, softmax
from engine.nn.layers.rotary import rotated

RNG = np.random.default_rng(0)
RIGHT = 330  # at least


class Waiting(Exception):
    """The library has no layer, or no option, for this."""


def filled(layer, *arrays):
    """Return a layer with these arrays as its parameters, in their order."""
    for name, array in zip(layer.params, arrays, strict=False):
        assert layer.params[name].shape == array.shape
        layer.params[name] = array
    return layer


def needs(condition):
    if not condition:
        raise Waiting


def windows(a, x, size):
    """Return size, stride, padding and dilation of a convolution or a pooling."""
    axes = len(size)
    needs(axes < 3 and x.dtype == np.float32)
    strides, dilations = a.get("strides", [1] * axes), a.get("dilations", [1] * axes)
    pads, mode = a.get("pads", [0] * 2 * axes), a.get("auto_pad", "NOTSET")
    padding = list(zip(pads[:axes], pads[axes:], strict=True))
    if mode.startswith("SAME"):
        ends = zip(x.shape[2:], size, strides, dilations, strict=True)
        over = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in ends]
        upper = mode == "SAME_UPPER"
        padding = [(n // 2, n - n // 2) if upper else (n - n // 2, n // 2) for n in over]
    return {"stride": strides, "padding": padding, "dilation": dilations}


def conv(a, x, weight, bias=None):
    make = {3: nn.Conv1D, 4: nn.Conv2D}.get(x.ndim)
    needs(make)
    form = windows(a, x, weight.shape[2:])
    groups = a.get("group", 1)
    sizes = weight.shape[1] * groups, len(weight), weight.shape[2:]
    layer = make(*sizes, RNG, bias=bias is not None, groups=groups, **form)
    return filled(layer, weight, bias)(x)


def conv_transpose(a, x, weight, bias=None):
    make = {3: nn.ConvTranspose1D, 4: nn.ConvTranspose2D}.get(x.ndim)
    needs(make)
    size = weight.shape[2:]
    groups = a.get("group", 1)
    form = windows({**a, "auto_pad": "NOTSET"}, x, size)
    more = a.get("output_padding", 0)
    wanted = a.get("output_shape")
    if wanted or a.get("auto_pad", "NOTSET").startswith("SAME"):
        wanted = wanted or [n * s for n, s in zip(x.shape[2:], form["stride"], strict=True)]
        ends = zip(x.shape[2:], form["stride"], size, form["dilation"], wanted, strict=True)
        over = [(n - 1) * s + (k - 1) * d + 1 - m for n, s, k, d, m in ends]
        more = [max(-n, 0) for n in over]
        halves = [(max(n, 0) // 2, max(n, 0) - max(n, 0) // 2) for n in over]
        lower = a.get("auto_pad") == "SAME_LOWER" or "output_shape" in a
        form["padding"] = [(j, i) if lower else (i, j) for i, j in halves]
    sizes = len(weight), weight.shape[1] * groups, size
    further = {"bias": bias is not None, "groups": groups, "output_padding": more}
    return filled(make(*sizes, RNG, **form, **further), weight, bias)(x)


def max_pool(a, x):
    form = windows(a, x, a["kernel_shape"])
    make = nn.MaxPool1D if x.ndim == 3 else nn.MaxPool2D
    return make(a["kernel_shape"], ceil=bool(a.get("ceil_mode", 0)), **form)(x)


def average_pool(a, x):
    form = windows(a, x, a["kernel_shape"])
    needs({*form.pop("dilation")} == {1})
    make = nn.AveragePool1D if x.ndim == 3 else nn.AveragePool2D
    ways = {
        "ceil": bool(a.get("ceil_mode", 0)),
        "counts_padding": bool(a.get("count_include_pad", 0)),
    }
    return make(a["kernel_shape"], **ways, **form)(x)


def over_last_axes(make):
    """Return a norm over all axes from `axis` on, as one over their numbers in a row."""

    def norm(a, x, *arrays):
        axis = a.get("axis", -1) % x.ndim
        count = math.prod(x.shape[axis:])
        layer = filled(make(count, a.get("epsilon", 1e-5)), *(one.reshape(-1) for one in arrays))
        return layer(x.reshape(-1, count)).reshape(x.shape)

    return norm


def groups_of(a, x, gamma, beta):
    groups = a.get("num_groups", len(gamma))
    return filled(nn.GroupNorm(groups, len(gamma), a.get("epsilon", 1e-5)), gamma, beta)(x)


def batch_norm(a, x, gamma, beta, mean, variance):
    layer = nn.BatchNorm(len(gamma), False, 1 - a.get("momentum", 0.9), a.get("epsilon", 1e-5))
    layer = filled(layer, gamma, beta)
    layer.load_buffers({"running_mean": mean, "running_variance": variance})
    y = layer.forward(x, training=bool(a.get("training_mode", 0)))[0]
    return (y, *layer.buffers.values()) if a.get("training_mode") else y


def soft(log):
    def along(a, x):
        axis = a.get("axis", -1)
        rows = np.moveaxis(x, axis, -1)[None]
        return np.moveaxis(nn.Softmax(log=log)(rows)[0], -1, axis) if log else softmax(x, axis)

    return along


def cross_entropy(a, x, labels, weights=None):
    options = {"class_weights": weights, "reduction": a.get("reduction", "mean")}
    logits = np.moveaxis(x, 1, -1)
    ignored = a.get("ignore_index")
    loss = nn.softmax_cross_entropy(logits, labels, ignore_index=ignored, **options)[0]
    return loss, nn.Softmax(1, log=True)(x)


def activation(name, **of):
    def apply(a, x):
        needs(a.keys() <= {*of.values()})
        given = {key: a[other] for key, other in of.items() if other in a}
        return nn.Activation(name, **given)(x)

    return apply


def hard_sigmoid(a, x):
    needs(a.get("beta", 0.5) == 0.5)
    return nn.Activation("hard_sigmoid", alpha=a.get("alpha", 0.2))(x)


def gelu(a, x):
    exact = a.get("approximate", "none") == "none"
    return nn.Activation("exact_gelu" if exact else "gelu")(x)


def recurrent(make, order):
    """Return a recurrent layer; `order` are the places of the library's gates in ONNX's."""

    def run(a, x, weight, hidden_weight, biases=None, lengths=None, *states):
        way = a.get("direction", "forward")
        hidden = a["hidden_size"]
        needs("activations" not in a and "clip" not in a and len(states) < 3)
        biases = np.zeros((len(weight), 8 * hidden), np.float32) if biases is None else biases
        given = [one for one in states if one is not None]
        if a.get("layout"):
            given = [one.swapaxes(0, 1) for one in given]
        else:
            x = x.swapaxes(0, 1)
        options = {}
        if lengths is not None:
            options["mask"] = np.arange(x.shape[1]) < lengths[:, None]
        ways = ["forward", "reverse"] if way == "bidirectional" else [way]
        results = []
        for number, one in enumerate(ways):
            reset = {"reset_first": not a.get("linear_before_reset", 0)} if make is nn.GRU else {}
            layer = make(
                x.shape[2], hidden, RNG, False, one == "reverse", return_state=True, **reset
            )
            parts = [
                array[number].reshape(len(order), hidden, -1)[order]
                for array in (weight, hidden_weight)
            ]
            first, second = np.split(biases[number][: 2 * len(order) * hidden], 2)
            first, second = (one.reshape(len(order), hidden)[order] for one in (first, second))
            arrays = [part.reshape(len(order) * hidden, -1) for part in parts]
            if "candidate_bias" in layer.params:
                joint = np.concatenate([(first + second)[:2], first[2:]])
                filled(layer, *arrays, joint.reshape(-1), second[2])
            else:
                filled(layer, *arrays, (first + second).reshape(-1))
            given_here = tuple(one[number] for one in given)
            results.append(layer((x, *given_here) if given_here else x, **options))
        y = np.stack([one[0] for one in results], axis=2)
        ends = [np.stack(one) for one in zip(*(one[1:] for one in results), strict=True)]
        if a.get("layout"):
            return (y, *(one.swapaxes(0, 1) for one in ends))
        return (y.transpose(1, 2, 0, 3), *ends)

    return run


def resize(a, x, roi=None, scales=None, sizes=None):
    mode, places = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    plain = {"antialias", "exclude_outside", "axes", "keep_aspect_ratio_policy"} & a.keys()
    needs(not plain and a.get("cubic_coeff_a", -0.75) == -0.75 and x.ndim < 5)
    if sizes is not None and len(sizes):
        scales = [new / old for new, old in zip(sizes, x.shape, strict=True)]
    needs([*scales[:2]] == [1, 1])
    if mode == "nearest":
        needs((places, a.get("nearest_mode")) == ("asymmetric", "floor"))
        return nn.Upsample([float(one) for one in scales[2:]])(x)
    needs(places in ("half_pixel", "align_corners"))
    # Between corners, ONNX goes by sides that are no whole numbers.
    whole = [float(one * n).is_integer() for one, n in zip(scales, x.shape, strict=True)]
    needs(places == "half_pixel" or all(whole))
    return nn.Upsample([float(one) for one in scales[2:]], mode, places == "align_corners")(x)


def heads_of(x, count):
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def attention(a, query, key, value, mask=None, *past):
    known = {"is_causal", "scale", "q_num_heads", "kv_num_heads", "softmax_precision"}
    needs(a.keys() <= known and query.dtype == np.float32 and len(past) in (0, 2))
    shape = query.shape
    query = heads_of(query, a.get("q_num_heads"))
    key, value = (heads_of(one, a.get("kv_num_heads")) for one in (key, value))
    earlier = 0
    if past:
        earlier = past[0].shape[2]
        key, value = (np.concatenate(pair, 2) for pair in zip(past, (key, value), strict=True))
    kept = key, value
    each = query.shape[1] // key.shape[1]
    key, value = (one.repeat(each, axis=1) for one in (key, value))
    places, seen = query.shape[2], key.shape[2]
    allowed = np.tri(places, seen, earlier, dtype=bool) if a.get("is_causal") else None
    bias = None
    if mask is not None:
        needs(mask.shape[-1] == seen)
        if mask.dtype == bool:
            allowed = mask if allowed is None else allowed & mask
        else:
            bias = mask
    root = math.sqrt(query.shape[-1])
    y, _ = attend(query * np.float32(a.get("scale", 1 / root) * root), key, value, allowed, bias)
    y = y if len(shape) == 4 else y.swapaxes(1, 2).reshape(*shape[:2], -1)
    return (y, *kept)


def rotary(a, x, cosine, sine, places=None):
    needs(not a.get("interleaved") and not a.get("rotary_embedding_dim"))
    heads = heads_of(x, a.get("num_heads"))
    if places is not None:
        cosine, sine = cosine[places], sine[places]
    y = rotated(heads, cosine[:, None], sine[:, None])
    return y if x.ndim == 4 else y.swapaxes(1, 2).reshape(x.shape)


def dropout(a, x, ratio=0.5, training=False):
    needs(not training)
    return nn.Dropout(0.5, RNG)(x)


def flatten(a, x):
    needs(a.get("axis", 1) % x.ndim == 1)
    return nn.Flatten()(x)


def global_average(a, x):
    return nn.GlobalAveragePool()(x).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def reshape(a, x, shape):
    needs(shape[0] in (x.shape[0], 0) and (shape[1:] > 0).all() and not a.get("allowzero"))
    return nn.Reshape(shape[1:])(x)


def transpose(a, x):
    order = a.get("perm", [])
    needs(order and order[0] == 0)
    return nn.Transpose(order[1:])(x)


def upsample(a, x, scales):
    return resize(
        {
            "mode": a["mode"],
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        x,
        None,
        scales,
    )


OURS = {
    "Attention": attention, "AveragePool": average_pool, "BatchNormalization": batch_norm,
    "Celu": activation("celu", alpha="alpha"), "Conv": conv, "ConvTranspose": conv_transpose, "Dropout": dropout,
    "Elu": activation("elu", alpha="alpha"), "Flatten": flatten, "GRU": recurrent(nn.GRU, [1, 0, 2]), "Gelu": gelu,
    "GlobalAveragePool": global_average, "GroupNormalization": groups_of, "HardSigmoid": hard_sigmoid,
    "HardSwish": activation("hard_swish"), "InstanceNormalization": groups_of, "LSTM": recurrent(nn.LSTM, [0, 2, 1, 3]),
    "LayerNormalization": over_last_axes(nn.LayerNorm), "LeakyRelu": activation("leaky_relu", alpha="alpha"),
    "LogSoftmax": soft(log=True), "MaxPool": max_pool, "Mish": activation("mish"),
    "RMSNormalization": over_last_axes(nn.RMSNorm), "RNN": recurrent(nn.RNN, [0]), "Relu": activation("relu"),
    "Reshape": reshape, "Resize": resize, "RotaryEmbedding": rotary, "Selu": activation("selu"),
    "Sigmoid": activation("sigmoid"), "Softmax": soft(log=False), "SoftmaxCrossEntropyLoss": cross_entropy,
    "Softplus": activation("softplus"), "Softsign": activation("softsign"), "Tanh": activation("tanh"),
    "Transpose": transpose, "Upsample": upsample,
}  # fmt: skip
# What learns or judges in networks, and is not here.
OTHERS = {
    "FlexAttention", "GlobalMaxPool", "Hardmax", "LRN", "LinearAttention", "LpNormalization", "LpPool", "MaxUnpool",
    "MeanVarianceNormalization", "NegativeLogLikelihoodLoss", "PRelu", "Shrink", "SwiGLU", "Swish", "ThresholdedRelu",
}  # fmt: skip
# whose further outputs are none
AUXILIARY = {"LayerNormalization", "Dropout", "BatchNormalization"}


def outcome(onnx, node, case):
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    attributes = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    for given, expected in case.data_sets:
        arrays = iter(given)
        inputs = [next(arrays) if name else None for name in node.input]
        try:
            results = OURS[node.op_type](attributes, *inputs)
        except (Waiting, AinoError, TypeError, KeyError):
            return "waits"
        results = results if isinstance(results, tuple) else (results,)
        names = list(node.output)
        shown = [one for one, name in zip(results, names, strict=False) if name]
        if len(shown) < len(expected) and node.op_type not in AUXILIARY:
            return "waits"
        for one, wanted in zip(shown, expected, strict=False):
            same = np.shape(one) == wanted.shape
            if not same or not np.allclose(
                one, wanted, rtol=max(case.rtol, 1e-4), atol=max(case.atol, 1e-5)
            ):
                return "wrong"
    return "right"


def counted():
    onnx = pytest.importorskip("onnx")
    loader = pytest.importorskip("onnx.backend.test.loader")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = loader.load_model_tests(kind="node")
    nodes = {
        case.name: case.model.graph.node[0]
        for case in cases
        if case.model is not None and len(case.model.graph.node) == 1
    }
    counts = collections.Counter()
    named = collections.defaultdict(list)
    for case in cases:
        node = nodes.get(case.name.partition("_expanded")[0])
        if node is None or node.op_type not in OURS.keys() | OTHERS:
            continue
        found = outcome(onnx, node, case) if node.op_type in OURS else "waits"
        counts[found] += 1
        named[found].append(case.name)
    return counts, named


@pytest.mark.slow
def test_of_onnx_node_tests_none_is_wrong():
    counts, named = counted()
    assert not named["wrong"], named["wrong"]
    assert counts["right"] >= RIGHT, counts
