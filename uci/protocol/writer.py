"""The one writer that owns stdout in UCI mode, and the log of the conversation."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TextIO


def info_string(message: str) -> str:
    """Return a message as one UCI line, even if it contains line breaks."""
    return "info string " + " ".join(message.split())


class Writer:
    """Writes and flushes whole lines under a lock, so that lines of different threads never mix.

    A broken pipe sets `closed`. Later lines are dropped, because no reader is left.
    """

    def __init__(self, stream: TextIO) -> None:
        self.closed = False
        self._stream = stream
        self._lock = threading.Lock()
        self._log: TextIO | None = None

    def line(self, *lines: str) -> None:
        """Write the lines together. No other thread's line comes between them."""
        with self._lock:
            for line in lines:
                self._record("<<", line)
            if self.closed:
                return
            try:
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()
            except (OSError, ValueError):  # a closed stream raises ValueError
                self.closed = True

    def info(self, message: str) -> None:
        self.line(info_string(message))

    def received(self, line: str) -> None:
        """Add a line from the GUI to the log."""
        with self._lock:
            self._record(">>", line)

    def log_to(self, path: str) -> None:
        """Append the conversation to a file from now on. An empty path ends the log. Raises OSError."""
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
