"""Residual blocks: a body inside a skip connection, and the squeeze-and-excitation gate at its end."""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_board, check_input
from engine.nn.layer import Array, Forward, Gradients, Layer, prefixed, register
from engine.nn.layers.activations import Activation, activation_function, identity, sigmoid
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.operations import operations_for

MergeBackward = Callable[[Array], tuple[Array, Array, Gradients]]


@register("squeeze_excitation")
class SqueezeExcitation(Layer):
    """Scale and shift each plane by amounts computed from the whole board, as in Lc0.

    forward:  x [B, C, H, W] -> y = sigmoid(s) x + t
    backward: dy like y -> dx like x; gradients squeeze.* ([hidden, C], [hidden]) and excite.* ([2C,
              hidden], [2C])

    With m the mean of x over the squares and (s, t) the halves of excite(act(squeeze(m))):
        ds = sigmoid'(s) sum_squares x dy      dt = sum_squares dy
        dx = sigmoid(s) dy + dm / (H W), where dm is the gradient of m through the two dense layers
    Raises ShapeError when x is not [B, C, H, W]. Hu et al. 2018, arXiv:1709.01507; the shift is Lc0's addition.
    """

    def __init__(
        self, channels: int, hidden: int, rng: np.random.Generator, activation: str = "relu"
    ) -> None:
        self.channels = channels
        self.hidden = hidden
        self.activation = activation
        self.squeeze: Layer = Dense(channels, hidden, rng)
        self.excite: Layer = Dense(hidden, 2 * channels, rng, initialization="glorot")

    def forward(self, x: Array, training: bool = False) -> Forward:
        y, merge_backward = self.forward_with_skip(x, xp_of(x).zeros_like(x), False, training)

        def backward(dy):
            dx, _, grads = merge_backward(dy)
            return dx, grads

        return y, backward

    def forward_with_skip(
        self, x: Array, skip: Array, relu: bool, training: bool
    ) -> tuple[Array, MergeBackward]:
        """Compute sigmoid(s) x + t + skip in one pass, with ReLU on request; backward: dy -> (dx,
        dskip, gradients).
        """
        check_input(self, x, "B", self.channels, "H", "W")
        check_board(self, x)
        operations = operations_for(x)
        act = Activation(self.activation)
        dense = Sequential(squeeze=self.squeeze, act=act, excite=self.excite)
        excited, dense_backward = dense.forward(operations.square_mean(x), training)
        scale, slope = operations.activate(sigmoid, excited[:, : self.channels])
        y, sum_backward = operations.gated_sum(x, scale, excited[:, self.channels :], skip, relu)

        def backward(dy):
            d = sum_backward(dy)
            dmean, grads = dense_backward(xp_of(x).concatenate([slope(d.scale), d.shift], axis=1))
            return d.input_gradient(dmean), d.skip, grads

        return y, backward


@register("residual")
class Residual(Layer):
    """A body inside a skip connection, optionally followed by a squeeze-and-excitation gate.

    forward:  x, optionally mask and state as in Sequential -> y like x, y = act(g(body(x)) + x),
              where g is the gate ("se") or nothing
    backward: dy -> dx like x;  with da = act'(.) dy:  dx = body's backward of (g's backward of da) + da

    The body's parameters keep their names; the gate's are "se.NAME". Raises ShapeError when the
    body changes the shape. He et al. 2016, arXiv:1512.03385.
    """

    def __init__(
        self, body: Sequential, se: SqueezeExcitation | None = None, activation: str = "relu"
    ) -> None:
        is_body = isinstance(body, Sequential) and "se" not in body.layers
        if not is_body or not isinstance(se, SqueezeExcitation | None):
            expected = (
                "the body must be Sequential, no part of it named 'se', the gate SqueezeExcitation"
            )
            raise ConfigError(f"Residual: {expected}")
        self.body = body
        self.se = se
        self.activation = activation
        activation_function(activation)  # refuses a name that there is not

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> Forward:
        inner, body_backward = self.body.forward(x, training, mask, state)
        if inner.shape != x.shape:
            raise ShapeError(f"Residual: the body turns {list(x.shape)} into {list(inner.shape)}")
        apply = activation_function(self.activation)
        gate_backward: MergeBackward | None = None
        if self.se is None:
            y, slope = operations_for(x).activate(apply, inner + x)
        else:
            relu = self.activation == "relu"  # in the pass of the gate
            y, gate_backward = self.se.forward_with_skip(inner, x, relu, training)
            if relu:
                y, slope = identity(y)
            else:
                y, slope = operations_for(x).activate(apply, y)

        def backward(dy):
            dinner = dskip = slope(dy)
            gate_grads: Gradients = {}
            if gate_backward is not None:
                dinner, dskip, gate_grads = gate_backward(dskip)
            dx, grads = body_backward(dinner)
            return operations_for(dx).add(dx, dskip), grads | prefixed("se", gate_grads)

        return y, backward

    def children(self) -> dict[str, Layer]:
        children = self.body.children()
        if self.se is not None:
            children["se"] = self.se
        return children

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.se = children.pop("se", None)  # type: ignore[assignment]
        self.body = Sequential(**children)
