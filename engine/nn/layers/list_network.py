"""A network that reads lists of active features and scores listed choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, forward_part, layer_from_config, prefixed, register


@register("list_network")
class ListNetwork(Layer):
    """A trunk over feature lists, a head that scores listed choices, and plain heads.

    forward:  (features integer [B, L], choices integer [B, M], their sorts integer [B, M])
              -> {"policy": [B, M], head name: y of that head}
    backward: {head name: dy}, all heads -> None

    With t = trunk(features): dt = sum over heads of the head's dx. Parameters are named "trunk.NAME", "policy.NAME",
    "HEAD.NAME". Raises ShapeError when a head has no gradient.
    """

    def __init__(self, trunk: Layer, policy: Layer, heads: Mapping[str, Layer]) -> None:
        super().__init__()
        if {"trunk", "policy"} & heads.keys():
            raise ConfigError("ListNetwork: heads may not be called trunk or policy")
        self.trunk, self.policy, self.heads = trunk, policy, dict(heads)

    def forward(self, x: tuple[Array, Array, Array], training: bool = False) -> tuple[dict[str, Array], Backward]:
        features, *choices = x
        units, trunk_backward = forward_part("trunk", self.trunk, features, training)
        logits, policy_backward = forward_part("policy", self.policy, (units, *choices), training)
        outputs, steps = {"policy": logits}, {}
        for name, head in self.heads.items():
            outputs[name], steps[name] = forward_part(name, head, units, training)

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
            return None, grads

        return outputs, backward

    def config(self) -> dict[str, Any]:
        heads = {name: head.config() for name, head in self.heads.items()}
        return {"layer": self.kind, "trunk": self.trunk.config(), "policy": self.policy.config(), "heads": heads}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], rng: np.random.Generator) -> Self:
        trunk, policy = layer_from_config(config["trunk"], rng), layer_from_config(config["policy"], rng)
        return cls(trunk, policy, {name: layer_from_config(part, rng) for name, part in config["heads"].items()})

    def children(self) -> dict[str, Layer]:
        return {"trunk": self.trunk, "policy": self.policy, **self.heads}

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.trunk, self.policy = children["trunk"], children["policy"]
        self.heads = {name: children[name] for name in self.heads}
