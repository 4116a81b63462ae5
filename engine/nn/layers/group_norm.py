"""Norms that use no other example: of groups of channels, and by the root of the mean square."""

from __future__ import annotations

import math

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Layer, Result, check_input, register
from engine.nn.operations import operations_for


@register("group_norm")
class GroupNorm(Layer):
    """Normalise groups of channels of each example, then scale and shift each channel.

    forward:  x [B, C, ...] -> y like x
    backward: dy like y -> dx like x; gradients gamma [C], beta [C]

    With h as in `LayerNorm`, over all numbers of a group, y = gamma h + beta:
        dgamma = sum of dy h      dbeta = sum of dy      dx = the gradient of the norm for dh = gamma dy
    As many groups as channels make an instance norm, one group a layer norm of all of an example.
    Raises ConfigError unless the groups divide the channels, ShapeError when C differs. Wu and He
    2018, arXiv:1803.08494.
    """

    sizes = ("channels",)

    def __init__(self, groups: int, channels: int, epsilon: float = 1e-5) -> None:
        if groups < 1 or channels < 1 or channels % groups or not epsilon > 0:
            given = f"GroupNorm({groups}, {channels}, epsilon={epsilon})"
            raise ConfigError(f"{given}: the groups must divide the channels, epsilon > 0")
        self.groups = groups
        self.channels = channels
        self.epsilon = epsilon
        self.params["gamma"] = np.ones(channels, np.float32)
        self.params["beta"] = np.zeros(channels, np.float32)

    def forward(self, x: Array, training: bool = False) -> Result:
        check_input(self, x, "B", self.channels, "...", dtype=self.params["gamma"].dtype)
        each = self.channels, *[1] * (x.ndim - 2)
        gamma, beta = (self.params[name].reshape(each) for name in ("gamma", "beta"))
        xp = backend_of(x).xp
        width = math.prod(x.shape[1:]) // self.groups
        rows = x.reshape(len(x), self.groups, width)
        units = xp.ones(width, x.dtype), xp.zeros(width, x.dtype)
        h, norm_backward = operations_for(x).layer_norm(rows, *units, self.epsilon)
        h = h.reshape(x.shape)
        others = (0, *range(2, x.ndim))

        def backward(dy):
            dx, *_ = norm_backward((gamma * dy).reshape(rows.shape))
            grads = {"gamma": (dy * h).sum(axis=others), "beta": dy.sum(axis=others)}
            return dx.reshape(x.shape), grads

        return gamma * h + beta, backward


@register("rms_norm")
class RMSNorm(Layer):
    """Divide the features of each position by the root of their mean square, then scale them.

    forward:  x [B, ..., C] -> y like x
    backward: dy like y -> dx like x; gradient gamma [C]

    With r = 1 / sqrt(mean(x^2) + epsilon), h = r x, y = gamma h and g = gamma dy:
        dgamma = sum over positions of dy h      dx = r (g - h mean(g h))
    Raises ShapeError when C differs. Zhang and Sennrich 2019, arXiv:1910.07467.
    """

    sizes = ("features",)

    def __init__(self, features: int, epsilon: float = 1e-6) -> None:
        if features < 1 or not epsilon > 0:
            raise ConfigError(f"RMSNorm({features}, epsilon={epsilon}): both must be > 0")
        self.features, self.epsilon = features, epsilon
        self.params["gamma"] = np.ones(features, np.float32)

    def forward(self, x: Array, training: bool = False) -> Result:
        gamma = self.params["gamma"]
        xp = backend_of(x).xp
        check_input(self, x, "B", "...", self.features, dtype=gamma.dtype)
        # In double precision, because the square of a float32 may overflow.
        square = xp.square(x, dtype=np.float64).mean(axis=-1, keepdims=True)
        r = (1 / xp.sqrt(square + self.epsilon)).astype(x.dtype)
        h = x * r

        def backward(dy):
            g = gamma * dy
            dgamma = (dy * h).reshape(-1, self.features).sum(axis=0)
            return r * (g - h * (g * h).mean(axis=-1, keepdims=True)), {"gamma": dgamma}

        return gamma * h, backward
