"""Arrays as layers take them: their forms, errors for those that do not fit, and their rows."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import numpy as np

from engine.backend import backend_of, xp_of
from engine.errors import ShapeError

Array = Any  # numpy.ndarray or cupy.ndarray
NamedArrays = Mapping[str, Array]
ArrayDict = dict[str, Array]


def is_array(x: Any) -> bool:
    """Whether `x` has a shape and a dtype of NumPy's, as arrays on all backends. Pandas' tables,
    masked arrays, and matrices, which multiply in another way, are none.
    """
    if type(x) is np.ndarray:
        return True
    if hasattr(x, "iloc") or isinstance(x, np.matrix | np.ma.MaskedArray):
        return False
    return hasattr(x, "shape") and hasattr(getattr(x, "dtype", None), "kind")


def form_of(value: Any) -> str:
    """Return dtype and shape of an array, such as "float32 [8, 3]"; of anything else the type."""
    return f"{value.dtype} {list(value.shape)}" if is_array(value) else type(value).__name__


class ShapedArrays(dict[str, Array]):
    """Arrays by name. Each keeps its shape and its dtype, to which others are cast: kernels would
    read behind the end of a smaller one. Raises ShapeError for another shape, and for no array.
    """

    def __init__(self, arrays: NamedArrays = MappingProxyType({})) -> None:
        self.update(arrays)

    def __setitem__(self, name: str, array: Array) -> None:
        before: Array = self.get(name, array)
        if not is_array(array) or isinstance(array, np.generic) or array.shape != before.shape:
            expected = "an array" if before is array else form_of(before)
            raise ShapeError(f"{name}: expected {expected}, found {form_of(array)}")
        super().__setitem__(name, array.astype(before.dtype, copy=False))

    def update(self, arrays: NamedArrays) -> None:  # type: ignore[override]
        for name, array in arrays.items():
            self[name] = array


# Values are NumPy's dtype kind letters.
_KINDS = {"floating": "f", "integer": "iu", "numeric": "fiu", "bool": "b"}


def check_input(owner: object, x: Array, *sides: int | str, dtype: Any = "floating") -> None:
    """Raise ShapeError unless `x` is an array with these sides and this dtype.

    A number must equal the side, a name matches any size, and "..." matches any number of sides.
    `dtype` is one dtype, or "floating", "integer", "numeric" or "bool" for all dtypes of that kind.
    """
    if not is_array(x) or not _has_dtype(x, dtype) or not _fits(x.shape, sides):
        expected = ", ".join(map(str, sides))
        raise ShapeError(
            f"{type(owner).__name__}: expected {dtype} [{expected}], found {form_of(x)}"
        )


def _has_dtype(x: Array, dtype: Any) -> bool:
    if isinstance(dtype, str):
        return x.dtype.kind in _KINDS[dtype]
    return bool(x.dtype == dtype)


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


def copies(tensors: NamedArrays) -> ArrayDict:
    """Return copies of arrays by name, which lie in memory as they do."""
    return {name: array.copy(order="K") for name, array in tensors.items()}


def same_arrays(a: NamedArrays, b: NamedArrays) -> bool:
    """Whether two groups of arrays have the same names and numbers."""
    return a.keys() == b.keys() and all(
        array.shape == b[name].shape and bool((array == b[name]).all()) for name, array in a.items()
    )


def copy_tensors(source: NamedArrays, target: NamedArrays) -> None:
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


def as_tuple(x: Any) -> tuple[Any, ...]:
    """Return a tuple of arrays as it is, and one array as a tuple."""
    if isinstance(x, tuple):
        return x
    return (x,)


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
        places = rows
        if not isinstance(rows, slice):
            places = backend_of(array).asarray(rows)
        part = array[places]
        if isinstance(part, np.memmap):
            return np.asarray(part)
        return part

    return mapped(chosen, x)


def joined_rows(outputs: Sequence[Any]) -> Any:
    """Join the outputs of several batches: arrays, or tuples or dicts of arrays."""
    first = outputs[0]
    if isinstance(first, tuple):
        return tuple(map(joined_rows, zip(*outputs, strict=True)))
    if isinstance(first, dict):
        return {name: joined_rows([*map(itemgetter(name), outputs)]) for name in first}
    if len(outputs) == 1:
        return first
    return xp_of(first).concatenate(outputs)
