"""Whether the address space that a limit leaves to this process is enough for compiled code."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TO_LOAD_MIB = 200  # for all kernels from the cache, with the search's threads; measured
TO_COMPILE_MIB = 450


def check_room(needed_mib: int) -> None:
    """Raise MemoryError where a limit (`ulimit -v`) leaves less than this: LLVM then aborts, or is busy for ever."""
    left = _address_space_left_mib()
    if left is not None and left < needed_mib:
        raise MemoryError(f"{left} MiB of address space are left (ulimit -v), and compiled code needs {needed_mib} MiB")


def _address_space_left_mib() -> int | None:
    if resource is None or not hasattr(resource, "RLIMIT_AS"):
        return None
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        used = 0
    return None if most == resource.RLIM_INFINITY else (most - used) >> 20
