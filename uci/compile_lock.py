"""One engine compiles, the others wait and load: a GUI or a match may start several at once on an empty cache."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from engine import jit

__all__ = ["compiling_alone"]

_RETRY_S = 0.1


@contextlib.contextmanager
def compiling_alone(source: Path, variant: str) -> Iterator[bool]:
    """Holds a lock on the kernel cache, until this was once done for these sources and this variant on this machine.

    Gives whether there is something to compile.

    `source` is the module whose kernels, imported ones included, get compiled, `variant` says for which settings.
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
        file = (folder / "lock").open("a")
    except OSError:
        yield False
        return
    with file:
        _lock(file)  # ends with the file, or with the process
        yield not done.exists()
        with contextlib.suppress(OSError):
            done.touch()


def _lock(file: IO[str]) -> None:
    """Waits for the exclusive lock, open to Ctrl-C in between."""
    while not _try_lock(file):
        time.sleep(_RETRY_S)


def _try_lock(file: IO[str]) -> bool:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:  # somebody else has it
            return False
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
    return True
