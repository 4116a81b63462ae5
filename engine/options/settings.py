"""Settings as fields of dataclasses. A field holds name, default, allowed values and help in one
place; everything that shows or reads it is made from there: UCI options, TOML keys, command-line
flags and the documents.

Imports the standard library only, because `uci` is answered before anything heavy is loaded.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

from engine.errors import ConfigError

Value = TypeVar("Value", bool, int, float, str)

REQUIRED: Any = MISSING  # the default of a field that has none
# In words, and as a test. None allows NaN, and the lower ones no infinity.
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "least": ("at least", lambda value, bound: bound <= value < math.inf),
    "above": ("above", lambda value, bound: bound < value < math.inf),
    "most": ("at most", operator.le),
    "below": ("below", operator.lt),
}


def setting(default: Value, text: str, choices: Iterable[str] = (), **metadata: Any) -> Value:
    """Return a dataclass field with its help.

    metadata: any of `least`, `above`, `most` and `below`, for a number; anything else goes to the
    field as it is.
    """
    bounds = {name: metadata.pop(name) for name in _BOUNDS if metadata.get(name) is not None}
    return field(
        default=default,
        metadata={"help": text, "choices": tuple(choices), "bounds": bounds, **metadata},
    )


def allows(value: Any, choices: Iterable[str], bounds: Mapping[str, float]) -> bool:
    """Whether a value is one of the choices, if there are any, and within the bounds."""
    if choices and value not in choices:
        return False
    return all(_BOUNDS[name][1](value, bound) for name, bound in bounds.items())


def range_text(choices: Iterable[str], bounds: Mapping[str, float]) -> str:
    """Return what `allows` allows, in words; "" when it is everything."""
    if bounds.keys() == {"least", "most"}:
        return f"{bounds['least']:.10g} to {bounds['most']:.10g}"
    limits = [f"{_BOUNDS[name][0]} {bound:.10g}" for name, bound in bounds.items()]
    return ", ".join(choices) or " and ".join(limits)


def check_settings(settings: Any, place: str = "") -> None:
    """Raise ConfigError if a field does not allow its value. The message puts `place` before the
    field's name.
    """
    for option_field in fields(settings):
        value = getattr(settings, option_field.name)
        allowed = _allowed(option_field)
        if not allows(value, *allowed):
            raise ConfigError(
                f"{place}{option_field.name}: expected {range_text(*allowed)}, got {value!r}"
            )


def check_weights(what: str, weights: Iterable[float]) -> None:
    """Raise ConfigError unless the weights of a mixture are finite, none is negative, and one is
    positive.
    """
    weights = list(weights)
    if not (all(weight >= 0.0 for weight in weights) and 0.0 < sum(weights) < math.inf):
        raise ConfigError(
            f"{what}: expected non-negative finite numbers with a positive sum, got {weights}"
        )


def allowed_text(option_field: Field[Any]) -> str:
    """Return what a field allows, in words; "" when it is everything."""
    return range_text(*_allowed(option_field))


def _allowed(option_field: Field[Any]) -> tuple[tuple[str, ...], Mapping[str, float]]:
    return option_field.metadata.get("choices", ()), option_field.metadata.get("bounds", {})
