"""Fields of settings dataclasses. Each field holds its help and its allowed values in one place."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import Field, field, fields
from typing import Any, TypeVar

from engine.errors import ConfigError

Value = TypeVar("Value", int, float, str)

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {  # every comparison is false for NaN
    "least": ("at least", operator.ge),
    "above": ("above", operator.gt),
    "most": ("at most", operator.le),
    "below": ("below", operator.lt),
}


def setting(default: Value, text: str, choices: Iterable[str] = (), **bounds: float) -> Value:
    """A dataclass field with its help. bounds: any of `least`, `above`, `most` and `below`, for a number."""
    assert bounds.keys() <= _BOUNDS.keys()
    return field(default=default, metadata={"help": text, "choices": tuple(choices), "bounds": bounds})


def required_setting(text: str, **bounds: float) -> Any:
    """A numeric dataclass field without a default here; each network family supplies its own."""
    assert bounds.keys() <= _BOUNDS.keys()
    return field(metadata={"help": text, "bounds": bounds})


def check_settings(settings: Any, place: str = "") -> None:
    """Raise ConfigError if a field does not allow its value. The message puts `place` before the field's name."""
    for one in fields(settings):
        value, choices = getattr(settings, one.name), one.metadata.get("choices")
        allowed = not choices or value in choices
        for name, bound in one.metadata.get("bounds", {}).items():
            allowed = allowed and _BOUNDS[name][1](value, bound)
        if not allowed:
            raise ConfigError(f"{place}{one.name}: expected {_range_of(one)}, got {value!r}")


def check_weights(what: str, weights: Iterable[float]) -> None:
    """Raise ConfigError unless the weights of a mixture are finite, none is negative, and one is positive."""
    weights = list(weights)
    if not (all(0.0 <= weight < math.inf for weight in weights) and sum(weights) > 0.0):
        raise ConfigError(f"{what}: expected non-negative finite numbers with a positive sum, got {weights}")


def _range_of(one: Field[Any]) -> str:
    """The values that a field allows, in words; "" when it allows all."""
    choices, bounds = one.metadata.get("choices", ()), one.metadata.get("bounds", {})
    if bounds.keys() == {"least", "most"}:
        return f"{bounds['least']:g} to {bounds['most']:g}"
    return ", ".join(choices) or " and ".join(f"{_BOUNDS[name][0]} {bound:g}" for name, bound in bounds.items())


def help_of(one: Field[Any]) -> str:
    """A field's help text, followed by its allowed values."""
    text, allowed = one.metadata["help"], _range_of(one)
    return f"{text} ({allowed})" if allowed else text
