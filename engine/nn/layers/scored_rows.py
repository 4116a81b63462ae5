"""A fully connected layer that computes listed outputs only."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, check_range, register
from engine.nn.layers.initialization import glorot_normal
from engine.nn.operations import operations_for


@register("scored_rows")
class ScoredRows(Layer):
    """A dense layer that computes only the listed outputs; each example has its own list.

    forward:  (x [B, inputs], chosen integer [B, M], output indices in [0, outputs), -1 = none, sorts integer
              [B, M, S] in [0, sorts), the first of the S in [0, sort_rows)) -> y [B, M]
    backward: dy like y -> (dx, None, None); gradients weight [outputs, inputs], bias [outputs], sort_weight
              [sort_rows, inputs], sort_bias [sorts]

    With rows W_c and V_t: y_bm = (W_c + V_t) x_b + b_c + sum over the S sorts k of s_k, where c = chosen_bm and t is
    the first sort, and y_bm = 0 where chosen_bm = -1. So
        dx_b = sum over m of dy_bm (W_c + V_t)      dW_c = sum over all (b, m) that chose c of dy_bm x_b, dV_t likewise
        db_c = sum of dy_bm over the same (b, m)    ds_k = sum of dy_bm over all choices of that sort
    Outputs of one sort share V_t and s_k, so what a sort has in common is learnt once for all its outputs.

    Raises ShapeError for other shapes and dtypes and for indices out of range.
    """

    settings = ("inputs", "outputs", "sorts", "sort_rows")
    sizes = ("sorts",)

    def __init__(self, inputs: int, outputs: int, sorts: int, sort_rows: int, rng: np.random.Generator) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or not 1 <= sort_rows <= sorts:
            raise ConfigError(
                f"ScoredRows({inputs}, {outputs}, {sorts}, {sort_rows}): all must be >= 1, and sort_rows <= sorts"
            )
        self.inputs, self.outputs, self.sorts, self.sort_rows = inputs, outputs, sorts, sort_rows
        self.params = {
            "weight": glorot_normal(rng, (outputs, inputs), inputs, inputs),
            "bias": np.zeros(outputs, np.float32),
            "sort_weight": np.zeros((sort_rows, inputs), np.float32),
            "sort_bias": np.zeros(sorts, np.float32),
        }

    def forward(self, x: tuple[Array, Array, Array], training: bool = False) -> tuple[Array, Backward]:
        units, chosen, sorts = x
        weight, bias, sort_weight, sort_bias = (
            self.params[name] for name in ("weight", "bias", "sort_weight", "sort_bias")
        )
        check_input(self, units, "B", self.inputs, dtype=weight.dtype)
        check_input(self, chosen, len(units), "M", dtype="integer")
        check_input(self, sorts, *chosen.shape, "S", dtype="integer")
        check_range(self, chosen, -1, self.outputs)
        check_range(self, sorts, 0, self.sorts)
        check_range(self, sorts[:, :, 0], 0, self.sort_rows)
        listed = chosen >= 0
        # [B, M, inputs]; -1 picks the last row, and the mask zeroes the result
        rows = weight[chosen] + sort_weight[sorts[:, :, 0]]
        y = (rows @ units[:, :, None])[:, :, 0] + bias[chosen] + sort_bias[sorts].sum(axis=2)

        def backward(dy: Array) -> tuple[Any, Gradients]:
            check_gradient(self, dy, chosen.shape)
            dy = dy * listed
            pairs = (dy[:, :, None] * units[:, None, :]).reshape(-1, self.inputs)
            scatter, flat = operations_for(dy).scatter_rows, dy.reshape(-1, 1)
            return ((dy[:, None, :] @ rows)[:, 0], None, None), {
                "weight": scatter(pairs, chosen.reshape(-1, 1), self.outputs),
                "bias": scatter(flat, chosen.reshape(-1, 1), self.outputs)[:, 0],
                "sort_weight": scatter(pairs, sorts[:, :, :1].reshape(-1, 1), self.sort_rows),
                "sort_bias": sum(
                    scatter(flat, sorts[:, :, k].reshape(-1, 1), self.sorts)[:, 0] for k in range(sorts.shape[2])
                ),
            }

        return y * listed, backward
