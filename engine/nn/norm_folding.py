"""Folds batch norm into the preceding convolution: same outputs, one pass over the data less per
norm.
"""

import copy

import numpy as np

from engine.nn.layer import Array, Layer
from engine.nn.layers.activations import Activation
from engine.nn.layers.containers import Sequential
from engine.nn.layers.conv import Conv2D
from engine.nn.layers.normalisation import BatchNorm
from engine.nn.layers.residual import Residual


def fold_norms(layer: Layer) -> Layer:
    """Return a copy for inference only: each convolution followed by a batch norm becomes one
    convolution.

    With g, b, m, v the norm's gamma, beta, running mean and variance, and w, c the convolution's weight and bias:
        w' = w g / sqrt(v + epsilon)      c' = b + (c - m) g / sqrt(v + epsilon)
    The result is computed in float64 and stored in the dtype of w. A ReLU fused into the norm stays as a layer.
    """
    children: dict[str, Layer] = {}
    previous = ""
    for name, child in layer.children().items():
        before = children.get(previous)
        is_chain = isinstance(layer, Sequential | Residual)
        if is_chain and isinstance(child, BatchNorm) and isinstance(before, Conv2D):
            children[previous] = _folded(before, child)
            if child.relu:
                children[name] = Activation("relu")
        else:
            children[name] = fold_norms(child)
        previous = name
    return layer.with_children(children)


def fold_norm(
    weight: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
) -> tuple[Array, Array]:
    """Return a convolution's weight and bias with a batch norm folded in: w g / s, b - m g / s, s^2
    = v + epsilon.
    """
    scale = gamma / np.sqrt(variance + epsilon)
    by_kernel = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return weight * by_kernel, beta - mean * scale


def _folded(conv: Conv2D, norm: BatchNorm) -> Conv2D:
    weight = conv.params["weight"].astype(np.float64)
    bias = conv.params.get("bias", np.float64(0.0))
    mean = norm.buffers["running_mean"].astype(np.float64)
    variance = norm.buffers["running_variance"].astype(np.float64)
    gamma, beta = norm.params["gamma"], norm.params["beta"]
    weight, bias = fold_norm(weight, gamma, beta, mean - bias, variance, norm.epsilon)
    dtype = conv.params["weight"].dtype
    twin = copy.copy(conv)
    twin.bias = True
    twin.params = {"weight": weight.astype(dtype), "bias": bias.astype(dtype)}
    return twin
