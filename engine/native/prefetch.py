"""Fetch memory into the processor's cache before it is needed, while other work goes on."""

from llvmlite import ir
from numba.types import int64, void

from engine.native.instructions import call, instruction

_NUMBER = ir.IntType(32)
_READ = _NUMBER(0)
_KEEP = _NUMBER(3)
_DATA = _NUMBER(1)


def prefetch(array, index):
    """Begin to fetch the line of the cache on which an element of a contiguous array lies; any
    index is safe.
    """


@instruction(prefetch, lambda array, index: void(array, int64))
def _prefetch(builder, array, index):
    pointer = builder.bitcast(array.address(index), ir.IntType(8).as_pointer())
    call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, _READ, _KEEP, _DATA)
