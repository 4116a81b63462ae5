"""The sparse network as layers, in plain arithmetic: what the kernels of training and of playing are compared with.

Inputs, numbered as in `policy/features.py`, -1 = none: features integer [B, 56]; policy rows integer [B, M] and sorts
integer [B, M, 4] of the legal moves, as in `policy/moves.py`; with a value network its rows of both views, as in
`value/features.py`, integer [B, 2, 32]; last the version of the small layers, `men_bucket`, integer [B]. Outputs, for
the side to move:
    policy [B, M]    logits of the legal moves
    value, value_trunk  [B, 4]    logits of win, draw, loss; plies to the end of the game, in hundreds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.network.policy.features import FEATURES
from engine.network.policy.model import SparseNetwork
from engine.network.policy.moves import MOVE_SORTS, POLICY_ROWS, SORT_ROWS
from engine.network.policy.parameters import OUTPUTS, sparse_config_of
from engine.network.rows.men import MEN_BUCKETS
from engine.network.value.parameters import HIDDEN_1, HIDDEN_2, VALUE_OUTPUTS, VALUE_ROWS, ValueConfig
from engine.nn.layer import (
    Array,
    Backward,
    Gradients,
    Layer,
    forward_part,
    prefixed,
)
from engine.nn.layers import Activation, Sequential
from engine.nn.layers.activations import clipped_relu
from engine.nn.layers.initialization import glorot_normal, he_normal
from engine.nn.operations import operations_for

RNG = np.random.default_rng(0)  # of weights that are replaced


def layers_of(model: SparseNetwork) -> ListNetwork:
    """The layers that compute a network, with its parameters."""
    config = sparse_config_of(model.config())
    head = ChosenSequential(
        dense1=ChosenDense(config.units, config.hidden, MEN_BUCKETS, RNG),
        activation1=Activation("relu"),
        dense2=ChosenDense(config.hidden, config.inner, MEN_BUCKETS, RNG),
        activation2=Activation("relu"),
        output=ChosenDense(config.inner, OUTPUTS, MEN_BUCKETS, RNG),
    )
    layers = ListNetwork(
        Sequential(
            accumulator=SparseDense(FEATURES, config.width, RNG),
            clip=Activation("clipped_relu"),
            product=PairProduct(),
        ),
        ScoredRows(config.units, POLICY_ROWS, MOVE_SORTS, SORT_ROWS, RNG),
        {"value": head},
        None if config.value is None else value_layers(config.value),
    )
    layers.adopt_parameters(model.named_parameters())
    return layers


def value_layers(config: ValueConfig) -> TwoViews:
    """The layers of a value network."""
    return TwoViews(
        rows=SparseDense(VALUE_ROWS, config.width, RNG),
        dense1=ChosenDense(config.width, HIDDEN_1, MEN_BUCKETS, RNG),
        dense2=ChosenDense(2 * HIDDEN_1, HIDDEN_2, MEN_BUCKETS, RNG),
        output=ChosenDense(HIDDEN_2, VALUE_OUTPUTS, MEN_BUCKETS, RNG),
    )


class SparseDense(Layer):
    """A dense layer over 0/1 features; the input lists only the active ones.

    forward:  x integer [B, L], indices of active features in [0, inputs), -1 = none -> y [B, outputs]
    backward: dy like y -> None; gradients weight [inputs, outputs], bias [outputs]

    With v the 0/1 vector of a list: y = v W + b is the sum of the listed rows of W, and dW = v^T dy adds dy to the
    listed rows. The cost grows with L, not with `inputs`.
    """

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.inputs = inputs
        self.params = {
            "weight": he_normal(rng, (inputs, outputs), 32),
            "bias": np.zeros(outputs, np.float32),
        }

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[None, Gradients]:
            return None, {"weight": operations_for(dy).scatter_rows(dy, x, self.inputs), "bias": dy.sum(axis=0)}

        return (weight[x] * (x >= 0)[:, :, None]).sum(axis=1) + self.params["bias"], backward


class PairProduct(Layer):
    """Multiply the first half of the units by the second half: x [B, 2 n] -> y [B, n].

    y_i = x_i x_{n+i}      dx_i = dy_i x_{n+i}      dx_{n+i} = dy_i x_i
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        half = x.shape[1] // 2
        first, second = x[:, :half], x[:, half:]

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return np.concatenate([dy * second, dy * first], axis=1), {}

        return first * second, backward


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
    """

    def __init__(self, inputs: int, outputs: int, sorts: int, sort_rows: int, rng: np.random.Generator) -> None:
        super().__init__()
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
        listed = chosen >= 0
        # [B, M, inputs]; -1 picks the last row, and the mask zeroes the result
        rows = weight[chosen] + sort_weight[sorts[:, :, 0]]
        y = (rows @ units[:, :, None])[:, :, 0] + bias[chosen] + sort_bias[sorts].sum(axis=2)

        def backward(dy: Array) -> tuple[Any, Gradients]:
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


class ChosenDense(Layer):
    """Several dense layers of one shape; each example chooses one.

    forward:  (x [B, inputs], version integer [B] in [0, versions)) -> y [B, outputs]
    backward: dy like y -> (dx, None); gradients weight [versions, outputs, inputs], bias [versions, outputs]

    With v the version of example b: y_b = W_v x_b + c_v, dx_b = W_v^T dy_b, and dW_v = sum of dy_b x_b^T, dc_v = sum of
    dy_b over the examples that chose v.
    """

    def __init__(self, inputs: int, outputs: int, versions: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.inputs, self.outputs, self.versions = inputs, outputs, versions
        self.params = {
            "weight": glorot_normal(rng, (versions, outputs, inputs), inputs, outputs),
            "bias": np.zeros((versions, outputs), np.float32),
        }

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Backward]:
        units, version = x
        weight, bias = self.params["weight"], self.params["bias"]

        def backward(dy: Array) -> tuple[tuple[Array, None], Gradients]:
            dweight, dbias = np.zeros_like(weight), np.zeros_like(bias)
            for one in range(self.versions):
                mine = np.nonzero(version == one)[0]
                dweight[one], dbias[one] = dy[mine].T @ units[mine], dy[mine].sum(axis=0)
            return ((dy[:, None] @ weight[version])[:, 0], None), {"weight": dweight, "bias": dbias}

        return (weight[version] @ units[:, :, None])[:, :, 0] + bias[version], backward


class ChosenSequential(Sequential):
    """A chain of layers, of which those that are ChosenDense choose their version by one number of the example.

    forward:  (x, as the first layer takes it; version integer [B]) -> y, as the last layer returns it
    backward: dy like y -> (dx like x, None); gradients "NAME.PARAMETER" of every layer
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


class TwoViews(Layer):
    """A network over two lists of active features, the views of both sides, which share one table.

    forward:  (features integer [B, 2, L], indices of active rows, -1 = none; version integer [B]) -> y [B, outputs]
    backward: dy like y -> None

        c_v = clip(rows of view v), clip x = min(max(x, 0), 1)      units = c_v times c_v, halves multiplied, both views
        h = dense1(units)      g = dense2(clip h, min(h^2, 1))      y = output(clip g)

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds where |h| < 1, with dp
    and ds the gradients of the plain and the squared half. `rows` is a SparseDense of an even number of outputs; the
    others are ChosenDense.
    """

    def __init__(self, rows: Layer, dense1: Layer, dense2: Layer, output: Layer) -> None:
        super().__init__()
        self.rows, self.dense1, self.dense2, self.output = rows, dense1, dense2, output
        self._product = PairProduct()

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Backward]:
        features, version = x
        count, length = len(features), features.shape[2]
        sums, rows_back = self.rows.forward(features.reshape(2 * count, length), training)
        clipped, sums_slope = clipped_relu(sums)
        products, product_back = self._product.forward(clipped, training)
        h, dense1_back = self.dense1.forward((products.reshape(count, sums.shape[1]), version), training)
        plain, plain_slope = clipped_relu(h)
        pairs = np.concatenate([plain, np.minimum(h * h, 1)], axis=1)
        g, dense2_back = self.dense2.forward((pairs, version), training)
        active, g_slope = clipped_relu(g)
        y, output_back = self.output.forward((active, version), training)

        def backward(dy: Array) -> tuple[None, Gradients]:
            (dactive, _), dout = output_back(dy)
            (dpairs, _), d2 = dense2_back(g_slope(dactive))
            half = h.shape[1]
            dh = plain_slope(dpairs[:, :half]) + 2 * h * dpairs[:, half:] * (np.abs(h) < 1)
            (dunits, _), d1 = dense1_back(dh)
            dclipped, _ = product_back(dunits.reshape(products.shape))
            _, drows = rows_back(sums_slope(dclipped))
            parts = {"rows": drows, "dense1": d1, "dense2": d2, "output": dout}
            return None, {name: array for part, grads in parts.items() for name, array in prefixed(part, grads).items()}

        return y, backward


class ListNetwork(Layer):
    """A trunk over feature lists, a head that scores listed choices, plain heads, and perhaps a trunk for the value.

    forward:  (features integer [B, L], choices integer [B, M], their sorts integer [B, M, S]), then with a value trunk
              its views, and with it or a ChosenSequential head the version integer [B]
              -> {"policy": [B, M], head name: y of that head, "value_trunk": its y}
    backward: {output name: dy}, all outputs -> None

    With t = trunk(features): dt = sum over heads of the head's dx. Parameters are named "trunk.NAME", "policy.NAME",
    "HEAD.NAME", "value_trunk.NAME".
    """

    def __init__(
        self, trunk: Layer, policy: Layer, heads: Mapping[str, Layer], value_trunk: Layer | None = None
    ) -> None:
        super().__init__()
        self.trunk, self.policy, self.heads, self.value_trunk = trunk, policy, dict(heads), value_trunk

    def forward(self, x: tuple[Array, ...], training: bool = False) -> tuple[dict[str, Array], Backward]:
        features, *choices = x[:3]
        version = x[-1]
        units, trunk_backward = forward_part("trunk", self.trunk, features, training)
        logits, policy_backward = forward_part("policy", self.policy, (units, *choices), training)
        outputs, steps = {"policy": logits}, {}
        for name, head in self.heads.items():
            given = (units, version) if isinstance(head, ChosenSequential) else units
            outputs[name], steps[name] = forward_part(name, head, given, training)
        if self.value_trunk is not None:
            outputs["value_trunk"], value_backward = forward_part("value_trunk", self.value_trunk, x[3:], training)

        def backward(dy: Mapping[str, Array]) -> tuple[None, Gradients]:
            (dunits, *_), part = policy_backward(dy["policy"])
            grads = prefixed("policy", part)
            for name, step in steps.items():
                dhead, part = step(dy[name])
                dunits = dunits + (dhead[0] if isinstance(self.heads[name], ChosenSequential) else dhead)
                grads.update(prefixed(name, part))
            grads.update(prefixed("trunk", trunk_backward(dunits)[1]))
            if self.value_trunk is not None:
                grads.update(prefixed("value_trunk", value_backward(dy["value_trunk"])[1]))
            return None, grads

        return outputs, backward

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.value_trunk = children.get("value_trunk")
        super()._replace_children(children)
