"""ONNX's own node tests, each by the layer that does the same.

What the library has not raises `Waiting`. Outputs that only its backward would need, such as the
mean of a norm or the mask of a dropout, are not compared. Cases and their expanded forms hold the
same numbers; both are counted.
"""

import collections
import math
import re
import warnings

import numpy as np
import pytest

from engine import nn
from engine.errors import AinoError
from engine.nn.layers import ACTIVATIONS, attend, softmax
from engine.nn.layers.attend import rotated

RNG = np.random.default_rng(0)
RIGHT = 370  # at least


class Waiting(Exception):
    """The library has no layer, or no option, for this."""


def needs(condition):
    if not condition:
        raise Waiting


def filled(layer, *arrays):
    """Return a layer with these arrays as its parameters, in their order."""
    for name, array in zip(layer.params, arrays, strict=False):
        assert layer.params[name].shape == array.shape
        layer.params[name] = array
    return layer


def of_sides(name, x):
    """Return the layer of this name for sequences, or for images."""
    return getattr(nn, f"{name}{x.ndim - 2}D")


def windows(a, x, size):
    """Return stride, padding and dilation of a convolution or a pooling."""
    needs(x.ndim < 5 and x.dtype == np.float32)
    needs(a.get("auto_pad", "NOTSET") in ("NOTSET", "VALID"))
    axes = len(size)
    pads = a.get("pads", [0] * 2 * axes)
    padding = list(zip(pads[:axes], pads[axes:], strict=True))
    ones = [1] * axes
    return {
        "stride": a.get("strides", ones),
        "padding": padding,
        "dilation": a.get("dilations", ones),
    }


def conv(a, x, weight, bias=None):
    form = windows(a, x, weight.shape[2:])
    groups = a.get("group", 1)
    sizes = weight.shape[1] * groups, len(weight), weight.shape[2:]
    make = of_sides("Conv", x)
    return filled(make(*sizes, RNG, bias=bias is not None, groups=groups, **form), weight, bias)(x)


def conv_transpose(a, x, weight, bias=None):
    needs("output_shape" not in a)
    form = windows(a, x, weight.shape[2:]) | {"output_padding": a.get("output_padding", 0)}
    groups = a.get("group", 1)
    sizes = len(weight), weight.shape[1] * groups, weight.shape[2:]
    make = of_sides("ConvTranspose", x)
    return filled(make(*sizes, RNG, bias=bias is not None, groups=groups, **form), weight, bias)(x)


def pool(name):
    def run(a, x):
        form = windows(a, x, a["kernel_shape"]) | {"ceil": bool(a.get("ceil_mode", 0))}
        if name == "AveragePool":
            form["counts_padding"] = bool(a.get("count_include_pad", 0))
            needs({*form.pop("dilation")} == {1})
        return of_sides(name, x)(a["kernel_shape"], **form)(x)

    return run


def over_last_axes(make):
    """Return a norm over all axes from `axis` on, as one over their numbers in a row."""

    def norm(a, x, *arrays):
        count = math.prod(x.shape[a.get("axis", -1) % x.ndim :])
        layer = filled(make(count, a.get("epsilon", 1e-5)), *(one.reshape(-1) for one in arrays))
        return layer(x.reshape(-1, count)).reshape(x.shape)

    return norm


def groups_of(a, x, gamma, beta):
    groups = a.get("num_groups", len(gamma))
    return filled(nn.GroupNorm(groups, len(gamma), a.get("epsilon", 1e-5)), gamma, beta)(x)


def batch_norm(a, x, gamma, beta, mean, variance):
    layer = nn.BatchNorm(len(gamma), False, 1 - a.get("momentum", 0.9), a.get("epsilon", 1e-5))
    filled(layer, gamma, beta).load_buffers({"running_mean": mean, "running_variance": variance})
    y = layer.forward(x, training=bool(a.get("training_mode", 0)))[0]
    return (y, *layer.buffers.values()) if a.get("training_mode") else y


def cross_entropy(a, x, labels, weights=None):
    options = {"class_weights": weights, "reduction": a.get("reduction", "mean")}
    logits, ignored = np.moveaxis(x, 1, -1), a.get("ignore_index")
    loss = nn.softmax_cross_entropy(logits, labels, ignore_index=ignored, **options)[0]
    return loss, nn.Softmax(1, log=True)(x)


def activation(name):
    def apply(a, x):
        if name == "hard_sigmoid":
            needs(a.pop("beta", 0.5) == 0.5)
            a = {"alpha": 0.2} | a
        needs(a.keys() <= {"alpha"})
        return nn.Activation(name, **a)(x)

    return apply


def recurrent(make, order):
    """Return a recurrent layer; `order` are the places of the library's gates in ONNX's."""

    def run(a, x, weight, hidden_weight, biases=None, lengths=None, *states):
        hidden = a["hidden_size"]
        needs(
            "activations" not in a and "clip" not in a and not a.get("layout") and len(weight) == 1
        )
        x = x.swapaxes(0, 1)
        options = {}
        if lengths is not None:
            options["mask"] = np.arange(x.shape[1]) < lengths[:, None]
        reset = {"reset_first": not a.get("linear_before_reset", 0)} if make is nn.GRU else {}
        is_reverse = a.get("direction") == "reverse"
        layer = make(x.shape[2], hidden, RNG, False, is_reverse, return_state=True, **reset)
        biases = np.zeros((1, 8 * hidden), np.float32) if biases is None else biases
        halves = np.split(biases[0][: 2 * len(order) * hidden], 2)
        weights = [
            one.reshape(len(order), hidden, -1)[order].reshape(len(order) * hidden, -1)
            for one in (weight[0], hidden_weight[0])
        ]
        first, second = (one.reshape(len(order), hidden)[order] for one in halves)
        if "candidate_bias" in layer.params:
            joint = np.concatenate([(first + second)[:2], first[2:]])
            filled(layer, *weights, joint.reshape(-1), second[2])
        else:
            filled(layer, *weights, (first + second).reshape(-1))
        needs(len(states) < 3)
        given = tuple(one[0] for one in states if one is not None)
        y, *ends = layer((x, *given) if given else x, **options)
        return (y.swapaxes(0, 1)[:, None], *(one[None] for one in ends))

    return run


def resize(a, x, roi=None, scales=None, sizes=None):
    mode, places = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    plain = {"antialias", "exclude_outside", "axes", "keep_aspect_ratio_policy"} & a.keys()
    needs(not plain and a.get("cubic_coeff_a", -0.75) == -0.75 and x.ndim < 5)
    if sizes is not None and len(sizes):
        scales = [new / old for new, old in zip(sizes, x.shape, strict=True)]
    needs([*scales[:2]] == [1, 1])
    scale = [float(one) for one in scales[2:]]
    if mode == "nearest":
        needs((places, a.get("nearest_mode")) == ("asymmetric", "floor"))
        return nn.Upsample(scale)(x)
    # Between corners, ONNX goes by sides that are no whole numbers.
    whole = [float(one * n).is_integer() for one, n in zip(scales, x.shape, strict=True)]
    needs(places == "half_pixel" or (places == "align_corners" and all(whole)))
    return nn.Upsample(scale, mode, places == "align_corners")(x)


def heads_of(x, count):
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], count, -1).swapaxes(1, 2)


def attention(a, query, key, value, mask=None, *past):
    known = {"is_causal", "scale", "q_num_heads", "kv_num_heads", "softmax_precision"}
    needs(a.keys() <= known and query.dtype == np.float32 and not past)
    shape = query.shape
    query = heads_of(query, a.get("q_num_heads"))
    key, value = (heads_of(one, a.get("kv_num_heads")) for one in (key, value))
    needs(query.shape[1] == key.shape[1])
    allowed = np.tri(query.shape[2], key.shape[2], dtype=bool) if a.get("is_causal") else None
    bias = mask
    if mask is not None and mask.dtype == bool:
        allowed = mask if allowed is None else allowed & mask
        bias = None
    root = math.sqrt(query.shape[-1])
    y, _ = attend(query * np.float32(a.get("scale", 1 / root) * root), key, value, allowed, bias)
    return y if len(shape) == 4 else y.swapaxes(1, 2).reshape(*shape[:2], -1)


def rotary(a, x, cosine, sine, places=None):
    needs(not a.get("interleaved") and not a.get("rotary_embedding_dim"))
    heads = heads_of(x, a.get("num_heads"))
    if places is not None:
        cosine, sine = cosine[places], sine[places]
    y = rotated(heads, cosine[:, None], sine[:, None])
    return y if x.ndim == 4 else y.swapaxes(1, 2).reshape(x.shape)


def reshape(a, x, shape):
    needs(shape[0] in (x.shape[0], 0) and (shape[1:] > 0).all() and not a.get("allowzero"))
    return nn.Reshape(shape[1:])(x)


# By the names of activation functions and, for what the functions above have not, by a rule.
OURS = {
    re.sub("(^|_)(.)", lambda found: found[2].upper(), name): activation(name)
    for name in ACTIVATIONS
} | {
    "Attention": attention,
    "AveragePool": pool("AveragePool"),
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Flatten": lambda a, x: nn.Flatten()(x) if a.get("axis", 1) % x.ndim == 1 else needs(False),
    "GRU": recurrent(nn.GRU, [1, 0, 2]),
    "Gelu": lambda a, x: nn.Activation("gelu" if "approximate" in a else "exact_gelu")(x),
    "GlobalAveragePool": lambda a, x: nn.GlobalAveragePool()(x)[..., None, None],
    "GroupNormalization": groups_of,
    "InstanceNormalization": groups_of,
    "LSTM": recurrent(nn.LSTM, [0, 2, 1, 3]),
    "LayerNormalization": over_last_axes(nn.LayerNorm),
    "LogSoftmax": lambda a, x: nn.Softmax(a.get("axis", -1), log=True)(x),
    "MaxPool": pool("MaxPool"),
    "RMSNormalization": over_last_axes(nn.RMSNorm),
    "RNN": recurrent(nn.RNN, [0]),
    "Reshape": reshape,
    "Resize": resize,
    "RotaryEmbedding": rotary,
    "Softmax": lambda a, x: softmax(x, a.get("axis", -1)),
    "SoftmaxCrossEntropyLoss": cross_entropy,
}
# whose further outputs are none
AUXILIARY = {"LayerNormalization", "BatchNormalization", "Attention", "MaxPool"}


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
            results = OURS[node.op_type](dict(attributes), *inputs)
        except (Waiting, AinoError, TypeError, KeyError, AttributeError):
            return "waits"
        results = results if isinstance(results, tuple) else (results,)
        shown = [one for one, name in zip(results, node.output, strict=False) if name]
        if len(shown) < len(expected) and node.op_type not in AUXILIARY:
            return "waits"
        near = {"rtol": max(case.rtol, 1e-4), "atol": max(case.atol, 1e-5)}
        for one, wanted in zip(shown, expected, strict=False):
            if np.shape(one) != wanted.shape or not np.allclose(one, wanted, **near):
                return "wrong"
    return "right"


@pytest.mark.slow
def test_of_onnx_node_tests_none_is_wrong():
    onnx = pytest.importorskip("onnx")
    loader = pytest.importorskip("onnx.backend.test.loader")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case for case in loader.load_model_tests(kind="node") if case.model is not None]
    nodes = {case.name: case.model.graph.node for case in cases}
    named = collections.defaultdict(list)
    for case in cases:
        first, *more = nodes.get(case.name.partition("_expanded")[0], [None, None])
        if not more and first.op_type in OURS:
            named[outcome(onnx, first, case)].append(case.name)
    assert not named["wrong"], named["wrong"]
    assert len(named["right"]) >= RIGHT, len(named["right"])
