"""Allow only one process per run folder."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from engine.errors import RunError
from engine.native.locks import FileLock


class FolderLock:
    """Context manager that holds `folder`/lock. Raises RunError when another process holds the lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "lock")

    def __enter__(self) -> FolderLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._lock.try_acquire():
            raise RunError(f"{self._folder}: another process is working in this run folder")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
