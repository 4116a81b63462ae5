"""Layers for networks that read lists of active features and score listed choices."""

from __future__ import annotations

from collections.abc import Mapping
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
from engine.nn.layers.embedding import check_range
from engine.nn.layers.initialization import glorot_normal
from engine.nn.operations import operations_for


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

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind}


@register("scored_rows")
class ScoredRows(Layer):
    """A dense layer that computes only the listed outputs; each example has its own list.

    forward:  (x [B, inputs], chosen integer [B, M], output indices in [0, outputs), -1 = none, sorts integer [B, M]
              in [0, sorts)) -> y [B, M]
    backward: dy like y -> (dx, None, None); gradients weight [outputs, inputs], bias [outputs], sort_bias [sorts]

    With rows W_c: y_bm = W_c x_b + b_c + s_k, c = chosen_bm, k = sorts_bm, and y_bm = 0 where chosen_bm = -1. So
        dx_b = sum over m of dy_bm W_c      dW_c = sum over all (b, m) that chose c of dy_bm x_b
        db_c = sum of dy_bm over the same (b, m)      ds_k = sum of dy_bm over all choices of that sort
    Outputs of one sort share s_k, so what a sort has in common is learnt once for all its outputs.

    Raises ShapeError for other shapes and dtypes and for indices out of range.
    """

    def __init__(self, inputs: int, outputs: int, sorts: int, rng: np.random.Generator) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or sorts < 1:
            raise ConfigError(f"ScoredRows({inputs}, {outputs}, {sorts}): all must be >= 1")
        self.inputs, self.outputs, self.sorts = inputs, outputs, sorts
        self.params = {
            "weight": glorot_normal(rng, (outputs, inputs), inputs, inputs),
            "bias": np.zeros(outputs, np.float32),
            "sort_bias": np.zeros(sorts, np.float32),
        }

    def forward(self, x: tuple[Array, Array, Array], training: bool = False) -> tuple[Array, Backward]:
        units, chosen, sorts = x
        weight, bias, sort_bias = self.params["weight"], self.params["bias"], self.params["sort_bias"]
        check_input(self, units, "B", self.inputs, dtype=weight.dtype)
        check_input(self, chosen, len(units), "M", dtype="integer")
        check_input(self, sorts, *chosen.shape, dtype="integer")
        check_range(self, chosen, -1, self.outputs)
        check_range(self, sorts, 0, self.sorts)
        listed = chosen >= 0
        rows = weight[chosen]  # [B, M, inputs]; -1 picks the last row, and the mask zeroes the result
        y = (rows @ units[:, :, None])[:, :, 0] + bias[chosen] + sort_bias[sorts]

        def backward(dy: Array) -> tuple[Any, Gradients]:
            check_gradient(self, dy, chosen.shape)
            dy = dy * listed
            pairs = (dy[:, :, None] * units[:, None, :]).reshape(-1, self.inputs)
            scatter, flat = operations_for(dy).scatter_rows, dy.reshape(-1, 1)
            return ((dy[:, None, :] @ rows)[:, 0], None, None), {
                "weight": scatter(pairs, chosen.reshape(-1, 1), self.outputs),
                "bias": scatter(flat, chosen.reshape(-1, 1), self.outputs)[:, 0],
                "sort_bias": scatter(flat, sorts.reshape(-1, 1), self.sorts)[:, 0],
            }

        return y * listed, backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind, "inputs": self.inputs, "outputs": self.outputs, "sorts": self.sorts}


@register("list_network")
class ListNetwork(Layer):
    """A trunk over feature lists, a head that scores listed choices, plain heads, and perhaps a trunk for the value.

    forward:  (features integer [B, L], choices integer [B, M], their sorts integer [B, M]), and with a value trunk its
              two inputs after them -> {"policy": [B, M], head name: y of that head, "value_trunk": its y}
    backward: {output name: dy}, all outputs -> None

    With t = trunk(features): dt = sum over heads of the head's dx. Parameters are named "trunk.NAME", "policy.NAME",
    "HEAD.NAME", "value_trunk.NAME". Raises ShapeError when an output has no gradient.
    """

    def __init__(
        self, trunk: Layer, policy: Layer, heads: Mapping[str, Layer], value_trunk: Layer | None = None
    ) -> None:
        super().__init__()
        if {"trunk", "policy", "value_trunk"} & heads.keys():
            raise ConfigError("ListNetwork: heads may not be called trunk, policy or value_trunk")
        self.trunk, self.policy, self.heads, self.value_trunk = trunk, policy, dict(heads), value_trunk

    def forward(self, x: tuple[Array, ...], training: bool = False) -> tuple[dict[str, Array], Backward]:
        features, *choices = x[:3]
        units, trunk_backward = self.trunk.forward(features, training)
        logits, policy_backward = self.policy.forward((units, *choices), training)
        outputs, steps = {"policy": logits}, {}
        for name, head in self.heads.items():
            outputs[name], steps[name] = head.forward(units, training)
        if self.value_trunk is not None:
            outputs["value_trunk"], value_backward = self.value_trunk.forward(x[3:], training)

        def backward(dy: Mapping[str, Array]) -> tuple[None, Gradients]:
            if dy.keys() != outputs.keys():
                raise ShapeError(f"ListNetwork: expected gradients of {list(outputs)}, found {list(dy)}")
            (dunits, *_), part = policy_backward(dy["policy"])
            grads = prefixed("policy", part)
            for name, step in steps.items():
                dhead, part = step(dy[name])
                dunits = dunits + dhead
                grads.update(prefixed(name, part))
            grads.update(prefixed("trunk", trunk_backward(dunits)[1]))
            if self.value_trunk is not None:
                grads.update(prefixed("value_trunk", value_backward(dy["value_trunk"])[1]))
            return None, grads

        return outputs, backward

    def config(self) -> dict[str, Any]:
        heads = {name: head.config() for name, head in self.heads.items()}
        config = {"layer": self.kind, "trunk": self.trunk.config(), "policy": self.policy.config(), "heads": heads}
        return config if self.value_trunk is None else {**config, "value_trunk": self.value_trunk.config()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        trunk, policy = layer_from_config(config["trunk"], rng), layer_from_config(config["policy"], rng)
        heads = {name: layer_from_config(part, rng) for name, part in config["heads"].items()}
        value_trunk = layer_from_config(config["value_trunk"], rng) if "value_trunk" in config else None
        return cls(trunk, policy, heads, value_trunk)

    def children(self) -> dict[str, Layer]:
        parts: dict[str, Layer] = {"trunk": self.trunk, "policy": self.policy, **self.heads}
        return parts if self.value_trunk is None else {**parts, "value_trunk": self.value_trunk}

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.trunk, self.policy = children["trunk"], children["policy"]
        self.heads = {name: children[name] for name in self.heads}
        self.value_trunk = children.get("value_trunk")
