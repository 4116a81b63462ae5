"""Checkpoints: named arrays and JSON values in one file that is complete or absent. No pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import RunError
from engine.nn.atomic import atomic_write

__all__ = ["load_checkpoint", "save_checkpoint"]

META = "meta.json"  # the entry with the JSON values, as UTF-8 bytes


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
    """Write arrays and JSON-able values atomically and durably."""
    entries: dict[str, Any] = {META: np.frombuffer(json.dumps(values).encode(), np.uint8), **arrays}
    with atomic_write(path) as stream:
        np.savez(stream, **entries)


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and values of a checkpoint. Raises RunError naming the file when it is damaged."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return arrays, json.loads(arrays.pop(META).tobytes())
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: not a readable checkpoint ({error})") from error
