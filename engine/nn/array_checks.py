"""Arrays as layers take them: their forms, errors for those that do not fit, and their rows."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.backend import backend_of, xp_of
from engine.errors import ShapeError

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
        before: Array = self.get(name, array)
        if not is_array(array) or isinstance(array, np.generic) or array.shape != before.shape:
            expected = "an array" if before is array else form_of(before)
            raise ShapeError(f"{name}: expected {expected}, found {form_of(array)}")
        super().__setitem__(
            name, array if array.dtype == before.dtype else array.astype(before.dtype)
        )

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


def check_board(owner: object, x: Array) -> None:
    """Raise ShapeError where boards or sequences [B, C, ...] have no squares."""
    if 0 in x.shape[2:]:
        found = list(x.shape)
        raise ShapeError(f"{type(owner).__name__}: expected H and W >= 1, found {found}")


def check_gradient(owner: object, dy: Array, shape: tuple[int, ...]) -> None:
    """Raise ShapeError unless a gradient is floating and has the shape of its result: a kernel
    would read behind its end.
    """
    if getattr(dy, "shape", None) != shape or dy.dtype.kind != "f":
        expected = f"expected a floating gradient {list(shape)}"
        raise ShapeError(f"{type(owner).__name__}: {expected}, found {form_of(dy)}")


def _fits(shape: tuple[int, ...], sides: tuple[int | str, ...]) -> bool:
    if "..." in sides:
        gap = sides.index("...")
        sides = (*sides[:gap], *["any"] * (len(shape) - len(sides) + 1), *sides[gap + 1 :])
    if len(shape) != len(sides):
        return False
    pairs = zip(shape, sides, strict=True)
    return list(shape) == [length if isinstance(side, str) else side for length, side in pairs]


def copies(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return copies of arrays by name, which lie in memory as they do."""
    return {name: array.copy(order="K") for name, array in tensors.items()}


def same_arrays(some: Mapping[str, Array], others: Mapping[str, Array]) -> bool:
    """Whether two groups of arrays have the same names and numbers."""
    return some.keys() == others.keys() and all(
        array.shape == others[name].shape and bool((array == others[name]).all())
        for name, array in some.items()
    )


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


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """Return what a function makes of a value, or of each in tuples and dicts."""
    if isinstance(value, tuple):
        return tuple(mapped(function, part) for part in value)
    if isinstance(value, dict):
        return {name: mapped(function, part) for name, part in value.items()}
    return function(value)


def leaves(value: Any) -> list[Any]:
    """Return the arrays in tuples and dicts, in order."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, tuple):
        return [value]
    return [array for part in value for array in leaves(part)]


def rows_of(x: Any, rows: Any) -> Any:
    """Return rows of an array, or of each in a tuple or dict, memory-mapped or not; `rows` is a
    slice or row numbers.
    """

    def chosen(array):
        if type(array) is np.ndarray:
            return array[rows]
        if array is None:
            return None
        part = array[rows if isinstance(rows, slice) else backend_of(array).asarray(rows)]
        return np.asarray(part) if isinstance(part, np.memmap) else part

    return mapped(chosen, x)


def joined_rows(outputs: list[Any]) -> Any:
    """Join the outputs of several batches: arrays, or tuples or dicts of arrays."""
    if isinstance(outputs[0], tuple):
        return tuple(joined_rows(list(parts)) for parts in zip(*outputs, strict=True))
    if isinstance(outputs[0], dict):
        return {name: joined_rows([output[name] for output in outputs]) for name in outputs[0]}
    return outputs[0] if len(outputs) == 1 else xp_of(outputs[0]).concatenate(outputs)
