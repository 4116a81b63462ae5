"""Checkpoints of a run, in the learning library's format. Its errors become RunErrors about the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NetFileError, RunError
from engine.nn.checkpoint import read_checkpoint, write_checkpoint


def save_checkpoint(path: Path, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
    """Write arrays and JSON-able values atomically and durably. Raises RunError when the file cannot be written."""
    try:
        write_checkpoint(path, arrays, values)
    except NetFileError as error:
        raise RunError(str(error)) from error


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and values of a checkpoint. A damaged one raises RunError, which says how to continue without it."""
    try:
        return read_checkpoint(path)
    except NetFileError as error:
        advice = "Remove the file and run the same command again; this training then starts over"
        raise RunError(f"{path}: not a readable checkpoint ({error}). {advice}") from error
