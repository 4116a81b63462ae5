"""Words that threads share inside kernels: reads, writes and sums that other threads see in order,
and locks.

What a thread wrote before `publish` is seen by every thread that reads the word with `observe`. In
the same way, what it wrote before `order_writes` is seen by every thread that has read something
written afterwards, once that thread has passed `order_reads`. Processors such as Arm's reorder both
otherwise.

A lock is one byte, the field `lock` of a record: 0 while it is free. What it guards lies in the
same record, so that locking fetches the line of the processor's cache that is needed anyway. A lock
is held for some nanoseconds, and a thread that holds one takes no other.
"""

import ctypes
import sys

import llvmlite.binding
from llvmlite import ir
from numba.types import boolean, int64, void

from engine.native.instructions import call, instruction
from engine.native.jit import kernel

# Words of 8 bytes in a line of the processor's cache: words this far apart share none.
SPACING = 8

# Looks at a lock that is held, some ten nanoseconds each, before others may run.
LOCK_LOOKS = 200

# The system's function by which a thread lets others run.
_GIVE_WAY = "aino_give_way"
if sys.platform == "win32":
    _system = ctypes.WinDLL("kernel32").SwitchToThread
else:
    _system = ctypes.CDLL(None).sched_yield
llvmlite.binding.add_symbol(_GIVE_WAY, ctypes.cast(_system, ctypes.c_void_p).value)

_BYTE = ir.IntType(8)
_PROCESSOR = llvmlite.binding.get_default_triple().split("-")[0]
# Instructions that take some ten nanoseconds; elsewhere there is none. Arm's own hint for such
# loops takes one.
_ISB = ("llvm.aarch64.isb", [15])
# Apple's name is arm64.
_PAUSES = {"x86_64": ("llvm.x86.sse2.pause", []), "aarch64": _ISB, "arm64": _ISB}


def _lock_address(builder, records, number):
    record = builder.bitcast(records.address(number), _BYTE.as_pointer())
    return builder.gep(record, [ir.IntType(64)(records.dtype.offset("lock"))])


def observe(words, index):
    """Read a word of a contiguous int64 [n] array."""
    return words[index]


@instruction(observe, lambda words, index: int64(words, int64))
def _observe(builder, words, index):
    return builder.load_atomic(words.address(index), "acquire", 8)


def publish(words, index, value):
    """Write a word of a contiguous int64 or int32 [n] array."""
    words[index] = value


@instruction(publish, lambda words, index, value: void(words, int64, words.dtype))
def _publish(builder, words, index, value):
    builder.store_atomic(value, words.address(index), "release", words.dtype.bitwidth // 8)


def order_writes():
    """Let other threads see what this one has written before they see what it writes from now on."""


@instruction(order_writes, lambda: void())
def _order_writes(builder):
    builder.fence("release")


def order_reads():
    """Read from now on what was written, at the latest, when what has been read was written."""


@instruction(order_reads, lambda: void())
def _order_reads(builder):
    builder.fence("acquire")


def add(words, index, value):
    """Add to a word of a contiguous int64 [n] array; returns what it was before."""
    before = words[index]
    words[index] += value
    return before


@instruction(add, lambda words, index, value: int64(words, int64, int64))
def _add(builder, words, index, value):
    return builder.atomic_rmw("add", words.address(index), value, "acq_rel")


def try_lock(records, number):
    """Take the lock of a record of a contiguous record array [n] if it is free; returns whether it
    was.
    """
    if records[number].lock:
        return False
    records[number].lock = 1
    return True


@instruction(try_lock, lambda records, number: boolean(records, int64))
def _try_lock(builder, records, number):
    address = _lock_address(builder, records, number)
    before = builder.atomic_rmw("xchg", address, _BYTE(1), "acquire")
    return builder.icmp_unsigned("==", before, _BYTE(0))


def is_locked(records, number):
    """Whether a thread holds the lock of a record."""
    return bool(records[number].lock)


@instruction(is_locked, lambda records, number: boolean(records, int64))
def _is_locked(builder, records, number):
    address = _lock_address(builder, records, number)
    return builder.icmp_unsigned("!=", builder.load_atomic(address, "monotonic", 1), _BYTE(0))


def unlock(records, number):
    """Give back the lock of a record."""
    records[number].lock = 0


@instruction(unlock, lambda records, number: void(records, int64))
def _unlock(builder, records, number):
    builder.store_atomic(_BYTE(0), _lock_address(builder, records, number), "release", 1)


def give_way():
    """Let another thread run on this processor, if one waits for it."""


@instruction(give_way, lambda: void())
def _give_way(builder):
    call(builder, _GIVE_WAY, ir.IntType(32))


def relax():
    """Pause for some nanoseconds between two looks at a word, so that the other thread of a core
    gets on.
    """


@instruction(relax, lambda: void())
def _relax(builder):
    if _PROCESSOR in _PAUSES:
        name, numbers = _PAUSES[_PROCESSOR]
        call(builder, name, ir.VoidType(), *map(ir.IntType(32), numbers))


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
