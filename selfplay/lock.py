"""Allow only one process, and one kind of work, per folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import RunError
from engine.native.locks import FileLock

# What a folder may be, and a file that it then has.
KINDS = {
    "a self-play run": "config.toml",
    "a pretraining": "config.json",
    "a match": "match.json",
    "a label folder": "settings.json",
    "a sweep": "sweep.toml",
}


@contextmanager
def folder_lock(folder: Path, kind: str) -> Iterator[None]:
    """Hold a lock on the folder for the length of the block; kind: of KINDS, what the folder is or becomes.

    Raises RunError when the folder is of another kind or another process holds the lock.
    """
    for other, mark in KINDS.items():
        if other != kind and (folder / mark).is_file():
            raise RunError(f"{folder} is {other} ({mark} is there), and {kind} needs a folder of its own")
    if folder.is_file():
        raise RunError(f"{folder} is a file, and {kind} needs a folder")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    if not lock.try_acquire():
        raise RunError(f"{folder}: another process is working in this folder")
    try:
        yield
    finally:
        lock.remove()
