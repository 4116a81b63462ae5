"""A network that reads lists of active features and scores listed choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, forward_part, prefixed, register
from engine.nn.layers.containers import checked_parts
from engine.nn.layers.views import ChosenSequential


@register("list_network")
class ListNetwork(Layer):
    """A trunk over feature lists, a head that scores listed choices, plain heads, and perhaps a trunk for the value.

    forward:  (features integer [B, L], choices integer [B, M], their sorts integer [B, M, S]), then with a value trunk
              its views, and with it or a ChosenSequential head the version integer [B]
              -> {"policy": [B, M], head name: y of that head, "value_trunk": its y}
    backward: {output name: dy}, all outputs -> None

    With t = trunk(features): dt = sum over heads of the head's dx. Parameters are named "trunk.NAME", "policy.NAME",
    "HEAD.NAME", "value_trunk.NAME". Raises ShapeError when an output has no gradient.
    """

    settings = ("trunk", "policy", "heads", "value_trunk")

    def __init__(
        self, trunk: Layer, policy: Layer, heads: Mapping[str, Layer], value_trunk: Layer | None = None
    ) -> None:
        super().__init__()
        if {"trunk", "policy", "value_trunk"} & heads.keys():
            raise ConfigError("ListNetwork: heads may not be called trunk, policy or value_trunk")
        value = {} if value_trunk is None else {"value_trunk": value_trunk}
        checked_parts({"trunk": trunk, "policy": policy, **heads, **value})
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
            if dy.keys() != outputs.keys():
                raise ShapeError(f"ListNetwork: expected gradients of {list(outputs)}, found {list(dy)}")
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

    def config(self) -> dict[str, Any]:
        return {name: value for name, value in super().config().items() if value is not None}

    def _replace_children(self, children: dict[str, Layer]) -> None:
        self.value_trunk = children.get("value_trunk")
        super()._replace_children(children)
