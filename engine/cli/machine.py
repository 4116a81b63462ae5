"""Facts about this machine: memory, and what reports need (processor, BLAS kernel, versions)."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from engine.options import usable_cpus

_LIBRARIES = ("numpy", "numba", "llvmlite")


def describe_machine() -> dict[str, str | int]:
    """Return names and versions for reports, by component; import NumPy first, because it loads the
    BLAS library.
    """
    blas = []
    for library in _blas_libraries():
        words = library["internal_api"], library.get("version"), library.get("architecture")
        blas.append(" ".join(filter(None, words)))
    return {
        "processor": _processor(),
        "cores": usable_cpus(),
        "system": f"{platform.system()} {platform.release()}",
        "blas": ", ".join(blas) or "none",
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def blas_kernel() -> str:
    """Return the processor family that BLAS computes for, such as `SkylakeX`; results differ
    between families.
    """
    kernels = set()
    for library in _blas_libraries():
        kernels.add(library.get("architecture") or library["internal_api"])
    return "+".join(sorted(kernels)) or "none"


def physical_memory_mib() -> int | None:
    """Return the machine's memory in MiB, or None if the system does not report it (Windows)."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (AttributeError, ValueError, OSError):
        # The system has no sysconf, or sysconf lacks these names.
        return None


def speed_of(work: Callable[[], int], seconds: float, runs: int = 1) -> float:
    """Return units of work a second: the best of `runs` runs of at least `seconds`, after one
    untimed call.
    """
    work()
    best = 0.0
    for _ in range(runs):
        done = 0
        begin = time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds or not done:
            done += work()
        best = max(best, done / elapsed)
    return best


def _blas_libraries() -> list[dict[str, Any]]:
    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def _processor() -> str:
    """Return the processor's model if the system reports it, else its architecture."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
