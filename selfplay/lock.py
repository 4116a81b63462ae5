"""Allow only one process, and one kind of work, per folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import RunError
from engine.files.output_files import FOLDERS, kind_of_folder
from engine.native.locks import FileLock


@contextmanager
def folder_lock(folder: Path, kind: str) -> Iterator[None]:
    """Hold a lock on the folder for the length of the block; kind: of FOLDERS, what the folder is
    or becomes.

    Raises RunError when the folder is of another kind, or has files of others under names that this
    kind uses, or when another process holds the lock.
    """
    if (content := kind_of_folder(folder)) not in ("", kind):
        raise RunError(f"{folder} is {content}, and {kind} needs a folder of its own")
    mark, *names = FOLDERS[kind][1]
    if not (folder / mark).is_file() and (
        strange := [name for name in names if (folder / name).is_file()]
    ):
        raise RunError(
            f"{folder} holds {strange[0]}, but is not {kind} ({mark} is missing): use a new folder"
        )
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
