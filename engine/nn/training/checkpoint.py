"""Checkpoints: arrays and JSON values in one NumPy zip, without pickle.

A checkpoint is written atomically, and compared with the run of another process that goes on from
there.
"""

import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import backend_of_all, to_numpy
from engine.errors import ConfigError, NetFileError
from engine.files.atomic import atomic_write
from engine.native.interrupts import Uninterrupted
from engine.nn.array_checks import mapped
from engine.nn.training.data import JoinedRows, Loader
from engine.nn.training.optimizers import settings_of

# A member of the archive, and a value: a damaged archive may lose members.
VALUES, NAMES = ("values.json", "arrays")
ROWS = 256  # of the training data, evenly spaced, whose contents are compared


def write_checkpoint(
    path: str | Path, arrays: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Write named arrays and JSON values, NaN and NumPy's scalars among them.

    At any moment `path` holds the old or the complete new checkpoint.
    Raises NetFileError when the file cannot be written.
    """
    path = Path(path)
    text = json.dumps({NAMES: list(arrays), **values}, default=np.generic.item)
    members: dict[str, Any] = {VALUES: np.frombuffer(text.encode(), np.uint8)}
    with backend_of_all(arrays).guard("a checkpoint was written"):
        members |= mapped(to_numpy, dict(arrays))
    try:
        with Uninterrupted(), atomic_write(path) as file:
            np.savez(file, **members)
    except OSError as error:
        raise NetFileError(path, "a place to write the checkpoint to", str(error)) from error


def read_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read (arrays, values) from `write_checkpoint`. Raises NetFileError for a missing or damaged
    file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        values = json.loads(arrays.pop(VALUES).tobytes().decode())
        if (names := values.pop(NAMES)) != list(arrays):
            raise ValueError(f"{len(arrays)} of {len(names)} arrays")
        return arrays, values
    except FileNotFoundError as error:
        raise NetFileError.unreadable(path, error) from error
    except Exception as error:  # NumPy and zipfile raise anything for a damaged archive
        raise NetFileError(path, "a complete checkpoint", str(error)) from error


def data_identity(loader: Loader) -> dict[str, Any]:
    """Describe training data by its length, and by a checksum of some rows of what is stored in
    arrays.

    A class of one's own may draw its rows anew each time.
    """
    rows = np.unique(np.linspace(0, len(loader) - 1, ROWS).astype(np.int64))
    checksums = []
    for array in loader.arrays:
        if isinstance(array, np.ndarray | JoinedRows):
            checksums.append(zlib.crc32(array[rows].tobytes()))
    return {"examples": len(loader), "contents": checksums}


def run_identity(trainer: Any) -> dict[str, Any]:
    """Return what a checkpoint must match of a Trainer, as JSON values; the number of threads is
    not part of it.
    """
    settings = asdict(trainer.settings)
    del settings["threads"]
    if trainer.rates:
        settings["rates"] = dict(trainer.rates)
    parameters = trainer.model.named_parameters()
    identity = {
        "model": trainer.model.config(),
        "dtype": sorted({str(array.dtype) for array in parameters.values()}),
        "optimizer": _part_identity(trainer.optimizer),
        "average": _part_identity(trainer.average),
        "metrics": sorted(trainer.metrics),
        "settings": settings,
    }
    return dict(json.loads(json.dumps(identity, default=np.generic.item)))


def _part_identity(part: Any) -> dict[str, Any]:
    """Describe an optimizer or a weight average by its class and its settings that are numbers.

    Settings are what the constructor takes; other attributes are state.
    """
    identity: dict[str, Any] = {"class": type(part).__name__}
    if part is None:
        return identity
    for name in settings_of(type(part)):
        value = vars(part).get(name)
        if isinstance(value, Real):
            identity[name] = value
    return identity


def check_same(
    owner: Any, mine: dict[str, Any], theirs: dict[str, Any], changed: Collection[str] = ()
) -> None:
    """Raise ConfigError where `theirs`, of a checkpoint, differs from `mine` in a part that is not
    in `changed`.
    """
    if unknown := sorted({*changed} - {*mine, "data"}):
        raise ConfigError(
            f"changed: expected names out of {', '.join([*mine, 'data'])}, found {unknown}"
        )
    for name, value in mine.items():
        difference = next(_differences(value, theirs.get(name), name), None)
        if difference and name not in changed:
            on_purpose = f'if it is another on purpose: resume(path, changed=["{name}"])'
            raise ConfigError(f"{owner}: another run, {difference}; {on_purpose}")


def _differences(mine: Any, theirs: Any, name: str) -> Iterator[str]:
    """Say where `theirs` differs from `mine`, in the entries that `mine` has."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key, value in mine.items():
            yield from _differences(value, theirs.get(key), f"{name}: {key}")
    elif mine != theirs:
        yield f"{name}: expected {mine!s:.80}, found {theirs!s:.80}"
