"""Softmax, for outputs that are read or go on; a loss contains its own."""

from typing import Any

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register
from engine.nn.operations import operations_for


def softmax(x: Array, axis: int = -1) -> Array:
    """Return e^x / sum of e^x along an axis: numbers that are positive and sum to 1."""
    rows = xp_of(x).moveaxis(x, axis, -1).copy()
    return xp_of(x).moveaxis(operations_for(rows).softmax(rows)[0], -1, axis)


@register("softmax")
class Softmax(Layer):
    """Softmax along an axis, or its logarithm.

    forward:  x floating [B, ..., A] -> y like x
    backward: dy like y -> dx like x; no parameters

    y = e^x / sum of e^x          dx = y (dy - sum of dy y)
    With `log`: y = x - m - ln(sum of e^(x - m)), m = max x          dx = dy - e^y sum of dy

    Before `softmax_cross_entropy`, which contains it, this layer is a mistake. Raises ConfigError
    for the batch's axis, 0, ShapeError for one that x has not.
    """

    def __init__(self, axis: int = -1, log: bool = False) -> None:
        if axis == 0:
            raise ConfigError("Softmax: the axis must be one behind the batch's, not 0")
        self.axis, self.log = axis, log

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "A", "...")
        if not -x.ndim < self.axis < x.ndim:
            raise ShapeError(f"Softmax: expected an axis {self.axis}, found {list(x.shape)}")
        if not self.log:
            y = softmax(x, self.axis)
            return y, lambda dy: (y * (dy - self._sum(dy * y)), {})
        xp = xp_of(x)
        largest = x.max(axis=self.axis, keepdims=True)
        shifted = x - xp.where(xp.isfinite(largest), largest, 0)
        total = self._sum(xp.exp(shifted))
        # Where all is masked, the sum is 0 and every logarithm stays -inf.
        y = shifted - xp.log(xp.where(total > 0, total, 1))
        return y, lambda dy: (dy - xp.exp(y) * self._sum(dy), {})

    def _sum(self, x: Array) -> Any:
        return x.sum(axis=self.axis, keepdims=True)
