"""Writing files so that a reader, or a machine that lost power, never sees half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["atomic_write", "sync_folder"]


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary stream whose content appears at `path` complete or not at all.

    The temporary file lies in the same folder, is fsynced and renamed; the folder is fsynced after it. When the block
    raises, the temporary file is removed and an older `path` stays as it was. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in the folder durable (where the system can open folders: not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
