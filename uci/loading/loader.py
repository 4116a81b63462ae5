"""Prepares an engine and gives it options.

A book, a net or a backend that cannot be loaded costs that one option: Aino names it and keeps the
rest as it was. A value given on the command line is demanded: there a refusal is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from engine.errors import AinoError
from engine.options import EMPTY, OPTIONS, EngineOptions, Value

if TYPE_CHECKING:
    from engine.player import Engine
    from uci.loading.patient import PatientEngine

EngineFactory = Callable[[EngineOptions], "Engine"]
Made = TypeVar("Made")

SMALLEST_HASH_MIB = 1

_REFUSALS = (AinoError, MemoryError, OSError)  # Errors by which the engine refuses options.
# By field: what to try in place of a refused value, when the value that was set before it is no way
# out.
_INSTEAD: dict[str, tuple[Value, ...]] = {
    "hash_mib": (EngineOptions().hash_mib, SMALLEST_HASH_MIB),
    "weights_file": (EngineOptions().weights_file,),
    # Auto takes the shipped sparse net, hybrid the shipped tower.
    "evaluator": ("auto", "hybrid", "material"),
    "backend": ("auto", "numpy"),
    "book_file": ("",),
    "play_like": ("engine",),
}
# The field to change when no value is left for the one at fault: `material` needs no net and the
# least memory.
_LAST_RESORT = "evaluator"


class DemandRefused(AinoError):
    """The engine cannot take a value that the command line named."""


def make_engine(options: EngineOptions) -> PatientEngine:
    """Return an engine. If its kernels are not in the cache, another process compiles them, and
    searches wait.
    """
    from uci.loading.patient import PatientEngine

    return PatientEngine(options)


_NAMES = {option.field: option.name for option in OPTIONS}


def load_engine(
    options: EngineOptions,
    factory: Callable[[EngineOptions], Made],
    tell: Callable[[str], None],
    demanded: Mapping[str, Value],
    before: EngineOptions | None = None,
) -> Made:
    """Return an engine with these options, without those that it refuses; `tell` gets a sentence
    for each of these.

    `demanded` are values by field for which a refusal is an error; `before` has the options of an
    engine that exists already. Raises DemandRefused, and what the factory raises where no options
    are left to try.
    """
    refused: set[tuple[str, Value]] = set()
    while True:
        try:
            return factory(options)
        except _REFUSALS as error:
            options, message = _instead(error, options, demanded, before, refused)
        tell(message)


def change_engine(
    engine: Engine,
    options: EngineOptions,
    tell: Callable[[str], None],
    demanded: Mapping[str, Value],
) -> None:
    """Give an engine new options, without those that it refuses; `tell` and `demanded` as in
    `load_engine`.

    Raises DemandRefused.
    """
    try:
        load_engine(options, engine.set_options, tell, demanded, engine.options)
    except DemandRefused:
        raise
    except _REFUSALS as error:
        tell(f"{error}; keeping what was set before")


def _instead(
    error: Exception,
    options: EngineOptions,
    demanded: Mapping[str, Value],
    before: EngineOptions | None,
    refused: set[tuple[str, Value]],
) -> tuple[EngineOptions, str]:
    """Return the options to try after this refusal, with a message. Raises DemandRefused, or the
    error again.
    """
    fault = getattr(error, "option", "")
    if not fault:
        fault = "hash_mib" if isinstance(error, MemoryError) else _LAST_RESORT
    reason = str(error)
    if hasattr(error, "shape"):  # NumPy's own MemoryError tells of an array.
        reason = f"Hash {options.hash_mib} does not fit into memory"
    for field in dict.fromkeys((fault, _LAST_RESORT)):
        value = getattr(options, field)
        if isinstance(error, AinoError) and field in demanded and demanded[field] == value:
            raise DemandRefused(str(error)) from error
        refused.add((field, value))
        verbs = {} if before is None else {getattr(before, field): "keeping"}
        for replacement in _INSTEAD.get(field, ()):
            verbs.setdefault(replacement, "using")
        for replacement, verb in verbs.items():
            if (field, replacement) not in refused:
                shown = EMPTY if replacement == "" else replacement
                message = f"{reason}; {verb} {_NAMES[field]} {shown}"
                return replace(options, **{field: replacement}), message
    raise error
