"""Indices of kernels count from the front of an array.

Python counts a negative index from the end, so Numba asks of every index whether it is negative,
four instructions, before it reads an element. No kernel counts from the end, so kernels do without
the question: a visit takes a twentieth less. A kernel that did so by mistake would read beside the
array; `NUMBA_BOUNDSCHECK=1` finds it.
"""

from typing import Any

from numba.core import types
from numba.np import arrayobj

_MARK = "counts_from_front"
_from_either_end = arrayobj.fix_integer_index


def count_from_front(module: Any) -> Any:
    """Let all indices in an LLVM module count from the front; returns the module."""
    setattr(module, _MARK, True)
    return module


def _fix_integer_index(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
    """Numba's function for the index of one axis, which leaves a marked module's as it is."""
    if not getattr(builder.module, _MARK, False):
        return _from_either_end(context, builder, kind, index, size)
    return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)


arrayobj.fix_integer_index = _fix_integer_index
