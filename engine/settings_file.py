"""Reading TOML files of settings: engine options, a run's configuration, the list of nets."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from engine.errors import ConfigError

__all__ = ["read_settings"]

# Time and memory that Python's reader takes grow with the square of a dotted key's length; no settings are that long.
LARGEST_FILE = 1 << 16  # bytes
LONGEST_LINE = 1 << 10


def read_settings(path: str | Path) -> dict[str, Any]:
    """Nested values of a TOML file. Raises ConfigError, naming the file, when it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE or max(map(len, data.split(b"\n"))) > LONGEST_LINE:
            raise ValueError(f"over {LARGEST_FILE:,} bytes, or {LONGEST_LINE:,} in a line")
        return tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ConfigError(f"{path}: not a readable TOML file: {error}") from error
