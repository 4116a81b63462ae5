"""Products of pairs of units."""

from __future__ import annotations

from engine.backend import backend_of
from engine.errors import ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, register


@register("pair_product")
class PairProduct(Layer):
    """Multiply the first half of the units by the second half: x [B, 2 n] -> y [B, n].

    y_i = x_i x_{n+i}      dx_i = dy_i x_{n+i}      dx_{n+i} = dy_i x_i

    Raises ShapeError for an odd number of units.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "units")
        if x.shape[1] % 2:
            raise ShapeError(f"PairProduct: expected an even number of units, found {list(x.shape)}")
        half = x.shape[1] // 2
        first, second = x[:, :half], x[:, half:]

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, first.shape)
            return backend_of(dy).xp.concatenate([dy * second, dy * first], axis=1), {}

        return first * second, backward
