"""Which parameters learn, and how fast: factors of the rate by the beginnings of their names."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any, NamedTuple

from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.layers.containers import MultiHead, Sequential


def rate_factors(model: Layer, rates: Any) -> dict[str, float]:
    """Return the factor of the rate of each parameter, from `rates` by the beginnings of names.

    The longest beginning counts; without one the factor is 1. Raises ConfigError for a beginning of
    no parameter, for a factor that is negative or not finite, and where nothing learns.
    """
    if not isinstance(rates, Mapping | None):
        form = 'factors by the beginnings of names, such as {"trunk.": 0}'
        raise ConfigError(f"Trainer: rates must be {form}, not {rates!r:.60}")
    names = [*model.named_parameters()]
    rates = dict(rates or {})
    for start, factor in rates.items():
        if not isinstance(factor, Real) or not 0 <= float(factor) < math.inf:
            raise ConfigError(f"rates: {start!r} needs a factor >= 0, not {factor!r}")
        if not any(name.startswith(start) for name in names):
            raise ConfigError(f"rates: no parameter begins with {start!r}; they are {names[:6]}")
    longest_first = sorted(rates, key=len, reverse=True)
    factors = {
        name: next((float(rates[start]) for start in longest_first if name.startswith(start)), 1.0)
        for name in names
    }
    if rates and not any(factors.values()):
        raise ConfigError("rates: every parameter has factor 0, so that nothing would learn")
    return factors


class Switch(NamedTuple):
    """An attribute of a layer as it is during the training steps of a model."""

    layer: Layer
    attribute: str
    value: bool


def training_switches(model: Layer, frozen: Collection[str]) -> list[Switch]:
    """Return what a training step does not compute of a model with frozen parameters.

    A frozen part computes as in inference, without dropout and with the running statistics of
    BatchNorm. The gradient of the model's input is dropped, and with it those of frozen parts that
    nothing trained comes before.
    """
    switches = [
        Switch(layer, "_frozen", True)
        for path, layer in model.walk()
        if frozen and _is_frozen(layer, f"{path}." if path else "", frozen)
    ]
    return switches + _at_the_begin(model, "", frozen)


def _is_frozen(layer: Layer, path: str, frozen: Collection[str]) -> bool:
    names = [f"{path}{name}" for name in layer.named_parameters()]
    return bool(names) and all(name in frozen for name in names)


def _at_the_begin(layer: Any, path: str, frozen: Collection[str]) -> list[Switch]:
    """Return the switches of the parts through which no gradient must go: those before the first
    trained one, and this itself, if it can leave out the gradient of its input.
    """
    if not isinstance(layer, Sequential | MultiHead):
        is_able = hasattr(layer, "input_gradient")
        return [Switch(layer, "input_gradient", False)] if is_able else []
    switches: list[Switch] = []
    for name, part in layer.children().items():
        if not part.named_parameters():
            continue
        if _is_frozen(part, f"{path}{name}.", frozen):
            switches.append(Switch(part, "_needless", True))
            continue
        switches += _at_the_begin(part, f"{path}{name}.", frozen)
        if isinstance(layer, Sequential) or name == "trunk":
            break
    return switches
