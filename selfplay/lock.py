"""Allow only one process per run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import RunError
from engine.native.locks import FileLock


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder`/lock for the length of the block. Raises RunError when another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    if not lock.try_acquire():
        raise RunError(f"{folder}: another process is working in this run folder")
    try:
        yield
    finally:
        lock.release()
