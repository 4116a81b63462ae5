"""A stand-in for CuPy on machines without a GPU: arrays of another type, which compute on the CPU.

It is as strict as CuPy: no implicit way to NumPy, no arithmetic with NumPy arrays, and only functions that CuPy has.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from engine.backend import Backend

# Of CuPy 13's functions, those that a layer may want; whoever needs another looks it up in CuPy's manual first.
FUNCTIONS = {
    "abs", "add", "arange", "array", "ascontiguousarray", "asarray", "broadcast_to", "clip", "concatenate", "divide",
    "empty", "empty_like", "exp", "expm1", "isfinite", "log", "log1p", "maximum", "mean", "minimum", "multiply",
    "nonzero", "ones", "ones_like", "pad", "sign", "sqrt", "stack", "sum", "tanh", "tri", "tril", "where", "zeros",
    "zeros_like",
}  # fmt: skip
CONSTANTS = {"inf", "pi", "newaxis", "bool_", "float32", "float64", "int32", "int64"}
METHODS = {
    "all", "any", "argmax", "astype", "copy", "max", "mean", "min", "ravel", "reshape", "sum", "swapaxes", "transpose",
    "var",
}  # fmt: skip


def plain(value: Any) -> Any:
    """The NumPy values behind the arguments of a call; a NumPy array among them is what CuPy refuses."""
    if isinstance(value, RecordingArray):
        return value.values
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, tuple | list):
        return type(value)(plain(part) for part in value)
    return value


def wrapped(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return RecordingArray(np.asarray(value))
    return tuple(wrapped(part) for part in value) if isinstance(value, tuple) else value


class RecordingArray:
    """Behaves like `cupy.ndarray`."""

    __array_ufunc__ = None

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def get(self) -> np.ndarray:
        return self.values.copy()

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "dtype", "ndim", "size", "strides", "nbytes"):
            return getattr(self.values, name)
        if name == "T":
            return RecordingArray(self.values.T)
        if name not in METHODS:
            raise AttributeError(name)
        return _applied(getattr(self.values, name))

    def __getitem__(self, place: Any) -> Any:
        return wrapped(self.values[plain(place)])

    def __setitem__(self, place: Any, value: Any) -> None:
        self.values[plain(place)] = plain(value)


def _operator(name: str) -> Any:
    function = getattr(operator, name)

    def apply(self: RecordingArray, other: Any) -> Any:
        return wrapped(function(self.values, plain(other)))

    def apply_reflected(self: RecordingArray, other: Any) -> Any:
        return wrapped(function(plain(other), self.values))

    def apply_in_place(self: RecordingArray, other: Any) -> RecordingArray:
        self.values[...] = function(self.values, plain(other))
        return self

    return apply, apply_reflected, apply_in_place


for _name in ("add", "sub", "mul", "truediv", "matmul", "pow", "and_", "or_"):
    _word = _name.strip("_")
    for _prefix, _function in zip(("", "r", "i"), _operator(_name), strict=True):
        setattr(RecordingArray, f"__{_prefix}{_word}__", _function)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(RecordingArray, f"__{_name}__", _operator(_name)[0])
for _function in (operator.neg, operator.invert):
    setattr(
        RecordingArray, f"__{_function.__name__}__", lambda self, function=_function: wrapped(function(self.values))
    )
for _kind in (len, float, int, bool):
    setattr(RecordingArray, f"__{_kind.__name__}__", lambda self, kind=_kind: kind(self.values))
RecordingArray.__module__ = "cupy._core.core"


def _applied(function: Any) -> Any:
    """The function for arrays of this type."""

    def call(*arguments: Any, **options: Any) -> Any:
        out = options.get("out")
        result = function(*plain(arguments), **{key: plain(value) for key, value in options.items()})
        return out if out is not None else wrapped(result)

    return call


class _Namespace:
    """Some functions of a NumPy module, for arrays of this type."""

    def __init__(self, source: Any, names: set[str], **further: Any) -> None:
        self._source, self._names = source, names
        self.__dict__.update(further)

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return _applied(getattr(self._source, name))
        raise AttributeError(f"this array module has no {name}")


class _Add(_Namespace):
    """`xp.add`, with its `at`."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _applied(np.add)(*arguments, **options)


def recording_backend() -> Backend:
    """A backend named like CuPy's that computes on the CPU."""

    def asarray(values: Any, dtype: Any = None) -> RecordingArray:
        return wrapped(np.array(values.values if isinstance(values, RecordingArray) else values, dtype))

    tricks = _Namespace(None, set(), stride_tricks=_Namespace(np.lib.stride_tricks, {"sliding_window_view"}))
    module = _Namespace(
        np,
        FUNCTIONS,
        asarray=asarray,
        add=_Add(np.add, {"at"}),
        lib=tricks,
        linalg=_Namespace(np.linalg, {"norm"}),
        __version__="recording",
        **{name: getattr(np, name) for name in CONSTANTS},
    )
    return Backend("cupy", module, "a recorder")
