"""Read files of settings: TOML that people write, and JSON that commands note in their folders."""

import json
import tomllib
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.text import decode_text

# Python's TOML reader takes time and memory quadratic in a dotted key's length, so input is limited
# to these sizes.
LARGEST_FILE = 1 << 16  # In bytes. No settings are that long.
LONGEST_SETTINGS_LINE = 1 << 10  # In letters.


def read_settings(path: str | Path) -> dict[str, Any]:
    """Return the nested values of a TOML file. Raises ConfigError, which names the file, if the
    file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
        text = decode_text(data)
        if len(data) > LARGEST_FILE or max(map(len, text.split("\n"))) > LONGEST_SETTINGS_LINE:
            raise ValueError(
                f"over {LARGEST_FILE:,} bytes, or {LONGEST_SETTINGS_LINE:,} letters in a line"
            )
        return tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise ConfigError(f"{path}: not a readable TOML file: {error}") from error


def read_noted(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file. Raises ConfigError, which names the file, for any other
    content.
    """
    try:
        values = json.loads(decode_text(path.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a readable JSON file: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a JSON object, found {type(values).__name__}")
    return values
