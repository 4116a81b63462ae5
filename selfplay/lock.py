"""One process per run folder: an advisory lock that the system drops when its holder dies."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from engine.errors import RunError

__all__ = ["FolderLock"]


class FolderLock:
    """Context manager holding `folder`/lock. Raises RunError when another process holds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream: IO[bytes] | None = None

    def __enter__(self) -> FolderLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stream = open(self._folder / "lock", "ab")  # held until __exit__
        try:
            _lock(self._stream)
        except OSError as error:
            self._stream.close()
            raise RunError(f"{self._folder}: another process is working in this run folder") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stream is not None
        self._stream.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
