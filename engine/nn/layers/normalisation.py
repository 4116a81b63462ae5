"""Layers that scale and shift: batch norm, optionally fused with the ReLU that follows, layer norm,
and a gate.
"""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Layer, Result, check_input, register
from engine.nn.operations import operations_for
from engine.nn.operations.plain import NormBackward


@register("batch_norm")
class BatchNorm(Layer):
    """Normalise each channel over the batch (and squares), then scale and shift it.

    forward:  x [B, C] or [B, C, H, W] -> y like x
    backward: dy like y -> dx like x; gradients gamma [C], beta [C]

    With n values a channel, h = (x - mean) / sqrt(variance + epsilon) and y = gamma h + beta:
        dgamma = sum dy h      dbeta = sum dy
        dx = gamma / sqrt(variance + epsilon) * (dy - dbeta / n - h dgamma / n)

    `relu` applies max(y, 0) in the same pass, which saves one walk over the data in each direction.
    Training uses the batch's own statistics and moves the running ones towards them by `momentum`.
    Inference uses the running statistics as constants. So does training on a single value a
    channel, which has no variance. Both use the biased variance, the mean of (x - mean)^2;
    PyTorch's running one is n / (n - 1) times it. `groups` equal parts of a batch can be normalised
    each by itself on a GPU, where a pass for each would be slow; the running statistics follow the
    means of theirs. Raises ShapeError when C differs. Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    sizes = ("channels",)
    groups = 1

    def __init__(
        self, channels: int, relu: bool = False, momentum: float = 0.1, epsilon: float = 1e-5
    ) -> None:
        if channels < 1 or not 0 < momentum <= 1 or not epsilon > 0:
            given = f"BatchNorm({channels}, momentum={momentum}, epsilon={epsilon})"
            raise ConfigError(
                f"{given}: expected channels >= 1, momentum above 0 and at most 1, epsilon > 0"
            )
        self.channels = channels
        self.relu = relu
        self.momentum = momentum
        self.epsilon = epsilon
        self.params = {
            "gamma": np.ones(channels, np.float32),
            "beta": np.zeros(channels, np.float32),
        }
        statistics = np.zeros(channels, np.float32), np.ones(channels, np.float32)
        self.buffers = dict(zip(("running_mean", "running_variance"), statistics, strict=True))

    def forward(self, x: Array, training: bool = False) -> Result:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", self.channels, "...", dtype=gamma.dtype)
        running = self.buffers["running_mean"], self.buffers["running_variance"]
        operations = operations_for(x)
        is_own = training and x.size > self.channels
        settings = self.epsilon, self.relu, self.groups, None if is_own else running
        y, mean, variance, norm_backward = operations.batch_norm(x, gamma, beta, *settings)
        if is_own:
            operations.follow(running, (mean, variance), self.momentum)
        return y, _named(norm_backward)


@register("layer_norm")
class LayerNorm(Layer):
    """Normalise the features of each position separately, then scale and shift them.

    forward:  x [B, ..., C] -> y like x
    backward: dy like y -> dx like x; gradients gamma [C], beta [C]

    With mean and (biased) variance over the C features of a position, h = (x - mean) / sqrt(variance + epsilon),
    y = gamma h + beta, and g = gamma dy; means are over the features:
        dgamma = sum over positions of dy h      dbeta = sum over positions of dy
        dx = (g - mean(g) - h mean(g h)) / sqrt(variance + epsilon)
    Raises ShapeError when C differs. Ba et al. 2016, arXiv:1607.06450.
    """

    sizes = ("features",)

    def __init__(self, features: int, epsilon: float = 1e-5) -> None:
        if features < 1 or not epsilon > 0:
            raise ConfigError(f"LayerNorm({features}, epsilon={epsilon}): both must be > 0")
        self.features, self.epsilon = features, epsilon
        self.params = {
            "gamma": np.ones(features, np.float32),
            "beta": np.zeros(features, np.float32),
        }

    def forward(self, x: Array, training: bool = False) -> Result:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", "...", self.features, dtype=gamma.dtype)
        y, norm_backward = operations_for(x).layer_norm(x, gamma, beta, self.epsilon)
        return y, _named(norm_backward)


@register("place_gate")
class PlaceGate(Layer):
    """Scale and shift each feature of each place: y = scale x + shift.

    forward:  x [B, T, features], T = places -> y like x
    backward: dy like y -> dx = scale dy; gradients scale [features, T] = sum of dy x over B, shift = sum of dy over B

    Raises ShapeError when x does not fit.
    """

    sizes = ("places", "features")

    def __init__(self, places: int, features: int) -> None:
        if places < 1 or features < 1:
            raise ConfigError(f"PlaceGate({places}, {features}): both must be >= 1")
        self.places, self.features = places, features
        shape = features, places
        self.params = {"scale": np.ones(shape, np.float32), "shift": np.zeros(shape, np.float32)}

    def forward(self, x: Array, training: bool = False) -> Result:
        check_input(self, x, "B", self.places, self.features)
        scale = self.params["scale"].T

        def backward(dy):
            return dy * scale, {"scale": (dy * x).sum(axis=0).T, "shift": dy.sum(axis=0).T}

        return x * scale + self.params["shift"].T, backward


def _named(norm_backward: NormBackward) -> Backward:
    def backward(dy):
        dx, dgamma, dbeta = norm_backward(dy)
        return dx, {"gamma": dgamma, "beta": dbeta}

    return backward
