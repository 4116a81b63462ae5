"""Words that threads share inside kernels, without locks: reads, writes and claims that other threads see in order.

What a thread wrote before `publish` is seen by every thread that reads the word with `observe` or wins it with `claim`.
"""

from __future__ import annotations

from typing import Final

import llvmlite.binding
import numba
from llvmlite import ir
from numba.extending import intrinsic, overload

__all__ = ["SPACING", "claim", "observe", "publish", "relax"]

SPACING: Final = 8  # Words of 8 bytes in a line of the processor's cache: words this far apart share none.

_WORD = ir.IntType(64)
_PROCESSOR = llvmlite.binding.get_default_triple().split("-")[0]
# Instructions that take some ten nanoseconds; elsewhere there is none. Arm's own hint for such loops takes one.
_PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": ("llvm.aarch64.isb", [15])}


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def _native_observe(typing_context, words, index):
    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature.args[0], *arguments), "acquire", 8)

    return numba.types.int64(words, numba.types.int64), codegen


@intrinsic
def _native_publish(typing_context, words, index, value):
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], address, "release", 8)
        return context.get_dummy_value()

    return numba.types.void(words, numba.types.int64, numba.types.int64), codegen


@intrinsic
def _native_claim(typing_context, words, index, expected, value):
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        pair = builder.cmpxchg(address, *arguments[2:], "acq_rel", "acquire")
        return builder.extract_value(pair, 1)

    return numba.types.boolean(words, numba.types.int64, numba.types.int64, numba.types.int64), codegen


@intrinsic
def _native_relax(typing_context):
    def codegen(context, builder, signature, arguments):
        if _PROCESSOR in _PAUSES:
            name, numbers = _PAUSES[_PROCESSOR]
            number = ir.IntType(32)
            pause = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(ir.VoidType(), [number] * len(numbers)))
            builder.call(pause, [number(each) for each in numbers])
        return context.get_dummy_value()

    return numba.types.void(), codegen


def observe(words, index):
    """Read a word of a contiguous int64 [n] array."""
    return words[index]


def publish(words, index, value):
    """Write a word of a contiguous int64 [n] array."""
    words[index] = value


def claim(words, index, expected, value):
    """Change a word from ``expected`` to ``value``; returns whether this thread was the one to do it."""
    if words[index] != expected:
        return False
    words[index] = value
    return True


def relax():
    """Pause for some nanoseconds between two looks at a word, so that the other thread of a core gets on."""


@overload(observe, inline="always")
def _observe(words, index):
    return lambda words, index: _native_observe(words, index)


@overload(publish, inline="always")
def _publish(words, index, value):
    return lambda words, index, value: _native_publish(words, index, value)


@overload(claim, inline="always")
def _claim(words, index, expected, value):
    return lambda words, index, expected, value: _native_claim(words, index, expected, value)


@overload(relax, inline="always")
def _relax():
    return lambda: _native_relax()
