"""Norms over a batch, optionally fused with the ReLU that follows, over features, over groups of
channels and by the root of the mean square; and a gate, which only scales and shifts.
"""

import math

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import ArrayDict, check_input
from engine.nn.layer import Array, Backward, Forward, Layer, register
from engine.nn.operations import operations_for
from engine.nn.operations.array_operations import NormBackward


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
        if not 0 < momentum <= 1 or not epsilon > 0:
            call = f"BatchNorm(momentum={momentum}, epsilon={epsilon})"
            raise ConfigError(f"{call}: expected momentum above 0 and at most 1, epsilon > 0")
        self.channels = channels
        self.relu = relu
        self.momentum = momentum
        self.epsilon = epsilon
        self.params = _scale_and_shift(channels)
        self.buffers = {
            "running_mean": np.zeros(channels, np.float32),
            "running_variance": np.ones(channels, np.float32),
        }

    def forward(self, x: Array, training: bool = False) -> Forward:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", self.channels, "...", dtype=gamma.dtype)
        running = self.buffers["running_mean"], self.buffers["running_variance"]
        operations = operations_for(x)
        settings = self.epsilon, self.relu, self.groups
        if not training or x.size <= self.channels:
            y, *_, norm_backward = operations.batch_norm(x, gamma, beta, *settings, running)
            return y, _named(norm_backward)
        y, mean, variance, norm_backward = operations.batch_norm(x, gamma, beta, *settings)
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
        if not epsilon > 0:
            raise ConfigError(f"LayerNorm: epsilon must be > 0, not {epsilon}")
        self.features, self.epsilon = features, epsilon
        self.params = _scale_and_shift(features)

    def forward(self, x: Array, training: bool = False) -> Forward:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", "...", self.features, dtype=gamma.dtype)
        y, norm_backward = operations_for(x).layer_norm(x, gamma, beta, self.epsilon)
        return y, _named(norm_backward)


@register("place_gate")
class PlaceGate(Layer):
    """Scale and shift each feature of each place: y = scale x + shift.

    forward:  x [B, T, features], T = places -> y like x
    backward: dy like y -> dx = scale dy; gradients scale [features, T] = sum of dy x over B, shift
              = sum of dy over B

    Raises ShapeError when x does not fit.
    """

    sizes = ("places", "features")

    def __init__(self, places: int, features: int) -> None:
        self.places, self.features = places, features
        shape = features, places
        self.params = {"scale": np.ones(shape, np.float32), "shift": np.zeros(shape, np.float32)}

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", self.places, self.features)
        scale = self.params["scale"].T

        def backward(dy):
            return dy * scale, {"scale": (dy * x).sum(axis=0).T, "shift": dy.sum(axis=0).T}

        return x * scale + self.params["shift"].T, backward


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
        if channels % groups or not epsilon > 0:
            call = f"GroupNorm({groups}, {channels}, epsilon={epsilon})"
            raise ConfigError(f"{call}: the groups must divide the channels, epsilon > 0")
        self.groups = groups
        self.channels = channels
        self.epsilon = epsilon
        self.params = _scale_and_shift(channels)

    def forward(self, x: Array, training: bool = False) -> Forward:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", self.channels, "...", dtype=gamma.dtype)
        if not math.prod(x.shape[1:]):
            raise ShapeError(f"GroupNorm: there is nothing in {list(x.shape)}")
        settings = self.groups, self.epsilon
        y, norm_backward = operations_for(x).group_norm(x, gamma, beta, *settings)
        return y, _named(norm_backward)


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
        if not epsilon > 0:
            raise ConfigError(f"RMSNorm: epsilon must be > 0, not {epsilon}")
        self.features, self.epsilon = features, epsilon
        self.params["gamma"] = np.ones(features, np.float32)

    def forward(self, x: Array, training: bool = False) -> Forward:
        gamma = self.params["gamma"]
        xp = xp_of(x)
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


def _scale_and_shift(features: int) -> ArrayDict:
    return {"gamma": np.ones(features, np.float32), "beta": np.zeros(features, np.float32)}


def _named(norm_backward: NormBackward) -> Backward:
    def backward(dy):
        dx, dgamma, dbeta = norm_backward(dy)
        return dx, {"gamma": dgamma, "beta": dbeta}

    return backward
