"""Writing files so that a reader, or a machine that lost power, never sees half of one."""

from __future__ import annotations

import errno
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

    The file has the permissions of a new one, whatever an older `path` had; a link at `path` is replaced, not followed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)  # of a killed process that had our number
    try:
        with open(temporary, "xb") as stream:  # "x": never through a link that somebody planted
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in the folder durable (where system and file system can: not on Windows)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # how some file systems say that they cannot
            raise
    finally:
        os.close(descriptor)
