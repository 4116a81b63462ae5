"""Arrays that begin on a cache line: a vector of sixteen floats that straddles two lines costs two
accesses.

And memory that is used again instead of being asked for anew.
"""

import ast
import ctypes
import math
import operator
import sys
from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes; sixteen floats
# Of shapes.
_OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}
# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
Arrays = TypeVar("Arrays", bound=Any)


def aligned(size: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return an array [size] with arbitrary contents that begins on a cache line."""
    return _from_a_line(np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8), dtype)


def aligned_zeros(*shape: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return an array of zeros with this shape that begins on a cache line."""
    raw = np.zeros(math.prod(shape) * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    return _from_a_line(raw, dtype).reshape(shape)


def aligned_copy(array: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Return a contiguous copy that begins on a cache line."""
    copy = aligned(array.size, dtype).reshape(array.shape)
    copy[...] = array
    return copy


def record_type(fields: Mapping[str, DTypeLike]) -> np.dtype:
    """Return the type of a record whose fields lie on the machine's words.

    It is an np.record, because plain Python writes `nodes[node].visits`, too.
    """
    return np.dtype((np.record, np.dtype(list(fields.items()), align=True)))


def keep_freed_memory() -> None:
    """Let this process keep the memory of freed arrays of up to 32 MiB, instead of giving it back
    to the system.

    A training step asks for the same sizes again and again. glibc returns what lies free at the end
    of its heap, and each new page costs a fault and is cleared first: a tenth to a fifth of a
    transformer's step. Under other C libraries, nothing happens.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        # Alone, a limit of the heap would leave larger arrays outside it.
        if mallopt(_MMAP_THRESHOLD, 32 << 20):
            mallopt(_TRIM_THRESHOLD, 1 << 30)


def release_freed_memory() -> None:
    """Give the memory of freed arrays back to the system, as glibc alone does not. Elsewhere,
    nothing happens.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def buffers(
    kind: Callable[..., Arrays], existing: Mapping[str, Any] = MappingProxyType({}), /, **sizes: int
) -> Arrays:
    """Return a record of zeros, as its fields are annotated: `Annotated[np.ndarray, "float32 [B, 2
    * W]"]`.

    existing: fields that are there already. sizes: what names in shapes stand for that are no constants of
    its module. A field that is another such record is made in the same way.
    """
    fields = dict(existing)
    names = ChainMap(sizes, vars(sys.modules[kind.__module__]))
    for name, (part, shape) in _plan(kind).items():
        if name in existing:
            continue
        if shape:
            fields[name] = aligned_zeros(*shape_of(shape, names), dtype=part)
        else:
            fields[name] = buffers(part, **sizes)
    return kind(**fields)


@cache
def _plan(kind: Callable[..., Any]) -> dict[str, tuple[Any, str]]:
    """(dtype, its shape) of each field as text, or (the record that it is, "")."""
    plan: dict[str, tuple[Any, str]] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        dtype, _, shape = getattr(hint, "__metadata__", ("",))[0].partition(" ")
        plan[name] = dtype or hint, shape
    return plan


def shape_of(text: str, names: Mapping[str, int]) -> tuple[int, ...]:
    """Return the shape that an annotation such as `[B, 2 * W + 1]` states; `names` says what its
    letters stand for.
    """
    return tuple(_number(node, names) for node in _dimensions(text))


@cache
def _dimensions(text: str) -> list[ast.expr]:
    shape = ast.parse(text, mode="eval").body
    assert isinstance(shape, ast.List), text
    return shape.elts


def _number(node: ast.expr, names: Mapping[str, int]) -> int:
    if isinstance(node, ast.BinOp):
        return int(_OPERATORS[type(node.op)](_number(node.left, names), _number(node.right, names)))
    if isinstance(node, ast.Constant):
        return int(node.value)  # type: ignore
    return names[node.id]  # type: ignore


def _from_a_line(raw: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    start = -raw.__array_interface__["data"][0] % CACHE_LINE
    return raw[start : len(raw) - CACHE_LINE + start].view(dtype)
