"""Logs what a reader had to change or skip, without flooding the log."""

import logging
from pathlib import Path

MOST_TOLD = 20  # notes logged one by one per file

log = logging.getLogger(__name__)


class NoteLog:
    """Logs what a reader changed to read a file: the first notes one by one, the rest as a number
    at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def note(self, message: str) -> None:
        """Count and at first log a message."""
        self.count += 1
        if self.count <= MOST_TOLD:
            log.warning("%s", message)

    def close(self) -> None:
        """Log how many more notes there were."""
        if self.count > MOST_TOLD:
            log.warning("%s: %d more notes of this kind", self.path, self.count - MOST_TOLD)
