"""Words that threads share inside kernels: reads, writes and sums that other threads see in order, and locks.

What a thread wrote before `publish` is seen by every thread that reads the word with `observe`.

A lock is one byte, the field `lock` of a record: 0 while it is free. What it guards lies in the same record, so that
locking fetches the line of the processor's cache that is needed anyway. A lock is held for some nanoseconds, and a
thread that holds one takes no other.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

import llvmlite.binding
import numba
from llvmlite import ir
from numba.extending import intrinsic, overload

from engine.native.jit import kernel

SPACING: Final = 8  # Words of 8 bytes in a line of the processor's cache: words this far apart share none.

LOCK_LOOKS: Final = 200  # Looks at a lock that is held, some ten nanoseconds each, before others may run.

# The system's function by which a thread lets others run.
_GIVE_WAY = "aino_give_way"
if sys.platform == "win32":
    _system = ctypes.WinDLL("kernel32").SwitchToThread
else:
    _system = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol(_GIVE_WAY, ctypes.cast(_system, ctypes.c_void_p).value)

_BYTE = ir.IntType(8)
_PROCESSOR = llvmlite.binding.get_default_triple().split("-")[0]
# Instructions that take some ten nanoseconds; elsewhere there is none. Arm's own hint for such loops takes one.
_PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": ("llvm.aarch64.isb", [15])}


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


def _lock_address(context, builder, array_type, records, number):
    record = builder.bitcast(_address(context, builder, array_type, records, number), _BYTE.as_pointer())
    return builder.gep(record, [ir.IntType(64)(array_type.dtype.offset("lock"))])


@intrinsic
def _native_observe(typing_context, words, index):
    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(_address(context, builder, signature.args[0], *arguments), "acquire", 8)

    return numba.types.int64(words, numba.types.int64), codegen


@intrinsic
def _native_publish(typing_context, words, index, value):
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], address, "release", words.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return numba.types.void(words, numba.types.int64, words.dtype), codegen


@intrinsic
def _native_add(typing_context, words, index, value):
    def codegen(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", address, arguments[2], "acq_rel")

    return numba.types.int64(words, numba.types.int64, numba.types.int64), codegen


@intrinsic
def _native_try_lock(typing_context, records, number):
    def codegen(context, builder, signature, arguments):
        address = _lock_address(context, builder, signature.args[0], *arguments)
        return builder.icmp_unsigned("==", builder.atomic_rmw("xchg", address, _BYTE(1), "acquire"), _BYTE(0))

    return numba.types.boolean(records, numba.types.int64), codegen


@intrinsic
def _native_is_locked(typing_context, records, number):
    def codegen(context, builder, signature, arguments):
        address = _lock_address(context, builder, signature.args[0], *arguments)
        return builder.icmp_unsigned("!=", builder.load_atomic(address, "monotonic", 1), _BYTE(0))

    return numba.types.boolean(records, numba.types.int64), codegen


@intrinsic
def _native_unlock(typing_context, records, number):
    def codegen(context, builder, signature, arguments):
        address = _lock_address(context, builder, signature.args[0], *arguments)
        builder.store_atomic(_BYTE(0), address, "release", 1)
        return context.get_dummy_value()

    return numba.types.void(records, numba.types.int64), codegen


@intrinsic
def _native_give_way(typing_context):
    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(numba.core.cgutils.get_or_insert_function(builder.module, kind, _GIVE_WAY), [])
        return context.get_dummy_value()

    return numba.types.void(), codegen


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
    """Write a word of a contiguous int64 or int32 [n] array."""
    words[index] = value


def add(words, index, value):
    """Add to a word of a contiguous int64 [n] array; returns what it was before."""
    before = words[index]
    words[index] += value
    return before


def try_lock(records, number):
    """Take the lock of a record of a contiguous record array [n] if it is free; returns whether it was."""
    if records[number].lock:
        return False
    records[number].lock = 1
    return True


def is_locked(records, number):
    """Whether a thread holds the lock of a record."""
    return bool(records[number].lock)


def unlock(records, number):
    """Give back the lock of a record."""
    records[number].lock = 0


def give_way():
    """Let another thread run on this processor, if one waits for it."""


def relax():
    """Pause for some nanoseconds between two looks at a word, so that the other thread of a core gets on."""


@overload(observe, inline="always")
def _observe(words, index):
    return lambda words, index: _native_observe(words, index)


@overload(publish, inline="always")
def _publish(words, index, value):
    return lambda words, index, value: _native_publish(words, index, value)


@overload(relax, inline="always")
def _relax():
    return lambda: _native_relax()


@overload(add, inline="always")
def _add(words, index, value):
    return lambda words, index, value: _native_add(words, index, value)


@overload(try_lock, inline="always")
def _try_lock(records, number):
    return lambda records, number: _native_try_lock(records, number)


@overload(is_locked, inline="always")
def _is_locked(records, number):
    return lambda records, number: _native_is_locked(records, number)


@overload(unlock, inline="always")
def _unlock(records, number):
    return lambda records, number: _native_unlock(records, number)


@overload(give_way, inline="always")
def _give_way():
    return lambda: _native_give_way()


@kernel()
def lock(records, number):
    """Take the lock of a record, and wait for it while another thread holds it."""
    while not try_lock(records, number):
        looks = 0
        while is_locked(records, number):
            looks += 1
            if looks < LOCK_LOOKS:
                relax()
            else:
                give_way()
