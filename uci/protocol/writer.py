"""The one writer that owns stdout in UCI mode, and the log of the conversation."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TextIO

__all__ = ["Writer", "info_string"]


def info_string(message: str) -> str:
    """A message as UCI has it: on one line, whatever it holds."""
    return "info string " + " ".join(message.split())


class Writer:
    """Writes whole lines, flushed and under a lock, so that threads never mix theirs.

    A reader that went away (broken pipe) sets `closed`; later lines are dropped, because nobody is there to be told.
    """

    def __init__(self, stream: TextIO) -> None:
        self.closed = False
        self._stream = stream
        self._lock = threading.Lock()
        self._log: TextIO | None = None

    def line(self, *lines: str) -> None:
        """Writes lines together: no other thread's line comes between them."""
        with self._lock:
            for line in lines:
                self._record("<<", line)
            if self.closed:
                return
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # ValueError: the stream was closed under us
                self.closed = True

    def info(self, message: str) -> None:
        """Writes a message as `info string`."""
        self.line(info_string(message))

    def received(self, line: str) -> None:
        """Notes a line from the GUI in the log."""
        with self._lock:
            self._record(">>", line)

    def log_to(self, path: str) -> None:
        """Appends the conversation to a file from now on; an empty path ends it. Raises OSError."""
        file = Path(os.path.expanduser(path))
        log = file.open("a", encoding="utf-8", buffering=1) if path else None
        with self._lock:
            if self._log is not None:
                self._log.close()
            self._log = log

    def _record(self, direction: str, line: str) -> None:
        if self._log is None:
            return
        try:
            self._log.write(f"{time.strftime('%H:%M:%S')} {direction} {line}\n")
        except OSError:  # a full disk ends the log, not the game
            self._log = None
