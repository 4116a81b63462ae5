"""Advisory file locks between processes. The system drops a lock when its holder dies."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> bool:
        stream.seek(0)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:  # another process holds the lock
            return False
        return True

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """An exclusive lock on a file, which is created if missing.

    Raises OSError when the file cannot be opened, or on a file system without locks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None

    def try_acquire(self) -> bool:
        """Take the lock unless someone else holds it; return whether this object now holds it."""
        stream = self._path.open("ab")
        try:
            acquired = _lock(stream) and self._is_at_path(stream)
        except BaseException:
            stream.close()
            raise
        if acquired:
            self._stream = stream
        else:
            stream.close()
        return acquired

    @contextlib.contextmanager
    def held(self, pause_s: float) -> Iterator[None]:
        """Wait until nobody else holds the lock, looking every `pause_s` seconds, and hold it in
        the block.

        Where nothing can be written or locked, the block has no lock.
        """
        try:
            with contextlib.suppress(OSError):
                while not self.try_acquire():
                    time.sleep(pause_s)
            yield
        finally:
            self.release()

    def _is_at_path(self, stream: IO[bytes]) -> bool:
        """Whether the open file is still at the path: its last holder may have removed it
        meanwhile.
        """
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(stream.fileno()), os.stat(self._path))
        return False

    def remove(self) -> None:
        """Release the lock if this object holds it, and remove its file, so that nothing is left
        behind.
        """
        if self._stream is not None:
            with contextlib.suppress(OSError):  # Windows keeps the file while it is open
                self._path.unlink()
        self.release()

    def release(self) -> None:
        """Release the lock if this object holds it."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
