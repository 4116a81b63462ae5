"""Which files of kernels this process uses, and whether it could keep what it compiled."""

import contextlib
import os
from pathlib import Path
from typing import Any

lost: list[Any] = []  # signatures of kernels that could not be written
used: set[Path] = set()  # files of the kernels that this process has loaded or written


def used_files() -> str:
    """Return the files of the kernels that this process has, a line each: size in bytes, name."""
    return "".join(f"{path.stat().st_size} {path.name}\n" for path in sorted(used))


def loses_kernels() -> bool:
    """Whether a kernel of this process could not be kept, as on a full disk."""
    return bool(lost)


def note_use(path: Path) -> None:
    """Keep a file from `remove_unused`."""
    with contextlib.suppress(OSError):  # It may be there to be read only.
        os.utime(path)
