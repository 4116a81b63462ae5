"""Residual blocks and their squeeze-and-excitation gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import (
    Array,
    Backward,
    Gradients,
    Layer,
    check_gradient,
    check_input,
    layer_from_config,
    prefixed,
    register,
)
from engine.nn.layers.activations import activation_function, sigmoid
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.operations import operations_for

GateBackward = Callable[[Array, Array], tuple[Array, Gradients]]
MergeBackward = Callable[[Array], tuple[Array, Array, Gradients]]


@register("squeeze_excitation")
class SqueezeExcitation(Layer):
    """Scale and shift each plane by amounts computed from the whole board, as in Lc0.

    forward:  x [B, C, H, W] -> y = sigmoid(s) x + t
    backward: dy like y -> dx like x; gradients squeeze.* ([hidden, C], [hidden]) and excite.* ([2C, hidden], [2C])

    With m the mean of x over the squares and (s, t) the halves of excite(act(squeeze(m))):
        ds = sigmoid'(s) sum_squares x dy      dt = sum_squares dy
        dx = sigmoid(s) dy + dm / (H W), where dm is the gradient of m through the two dense layers
    Raises ShapeError when x is not [B, C, H, W]. Hu et al. 2018, arXiv:1709.01507; the shift is Lc0's addition.
    """

    def __init__(self, channels: int, hidden: int, rng: np.random.Generator, activation: str = "relu") -> None:
        super().__init__()
        self.channels, self.hidden, self.activation = channels, hidden, activation
        self._apply = activation_function(activation)
        self.squeeze: Layer = Dense(channels, hidden, rng)
        self.excite: Layer = Dense(hidden, 2 * channels, rng, initialization="glorot")

    def gates(self, x: Array, training: bool = False) -> tuple[Array, Array, GateBackward]:
        """Return (sigmoid(s) [B, C], t [B, C], backward); backward maps their gradients to (dm [B, C], gradients)."""
        check_input(self, x, "B", self.channels, "H", "W")
        squeezed, squeeze_backward = self.squeeze.forward(operations_for(x).square_mean(x), training)
        active, active_backward = self._apply(squeezed)
        excited, excite_backward = self.excite.forward(active, training)
        scale, scale_backward = sigmoid(excited[:, : self.channels])
        shift = excited[:, self.channels :]

        def backward(dscale: Array, dshift: Array) -> tuple[Array, Gradients]:
            dexcited = backend_of(x).xp.concatenate([scale_backward(dscale), dshift], axis=1)
            dactive, excite_grads = excite_backward(dexcited)
            dmean, squeeze_grads = squeeze_backward(active_backward(dactive))
            return dmean, prefixed("squeeze", squeeze_grads) | prefixed("excite", excite_grads)

        return scale, shift, backward

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y, merge_backward = self.forward_with_skip(x, backend_of(x).xp.zeros_like(x), False, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, x.shape)
            dx, _, grads = merge_backward(dy)
            return dx, grads

        return y, backward

    def forward_with_skip(self, x: Array, skip: Array, relu: bool, training: bool) -> tuple[Array, MergeBackward]:
        """Compute sigmoid(s) x + t + skip in one pass, with ReLU on request; backward: dy -> (dx, dskip, gradients)."""
        scale, shift, gates_backward = self.gates(x, training)
        y, sum_backward = operations_for(x).gated_sum(x, scale, shift, skip, relu)

        def backward(dy: Array) -> tuple[Array, Array, Gradients]:
            d = sum_backward(dy)
            dmean, grads = gates_backward(d.scale, d.shift)
            return d.input_gradient(dmean), d.skip, grads

        return y, backward

    def config(self) -> dict[str, Any]:
        return {
            "layer": self.kind,
            "channels": self.channels,
            "hidden": self.hidden,
            "activation": self.activation,
        }

    def children(self) -> dict[str, Layer]:
        return {"squeeze": self.squeeze, "excite": self.excite}

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.squeeze, self.excite = children["squeeze"], children["excite"]


@register("residual")
class Residual(Layer):
    """A body inside a skip connection, optionally followed by a squeeze-and-excitation gate.

    forward:  x -> y = act(g(body(x)) + x), where g is the gate ("se") or nothing; y has the shape of x
    backward: dy -> dx like x;  with da = act'(.) dy:  dx = body's backward of (g's backward of da) + da

    The body's parameters keep their names; the gate's are "se.NAME". Raises ShapeError when the body changes the shape.
    He et al. 2016, arXiv:1512.03385.
    """

    def __init__(self, body: Sequential, se: SqueezeExcitation | None = None, activation: str = "relu") -> None:
        super().__init__()
        if not isinstance(body, Sequential) or not isinstance(se, SqueezeExcitation | None) or "se" in body.layers:
            raise ConfigError(
                "Residual: the body must be Sequential, no part of it named 'se', the gate SqueezeExcitation"
            )
        self.body, self.se, self.activation = body, se, activation
        self._apply = activation_function("identity" if activation == "relu" else activation)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        inner, body_backward = self.body.forward(x, training)
        if inner.shape != x.shape:
            raise ShapeError(f"Residual: the body turns {list(x.shape)} into {list(inner.shape)}")
        total, merge_backward = self._merge(inner, x, training)
        y, slope = self._apply(total)
        shape = y.shape

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, shape)
            dinner, dskip, gate_grads = merge_backward(slope(dy))
            dx, grads = body_backward(dinner)
            return operations_for(dx).add(dx, dskip), grads | prefixed("se", gate_grads)

        return y, backward

    def config(self) -> dict[str, Any]:
        se = None if self.se is None else self.se.config()
        return {"layer": self.kind, "body": self.body.config(), "se": se, "activation": self.activation}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        body: Any = layer_from_config(config["body"], rng)
        se: Any = None if config["se"] is None else layer_from_config(config["se"], rng)
        return cls(body, se, config["activation"])

    def children(self) -> dict[str, Layer]:
        gate: dict[str, Layer] = {} if self.se is None else {"se": self.se}
        return self.body.children() | gate

    def _replace_children(self, children: dict[str, Layer]) -> None:
        gate: Any = children.pop("se", None)
        self.se = gate
        self.body = Sequential(**children)

    def _merge(self, inner: Array, skip: Array, training: bool) -> tuple[Array, MergeBackward]:
        """Add gate(inner) + skip and apply ReLU if set; backward: dy -> (dinner, dskip, the gate's gradients)."""
        relu = self.activation == "relu"
        if self.se is not None:
            return self.se.forward_with_skip(inner, skip, relu, training)
        y, sum_backward = operations_for(inner).sum(inner, skip, relu)

        def backward(dy: Array) -> tuple[Array, Array, Gradients]:
            dsum = sum_backward(dy)
            return dsum, dsum, {}

        return y, backward
