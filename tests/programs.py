"""Programs that tests and measurements use where they are installed."""

from __future__ import annotations

import shutil


def find_stockfish() -> str | None:
    """The Stockfish program, also where Debian puts it, outside the usual path; None where there is none."""
    return shutil.which("stockfish") or shutil.which("stockfish", path="/usr/games:/usr/local/bin")
