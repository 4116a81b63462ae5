"""Checkpoints of a training run: arrays and JSON values in one NumPy zip, without pickle, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import backend_of_all, to_numpy
from engine.errors import NetFileError
from engine.files.atomic import atomic_write

VALUES, NAMES = "values.json", "arrays"  # a member of the archive, and a value: a damaged archive may lose members


def write_checkpoint(path: str | Path, arrays: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write named arrays and JSON values, NaN and NumPy's scalars among them.

    At any moment `path` holds the old or the complete new checkpoint.
    Raises NetFileError when the file cannot be written.
    """
    path = Path(path)
    text = np.frombuffer(json.dumps({NAMES: list(arrays), **values}, default=np.generic.item).encode(), np.uint8)
    with backend_of_all(arrays).guard("a checkpoint was written"):
        stored: dict[str, Any] = {VALUES: text, **{name: to_numpy(array) for name, array in arrays.items()}}
    try:
        with atomic_write(path) as file:
            np.savez(file, **stored)
    except OSError as error:
        raise NetFileError(path, "a place to write the checkpoint to", str(error)) from error


def read_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read (arrays, values) from `write_checkpoint`. Raises NetFileError for a missing or damaged file."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        values = json.loads(arrays.pop(VALUES).tobytes().decode())
        if (names := values.pop(NAMES, None)) not in (None, list(arrays)):
            raise ValueError(f"{len(arrays)} of {len(names)} arrays")
        return arrays, values
    except FileNotFoundError as error:
        raise NetFileError.unreadable(path, error) from error
    except Exception as error:  # NumPy and zipfile raise anything for a damaged archive
        raise NetFileError(path, "a complete checkpoint", str(error)) from error
