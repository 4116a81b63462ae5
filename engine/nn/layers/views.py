"""Layers for networks that see one thing from two sides, with small layers that each example chooses."""

from __future__ import annotations

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import (
    Array,
    Backward,
    Gradients,
    Layer,
    check_gradient,
    check_input,
    check_range,
    forward_part,
    prefixed,
    register,
)
from engine.nn.layers.activations import clipped_relu
from engine.nn.layers.containers import Sequential
from engine.nn.layers.initialization import glorot_normal
from engine.nn.layers.pair_product import PairProduct


@register("chosen_dense")
class ChosenDense(Layer):
    """Several dense layers of one shape; each example chooses one.

    forward:  (x [B, inputs], version integer [B] in [0, versions)) -> y [B, outputs]
    backward: dy like y -> (dx, None); gradients weight [versions, outputs, inputs], bias [versions, outputs]

    With v the version of example b: y_b = W_v x_b + c_v, dx_b = W_v^T dy_b, and dW_v = sum of dy_b x_b^T, dc_v = sum of
    dy_b over the examples that chose v. Raises ShapeError for other shapes and dtypes and versions out of range.
    """

    settings = ("inputs", "outputs", "versions")

    def __init__(self, inputs: int, outputs: int, versions: int, rng: np.random.Generator) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or versions < 1:
            raise ConfigError(f"ChosenDense({inputs}, {outputs}, {versions}): all must be >= 1")
        self.inputs, self.outputs, self.versions = inputs, outputs, versions
        self.params = {
            "weight": glorot_normal(rng, (versions, outputs, inputs), inputs, outputs),
            "bias": np.zeros((versions, outputs), np.float32),
        }

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Backward]:
        units, version = x
        weight, bias = self.params["weight"], self.params["bias"]
        check_input(self, units, "B", self.inputs, dtype=weight.dtype)
        check_input(self, version, len(units), dtype="integer")
        check_range(self, version, 0, self.versions)

        def backward(dy: Array) -> tuple[tuple[Array, None], Gradients]:
            check_gradient(self, dy, (len(units), self.outputs))
            xp = backend_of(dy).xp
            dweight, dbias = xp.zeros_like(weight), xp.zeros_like(bias)
            for one in range(self.versions):
                mine = xp.nonzero(version == one)[0]
                dweight[one], dbias[one] = dy[mine].T @ units[mine], dy[mine].sum(axis=0)
            return ((dy[:, None] @ weight[version])[:, 0], None), {"weight": dweight, "bias": dbias}

        return (weight[version] @ units[:, :, None])[:, :, 0] + bias[version], backward


@register("chosen_sequential")
class ChosenSequential(Sequential):
    """A chain of layers, of which those that are ChosenDense choose their version by one number of the example.

    forward:  (x, as the first layer takes it; version integer [B]) -> y, as the last layer returns it
    backward: dy like y -> (dx like x, None); gradients "NAME.PARAMETER" of every layer

    Names and errors as for Sequential.
    """

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Backward]:
        units, version = x
        steps: list[tuple[str, bool, Backward]] = []
        for name, layer in self.layers.items():
            chooses = isinstance(layer, ChosenDense)
            units, step = forward_part(name, layer, (units, version) if chooses else units, training)
            steps.append((name, chooses, step))

        def backward(dy: Array) -> tuple[tuple[Array, None], Gradients]:
            grads: Gradients = {}
            for name, chooses, step in reversed(steps):
                dx, part = step(dy)
                dy = dx[0] if chooses else dx
                grads.update(prefixed(name, part))
            return (dy, None), grads

        return units, backward


@register("two_views")
class TwoViews(Layer):
    """A network over two lists of active features, the views of both sides, which share one table.

    forward:  (features integer [B, 2, L], indices of active rows, -1 = none; version integer [B]) -> y [B, outputs]
    backward: dy like y -> None

        c_v = clip(rows of view v), clip x = min(max(x, 0), 1)      units = c_v times c_v, halves multiplied, both views
        h = dense1(units)      g = dense2(clip h, min(h^2, 1))      y = output(clip g)

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds where |h| < 1, with dp
    and ds the gradients of the plain and the squared half. `rows` is a SparseDense of an even number of outputs; the
    others are ChosenDense. Raises ConfigError when their sizes do not fit.
    """

    settings = ("rows", "dense1", "dense2", "output")

    def __init__(self, rows: Layer, dense1: Layer, dense2: Layer, output: Layer) -> None:
        super().__init__()
        given = tuple(layer.config()["inputs"] for layer in (dense1, dense2, output))
        wanted = rows.config()["outputs"], 2 * dense1.config()["outputs"], dense2.config()["outputs"]
        if given != wanted:
            raise ConfigError(f"TwoViews: expected dense layers of {wanted} inputs, found {given}")
        self.rows, self.dense1, self.dense2, self.output = rows, dense1, dense2, output
        self._product = PairProduct()

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Backward]:
        features, version = x
        check_input(self, features, "B", 2, "L", dtype="integer")
        count, length = len(features), features.shape[2]
        sums, rows_back = self.rows.forward(features.reshape(2 * count, length), training)
        clipped, sums_slope = clipped_relu(sums)
        products, product_back = self._product.forward(clipped, training)
        h, dense1_back = self.dense1.forward((products.reshape(count, sums.shape[1]), version), training)
        xp = backend_of(h).xp
        plain, plain_slope = clipped_relu(h)
        pairs = xp.concatenate([plain, xp.minimum(h * h, 1)], axis=1)
        g, dense2_back = self.dense2.forward((pairs, version), training)
        active, g_slope = clipped_relu(g)
        y, output_back = self.output.forward((active, version), training)

        def backward(dy: Array) -> tuple[None, Gradients]:
            (dactive, _), dout = output_back(dy)
            (dpairs, _), d2 = dense2_back(g_slope(dactive))
            half = h.shape[1]
            dh = plain_slope(dpairs[:, :half]) + 2 * h * dpairs[:, half:] * (xp.abs(h) < 1)
            (dunits, _), d1 = dense1_back(dh)
            dclipped, _ = product_back(dunits.reshape(products.shape))
            _, drows = rows_back(sums_slope(dclipped))
            parts = {"rows": drows, "dense1": d1, "dense2": d2, "output": dout}
            return None, {name: array for part, grads in parts.items() for name, array in prefixed(part, grads).items()}

        return y, backward
