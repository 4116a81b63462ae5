"""Reads NumPy zips (`.npz`) that may be damaged or malicious: nothing is unpickled, evaluated or decompressed.

It accepts only what `numpy.savez` writes for plain numbers and text: uncompressed members, each an `.npy` array.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
from pathlib import Path

import numpy as np

from engine.errors import NetFileError

MAX_MEMBERS = 10_000

_NPY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..)\{'descr': '(?P<dtype>[<|](?:f[248]|[iu][1248]|b1|U\d{1,3}))', "
    rb"'fortran_order': (?P<order>True|False), 'shape': \((?P<shape>(?:\d{1,15}(?:, ?|(?=\)))){0,8})\), \} *\n"
)
_ZIP_ERRORS = (OSError, ValueError, EOFError, KeyError, RuntimeError, struct.error, zipfile.BadZipFile)


def read_arrays(path: Path, kind: str) -> dict[str, np.ndarray]:
    """Return all arrays by name, read-only, in no more memory than the file has bytes.

    Raises NetFileError; `kind` says in its message what the file should be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = os.path.getsize(path)
            infos = archive.infolist()
            claimed = sum(info.file_size for info in infos)
            if len(infos) > MAX_MEMBERS or claimed > size:
                raise NetFileError(path, "members within the file", f"{len(infos)} of {claimed} bytes in {size}")
            arrays: dict[str, np.ndarray] = {}
            for info in infos:
                name = info.filename.removesuffix(".npy")
                if info.compress_type != zipfile.ZIP_STORED:
                    raise NetFileError(path, f"{name} stored uncompressed", f"method {info.compress_type}")
                if name in arrays:
                    raise NetFileError(path, "every array once", f"{name} twice")
                arrays[name] = _parse_array(path, name, archive.read(info))
    except FileNotFoundError as error:
        raise NetFileError.unreadable(path, error) from error
    except _ZIP_ERRORS as error:
        raise NetFileError(path, kind, str(error)) from error
    return arrays


def _parse_array(path: Path, name: str, data: bytes) -> np.ndarray:
    """Make an array from the bytes of an `.npy` member, allocating nothing that the bytes do not fill.

    NumPy's own reader evaluates the header; this one accepts only the form that NumPy writes.
    """
    match = _NPY_HEADER.match(data)
    if match is None:
        raise NetFileError(path, f"numbers or text in {name}, as NumPy stores them", repr(data[:80]))
    dtype = np.dtype(match["dtype"].decode())
    shape = tuple(int(side) for side in match["shape"].replace(b",", b" ").split())
    body = memoryview(data)[match.end() :]
    length = int.from_bytes(data[8:10], "little")
    if length + 10 != match.end() or math.prod(shape) * dtype.itemsize != len(body) or not dtype.itemsize:
        raise NetFileError(path, f"{name} of shape {shape} and dtype {dtype}", f"{len(body)} bytes")
    return np.frombuffer(body, dtype).reshape(shape, order="F" if match["order"] == b"True" else "C")
