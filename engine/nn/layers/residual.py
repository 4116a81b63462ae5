"""Residual blocks: a body inside a skip connection."""

from __future__ import annotations

from typing import Any

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, prefixed, register
from engine.nn.layers.activations import activation_function
from engine.nn.layers.containers import Sequential
from engine.nn.layers.squeeze_excitation import MergeBackward, SqueezeExcitation
from engine.nn.operations import operations_for


@register("residual")
class Residual(Layer):
    """A body inside a skip connection, optionally followed by a squeeze-and-excitation gate.

    forward:  x, optionally mask and state as in Sequential -> y like x, y = act(g(body(x)) + x), where g is
              the gate ("se") or nothing
    backward: dy -> dx like x;  with da = act'(.) dy:  dx = body's backward of (g's backward of da) + da

    The body's parameters keep their names; the gate's are "se.NAME". Raises ShapeError when the body changes the shape.
    He et al. 2016, arXiv:1512.03385.
    """

    def __init__(self, body: Sequential, se: SqueezeExcitation | None = None, activation: str = "relu") -> None:
        super().__init__()
        if not isinstance(body, Sequential) or not isinstance(se, SqueezeExcitation | None) or "se" in body.layers:
            expected = "the body must be Sequential, no part of it named 'se', the gate SqueezeExcitation"
            raise ConfigError(f"Residual: {expected}")
        self.body, self.se, self.activation = body, se, activation
        self._apply = activation_function("identity" if activation == "relu" else activation)

    def forward(self, x: Array, training: bool = False, mask: Any = None, state: Any = None) -> tuple[Array, Backward]:
        inner, body_backward = self.body.forward(x, training, mask, state)
        if inner.shape != x.shape:
            raise ShapeError(f"Residual: the body turns {list(x.shape)} into {list(inner.shape)}")
        total, merge_backward = self._merge(inner, x, training)
        y, slope = self._apply(total)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dinner, dskip, gate_grads = merge_backward(slope(dy))
            dx, grads = body_backward(dinner)
            return operations_for(dx).add(dx, dskip), grads | prefixed("se", gate_grads)

        return y, backward

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
