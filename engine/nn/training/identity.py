"""What a checkpoint depends on, as JSON values: `Trainer.resume` compares them with those of the trainer at hand."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import CodeType
from typing import Any

import numpy as np

from engine.backend import to_numpy
from engine.nn.layer import Layer
from engine.nn.training.data import JoinedRows, Loader
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.parallel import GradientSource

LOCAL = "local function"  # a lambda, or a function inside a function: it has no name that another process knows
DEPTH = 4  # of objects inside objects; deeper ones count by their class
ROWS = 256  # of the training data, evenly spaced, whose contents are compared
RATES = 8  # steps whose learning rates are compared


def described(value: Any, depth: int = DEPTH) -> Any:
    """Return a setting as JSON values that are the same in every process.

    A function counts by its name, a local one by the names and constants in its code; an object by its class and its
    public attributes; an array by dtype, shape and checksum.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): described(part, depth - 1) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [described(part, depth - 1) for part in value]
    if isinstance(value, partial):
        return [described(part, depth - 1) for part in (value.func, value.args, value.keywords)]
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        array = np.ascontiguousarray(to_numpy(value))
        return [str(array.dtype), list(array.shape), zlib.crc32(array.tobytes())]
    if hasattr(value, "__qualname__"):
        return _function(value)
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    parts = vars(value) if depth > 0 and hasattr(value, "__dict__") else {}
    return {"class": name} | {key: described(part, depth - 1) for key, part in parts.items() if not key.startswith("_")}


def _function(function: Any) -> Any:
    code = getattr(function, "__code__", None)
    if code is not None and "<" in function.__qualname__:
        return [LOCAL, *_words(code)]
    return f"{function.__module__}.{function.__qualname__}"


def _words(code: CodeType) -> list[str]:
    """Return the names and the constants in a function's code."""
    found = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _words(constant)
        else:
            found.append(repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant))
    return found


def difference(mine: Any, theirs: Any, name: str) -> str:
    """Say where two described values differ; "" where they do not.

    A local function against a named one, or against an object, tells nothing: either may call the other.
    """
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in dict.fromkeys([*mine, *theirs]):
            if text := difference(mine.get(key), theirs.get(key), f"{name}: {key}"):
                return text
        return ""
    local = [isinstance(value, list) and value[:1] == [LOCAL] for value in (mine, theirs)]
    if mine == theirs or local == [True, False] or local == [False, True]:
        return ""
    return f"{name}: expected {_short(mine)}, found {_short(theirs)}"


def _short(value: Any) -> str:
    return f"{value!s:.80}" if not isinstance(value, list) or value[:1] != [LOCAL] else "another local function"


def data_identity(loader: Loader) -> dict[str, Any]:
    """Describe training data: its functions, and a checksum of some rows of what is stored in arrays."""
    rows = np.unique(np.linspace(0, len(loader) - 1, ROWS).astype(np.int64))
    stored = [part for part in (loader.inputs, loader.targets) if _is_stored(part)]
    checksums = [zlib.crc32(np.ascontiguousarray(to_numpy(part[rows])).tobytes()) for part in stored]
    functions = {"prepare": described(loader.prepare), "augment": described(loader.augment)}
    return {"examples": len(loader), "contents": checksums, **functions}


def _is_stored(part: Any) -> bool:
    """Whether the same row is the same numbers each time; a class of one's own may draw them anew."""
    return isinstance(part, np.ndarray | JoinedRows)


def rates_done(schedule: Callable[[int], float], steps: int) -> list[float]:
    """Return the learning rates of some of the first `steps` steps, evenly spaced."""
    return [float(schedule(int(step))) for step in np.unique(np.linspace(0, steps - 1, RATES).astype(int)) if steps]


def rates_difference(mine: Sequence[float], theirs: Sequence[float]) -> str:
    """Say where the rates of the same steps differ; "" where they do not."""
    for here, there in zip(mine, theirs, strict=True):
        if not math.isclose(here, there, rel_tol=1e-6):
            return f"schedule: expected the rate {here:g} of a step that is done, found {there:g}"
    return ""


def parts_identity(model: Layer, optimizer: Optimizer, given: Mapping[str, Any], average: Any) -> dict[str, Any]:
    """Describe what a trainer is made of; `given` are schedule and loss, `average` a weight average or None."""
    public = {name: value for name, value in vars(optimizer).items() if name[0] != "_" and name != "steps"}
    own = {name: value for name, value in vars(average or object).items() if name in ("decay", "quick_start", "every")}
    return {
        "model": model.config(),
        "dtype": sorted({str(array.dtype) for array in model.named_parameters().values()}),
        "optimizer": {"class": type(optimizer).__name__, **described(public)},
        "schedule": described(given["schedule"]),
        "loss": described(type(given["loss"]) if isinstance(given["loss"], GradientSource) else given["loss"]),
        "average": {"class": type(average).__name__, **described(own)},
    }


def on_purpose(name: str) -> str:
    """Return what to do about a difference that is meant."""
    return f'if it is another on purpose: resume(path, changed=["{name}"])'
