"""Checks the header of a ``.dit`` file before its sizes and offsets are trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import NetFileError

MAX_DIMENSIONS = 8
MAX_TENSORS = 100_000

_KEYS = {"model": dict, "tensors": list, "provenance": dict, "card": dict, "configuration": dict}
_ENTRY_KEYS = {"name": str, "dtype": str, "shape": list, "offset": int, "crc32": int}


def check_header(
    path: Path, header: Mapping[str, Any], data_bytes: int, alignment: int, dtypes: Mapping[str, np.dtype[Any]]
) -> None:
    """Check that the header is complete and that its tensors fill the file's ``data_bytes`` exactly, in order.

    Raises NetFileError.
    """
    for key, kind in _KEYS.items():
        if not isinstance(header.get(key), kind):
            raise NetFileError(path, f"a header entry {key!r} ({kind.__name__})", repr(header.get(key))[:60])
    table = header["tensors"]
    if len(table) > MAX_TENSORS:
        raise NetFileError(path, f"at most {MAX_TENSORS} tensors", str(len(table)))
    names: set[str] = set()
    end = 0
    for entry in table:
        _check_entry(path, entry, dtypes)
        name, expected = entry["name"], -(-end // alignment) * alignment
        if name in names:
            raise NetFileError(path, "every tensor once", f"{name} twice")
        if entry["offset"] != expected:
            raise NetFileError(path, f"{name} at offset {expected}", f"offset {entry['offset']}")
        names.add(name)
        end = expected + math.prod(entry["shape"]) * dtypes[entry["dtype"]].itemsize
        if end > data_bytes:
            raise NetFileError(path, f"{end} bytes of tensors up to {name}", f"{max(data_bytes, 0)} bytes")
    if table and end != data_bytes:
        raise NetFileError(path, f"{end} bytes of tensors", f"{data_bytes} bytes")


def _check_entry(path: Path, entry: Any, dtypes: Mapping[str, np.dtype[Any]]) -> None:
    good = isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in _ENTRY_KEYS.items())
    if not good:
        raise NetFileError(path, f"tensor entries with {', '.join(_ENTRY_KEYS)}", repr(entry)[:80])
    if entry["dtype"] not in dtypes:
        raise NetFileError(path, f"dtype {' or '.join(dtypes)} of {entry['name']}", repr(entry["dtype"])[:60])
    shape = entry["shape"]
    if len(shape) > MAX_DIMENSIONS or not all(type(side) is int and 0 < side < 1 << 40 for side in shape):
        raise NetFileError(path, f"a shape of positive sizes for {entry['name']}", repr(shape)[:60])
