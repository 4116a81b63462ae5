"""Lets one engine compile while others wait: a GUI or a match may start several at once on an empty cache."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from engine.native import jit
from engine.native.locks import FileLock

__all__ = ["compiling_alone"]


@contextlib.contextmanager
def compiling_alone(source: Path, variant: str) -> Iterator[bool]:
    """Hold a lock on the kernel cache, unless these sources were compiled for this variant on this machine before.

    Yields whether there is something to compile.

    `source` is the module whose kernels, imported ones included, are compiled; `variant` says for which settings.
    Without a cache folder, on a full disk, or on a file system without locks there is nothing to wait for.
    """
    folder = jit.cache_folder(source)
    if folder is None:
        yield False
        return
    done = folder / f"compiled-{hashlib.sha256(variant.encode()).hexdigest()[:16]}"
    if done.exists():
        yield False
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        yield False
        return
    lock = FileLock(folder / "lock")
    with contextlib.suppress(OSError):  # a full disk, or a file system without locks
        lock.acquire()
    try:
        yield not done.exists()
        with contextlib.suppress(OSError):
            done.touch()
    finally:
        lock.release()
