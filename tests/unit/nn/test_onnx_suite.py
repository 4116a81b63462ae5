"""ONNX's own node tests, each by the layer that does the same.

Recurrent layers, attention and interpolation are compared with ONNX Runtime in `test_onnx_file`.
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
from engine.nn.layers import ACTIVATIONS, softmax

RNG = np.random.default_rng(0)
RIGHT = 295  # at least


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


def reshape(a, x, shape):
    needs(shape[0] in (x.shape[0], 0) and (shape[1:] > 0).all() and not a.get("allowzero"))
    return nn.Reshape(shape[1:])(x)


# By the names of activation functions and, for what the functions above have not, by a rule.
OURS = {
    re.sub("(^|_)(.)", lambda found: found[2].upper(), name): activation(name)
    for name in ACTIVATIONS
} | {
    "AveragePool": pool("AveragePool"),
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Flatten": lambda a, x: nn.Flatten()(x) if a.get("axis", 1) % x.ndim == 1 else needs(False),
    "Gelu": lambda a, x: nn.Activation("gelu" if "approximate" in a else "exact_gelu")(x),
    "GlobalAveragePool": lambda a, x: nn.GlobalAveragePool()(x)[..., None, None],
    "GroupNormalization": groups_of,
    "InstanceNormalization": groups_of,
    "LayerNormalization": over_last_axes(nn.LayerNorm),
    "LogSoftmax": lambda a, x: nn.Softmax(a.get("axis", -1), log=True)(x),
    "MaxPool": pool("MaxPool"),
    "RMSNormalization": over_last_axes(nn.RMSNorm),
    "Reshape": reshape,
    "Softmax": lambda a, x: softmax(x, a.get("axis", -1)),
    "SoftmaxCrossEntropyLoss": cross_entropy,
}
# whose further outputs are none
AUXILIARY = {"LayerNormalization", "BatchNormalization", "MaxPool"}


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
