"""Arrays as layers take them: their forms, errors for those that do not fit, and their rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.backend import backend_of, bounds, check_together, xp_of
from engine.errors import ConfigError, ShapeError

Array = Any  # numpy.ndarray or cupy.ndarray


def is_array(x: Any) -> bool:
    """Whether `x` has a shape and a dtype of NumPy's, as arrays on all backends. Pandas' tables,
    masked arrays, and matrices, which multiply in another way, are none.
    """
    is_other = type(x) is not np.ndarray and (
        hasattr(x, "iloc") or isinstance(x, np.matrix | np.ma.MaskedArray)
    )
    return hasattr(x, "shape") and hasattr(getattr(x, "dtype", None), "kind") and not is_other


def form_of(value: Any) -> str:
    """Return dtype and shape of an array, such as "float32 [8, 3]"; of anything else the type."""
    return f"{value.dtype} {list(value.shape)}" if is_array(value) else type(value).__name__


class ShapedArrays(dict[str, Array]):
    """Arrays by name. Each keeps its shape and its dtype, to which others are cast: kernels would
    read behind the end of a smaller one. Raises ShapeError for another shape, and for no array.
    """

    def __init__(self, arrays: Mapping[str, Array] = MappingProxyType({})) -> None:
        self.update(arrays)

    def __setitem__(self, name: str, array: Array) -> None:
        kept: Array = self.get(name, array)
        if not is_array(array) or isinstance(array, np.generic) or array.shape != kept.shape:
            expected = "an array" if kept is array else form_of(kept)
            raise ShapeError(f"{name}: expected {expected}, found {form_of(array)}")
        super().__setitem__(name, array if array.dtype == kept.dtype else array.astype(kept.dtype))

    def update(self, arrays: Mapping[str, Array]) -> None:  # type: ignore[override]
        for name, array in arrays.items():
            self[name] = array


# Values are NumPy's dtype kind letters.
_KINDS = {"floating": "f", "integer": "iu", "numeric": "fiu", "bool": "b"}


def check_input(owner: object, x: Array, *sides: int | str, dtype: Any = "floating") -> None:
    """Raise ShapeError unless `x` is an array with these sides and this dtype.

    A number must equal the side, a name matches any size, and "..." matches any number of sides.
    `dtype` is one dtype, or "floating", "integer", "numeric" or "bool" for all dtypes of that kind.
    """
    is_kind = is_array(x) and (
        x.dtype.kind in _KINDS[dtype] if isinstance(dtype, str) else x.dtype == dtype
    )
    if not is_kind or not _fits(x.shape, sides):
        expected = ", ".join(str(side) for side in sides)
        raise ShapeError(
            f"{type(owner).__name__}: expected {dtype} [{expected}], found {form_of(x)}"
        )
    _check_place(owner, x)


def check_range(layer: object, x: Array, first: int, end: int) -> None:
    """Raise ShapeError unless every index in `x` lies in [first, end), the rows the table has."""
    smallest, largest = bounds(x) if x.size else (first, first)
    if not first <= smallest <= largest < end:
        found = f"{smallest} to {largest}"
        raise ShapeError(
            f"{type(layer).__name__}: expected numbers from {first} to {end - 1}, found {found}"
        )


def check_gradient(owner: object, dy: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless the gradient `dy` is floating and has the shape of its result."""
    if getattr(dy, "shape", None) != shape or dy.dtype.kind != "f":
        expected = f"expected a floating gradient {list(shape)}"
        raise ShapeError(f"{type(owner).__name__}: {expected}, found {form_of(dy)}")
    _check_place(owner, dy)


def checking_gradient(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Let forward refuse a state that is no dict, and backward a gradient that would be broadcast
    to the shape of y.
    """

    @functools.wraps(forward)
    def checked(self, *arguments, **options):
        if not isinstance(state := options.get("state"), dict | None):
            raise ConfigError(
                f"{type(self).__name__}: expected a dict as state, at first {{}}, found {form_of(state)}"
            )
        result: Any = forward(self, *arguments, **options)
        if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
            form = "`return y, backward`, where backward(dy) returns (dx, gradients by name)"
            raise ConfigError(f"{type(self).__name__}.forward: {form}; found {form_of(result)}")
        y, backward = result
        shape = getattr(y, "shape", None)  # a dict has none: its parts check their own

        def checked_backward(dy):
            if shape is not None:
                check_gradient(self, dy, shape)
            result: Any = backward(dy)
            if not isinstance(result, tuple) or not isinstance(result[-1], Mapping):
                form = "`return dx, grads`, where grads holds arrays by the names of parameters"
                raise ConfigError(
                    f"{type(self).__name__}'s backward: {form}; found {form_of(result)}"
                )
            dx, grads = result
            # A sum over all axes is no array, and limits and shards change gradients in place.
            return dx, {
                name: np.asarray(one) if isinstance(one, np.generic) else one
                for name, one in grads.items()
            }

        return y, checked_backward

    return checked


def _check_place(owner: object, x: Array) -> None:
    """Raise ShapeError for an array that lies elsewhere than the owner's parameters."""
    for parameter in getattr(owner, "params", {}).values():
        if type(parameter) is not type(x):
            check_together(type(owner).__name__, x=x, model=parameter)
        return


def _fits(shape: tuple[int, ...], sides: tuple[int | str, ...]) -> bool:
    if "..." in sides:
        gap = sides.index("...")
        sides = (*sides[:gap], *["any"] * (len(shape) - len(sides) + 1), *sides[gap + 1 :])
    if len(shape) != len(sides):
        return False
    pairs = zip(shape, sides, strict=True)
    return list(shape) == [found if isinstance(side, str) else side for found, side in pairs]


def copies(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return copies of arrays by name, which lie in memory as they do."""
    return {name: array.copy(order="K") for name, array in tensors.items()}


def copy_tensors(source: Mapping[str, Array], target: Mapping[str, Array]) -> None:
    """Copy each array of `source` into `target`'s array of the same name; ShapeError when shapes
    differ.
    """
    for name, array in source.items():
        if tuple(array.shape) != tuple(target[name].shape):
            raise ShapeError(
                f"{name}: expected shape {tuple(target[name].shape)}, found {tuple(array.shape)}"
            )
    for name, array in source.items():
        target[name][...] = backend_of(target[name]).asarray(array)


def rows_of(x: Any, rows: Any) -> Any:
    """Return rows of an array, or of each of a tuple, memory-mapped or not; `rows` is a slice or
    row numbers.
    """
    if type(x) is np.ndarray:
        return x[rows]
    if isinstance(x, tuple):
        return tuple(rows_of(array, rows) for array in x)
    found = x[rows if isinstance(rows, slice) else backend_of(x).asarray(rows)]
    return np.asarray(found) if isinstance(found, np.memmap) else found


def joined_rows(outputs: list[Any]) -> Any:
    """Join the outputs of several batches: arrays, or tuples or dicts of arrays."""
    if isinstance(outputs[0], tuple):
        return tuple(joined_rows(list(parts)) for parts in zip(*outputs, strict=True))
    if isinstance(outputs[0], dict):
        return {name: joined_rows([output[name] for output in outputs]) for name in outputs[0]}
    return outputs[0] if len(outputs) == 1 else xp_of(outputs[0]).concatenate(outputs)
