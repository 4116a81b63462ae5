"""Which parameters learn, and how fast: factors of the rate by the beginnings of their names."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any, NamedTuple

from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.layers.containers import MultiHead, Sequential
from engine.nn.module import dotted

Rates = Mapping[str, float]  # factors of the rate by the beginnings of names, or by whole names


def checked_rates(model: Layer, rates: Any) -> dict[str, float]:
    """Return `rates`, by the beginnings of names, as floats.

    Raises ConfigError for a beginning of no parameter, for a factor that is negative or not finite,
    and where nothing learns.
    """
    if not isinstance(rates, Mapping | None):
        form = 'factors by the beginnings of names, such as {"trunk.": 0}'
        raise ConfigError(f"Trainer: rates must be {form}, not {rates!r:.60}")
    names = [*model.named_parameters()]
    rates = rates or {}
    for start, factor in rates.items():
        if not isinstance(factor, Real) or not 0 <= float(factor) < math.inf:
            raise ConfigError(f"rates: {start!r} needs a factor >= 0, not {factor!r}")
        if not any(name.startswith(start) for name in names):
            raise ConfigError(f"rates: no parameter begins with {start!r}; they are {names[:6]}")
    if rates and not any(rate_factors(names, rates).values()):
        raise ConfigError("rates: every parameter has factor 0, so that nothing would learn")
    return {start: float(factor) for start, factor in rates.items()}


def rate_factors(names: Collection[str], rates: Rates) -> dict[str, float]:
    """Return the factor of the rate of each parameter: that of the longest beginning of its name,
    and 1 without one.
    """
    factors = dict.fromkeys(names, 1.0)
    for start in sorted(rates, key=len):  # the longest in the end
        for name in names:
            if name.startswith(start):
                factors[name] = rates[start]
    return factors


class Freeze(NamedTuple):
    """An attribute of a layer as it is during the training steps of a model."""

    layer: Layer
    attribute: str
    value: Any


@contextmanager
def applied(freezes: Sequence[Freeze]) -> Iterator[None]:
    """Set the attributes for a block."""
    before = [getattr(freeze.layer, freeze.attribute) for freeze in freezes]
    try:
        for layer, attribute, value in freezes:
            vars(layer)[attribute] = value
        yield
    finally:
        for freeze, value in zip(freezes, before, strict=True):
            vars(freeze.layer)[freeze.attribute] = value


def frozen_parts(model: Layer, rates: Rates) -> list[Freeze]:
    """Return what a training step does not compute of a model, parts of which have rate 0.

    A frozen part computes as in inference, without dropout and with the running statistics of
    BatchNorm. The gradient of the model's input is dropped, and with it those of frozen parts that
    nothing trained comes before.
    """
    factors = rate_factors(model.named_parameters(), rates)
    freezes = []
    if not all(factors.values()):
        for path, layer in model.walk():
            if _is_frozen(layer, path, factors):
                freezes.append(Freeze(layer, "_frozen", True))
    return freezes + _at_the_begin(model, "", factors)


def _is_frozen(layer: Layer, path: str, factors: Rates) -> bool:
    names = layer.named_parameters()
    return bool(names) and not any(factors[dotted(path, name)] for name in names)


def _at_the_begin(layer: Any, path: str, factors: Rates) -> list[Freeze]:
    """Return the freezes of the parts through which no gradient must go: those before the first
    trained one, and this itself, if it can leave out the gradient of its input.
    """
    freezes: list[Freeze] = []
    if not isinstance(layer, Sequential | MultiHead):
        if hasattr(layer, "input_gradient"):
            freezes.append(Freeze(layer, "input_gradient", False))
        return freezes
    for name, part in layer.children().items():
        part_path = dotted(path, name)
        if not part.named_parameters():
            continue
        if _is_frozen(part, part_path, factors):
            freezes.append(Freeze(part, "_needless", True))
            continue
        freezes += _at_the_begin(part, part_path, factors)
        if isinstance(layer, Sequential) or name == "trunk":
            break
    return freezes
