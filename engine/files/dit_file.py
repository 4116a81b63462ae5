"""`.dit` files: a model's architecture, tensors and history in one file that runs no code and hides
no damage.

    b"\\x89DIT\\r\\n\\x1a\\n"    magic; its line ends reveal a transfer in text mode
    u32 version             little-endian, like everything after it
    u64 header length       bytes of the JSON text
    header                  UTF-8 JSON, see below
    tensors                 each at a multiple of 64 bytes, zeros in between; the file ends with the last tensor

Header: "model" (nested layer configurations), "tensors" (a list of name, dtype, shape, offset in
bytes from the first tensor, crc32), "provenance" (Aino's version and commit, date, command, seed,
backend, device, library versions), "card" (how it was trained), "configuration" (the resolved
settings of the run) and "crc32" (of the header's own canonical JSON without that entry).

Every fault raises NetFileError, which names the file, what was expected and what was found. Every
size is compared with the size of the file before anything is allocated.
"""

import errno
import json
import math
import os
import stat
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.errors import ConfigError, NetFileError
from engine.files.atomic import atomic_write

DIT_MAGIC = b"\x89DIT\r\n\x1a\n"
DIT_VERSION = 1
ALIGNMENT = 64
MAX_HEADER_BYTES = 16 << 20
MAX_DIMENSIONS = 8
MAX_TENSORS = 100_000
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}

_PREFIX = struct.Struct("<8sIQ")
_KEYS = {"model": dict, "tensors": list, "provenance": dict, "card": dict, "configuration": dict}
_ENTRY_KEYS = {"name": str, "dtype": str, "shape": list, "offset": int, "crc32": int}


def load_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read (header, tensors by name) without building the model; the tensors are float32.

    Raises NetFileError when the file is missing, truncated, longer than its tensors, damaged or of
    another kind.
    """
    path = Path(path)
    try:
        with open_net(path) as file:
            size = os.fstat(file.fileno()).st_size
            header = _read_header(path, file, size)
            _check_header(path, header, size - _data_start(file.tell()))
            return header, _read_tensors(path, file, header["tensors"])
    except OSError as error:
        raise NetFileError.unreadable(path, error) from error


def open_net(path: Path) -> IO[bytes]:
    """Open a net file, which is read more than once. Raises OSError, also for a pipe or a device,
    which may block.
    """
    if not stat.S_ISREG((status := path.stat()).st_mode) and not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return path.open("rb")


def header_checksum(header: Mapping[str, Any]) -> int:
    """CRC-32 of the header's canonical JSON without its "crc32" entry."""
    return zlib.crc32(_canonical({key: value for key, value in header.items() if key != "crc32"}))


def save_tensors(
    path: str | Path, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write arrays whose dtypes are in DTYPES. A reader of `path` sees the old file or the complete
    new one.

    `header` has the module's header entries except "tensors" and "crc32". Raises ConfigError for
    values that JSON cannot hold, NetFileError when the file cannot be written.
    """
    path = Path(path)
    full: dict[str, Any] = {"model": header["model"], "tensors": _tensor_table(arrays), **header}
    try:
        full["crc32"] = header_checksum(full)
        text = _canonical(full)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"card and configuration must be plain JSON values: {error}") from error
    try:
        with atomic_write(path) as file:
            file.write(_PREFIX.pack(DIT_MAGIC, DIT_VERSION, len(text)) + text)
            for array in arrays.values():
                file.write(bytes(_data_start(file.tell()) - file.tell()))
                file.write(array.tobytes())
    except OSError as error:
        raise NetFileError(path, "a place to write the net to", str(error)) from error


# ---- reading -------------------------------------------------------------------------------------


def _read_header(path: Path, file: IO[bytes], size: int) -> dict[str, Any]:
    prefix = file.read(_PREFIX.size)
    if not prefix.startswith(DIT_MAGIC):
        raise _foreign_file(path, prefix)
    if len(prefix) < _PREFIX.size:
        raise NetFileError(path, f"{_PREFIX.size} bytes before the header", f"{len(prefix)} bytes")
    _, version, length = _PREFIX.unpack(prefix)
    if version != DIT_VERSION:
        raise NetFileError(path, f"version {DIT_VERSION}", f"version {version}")
    limit = min(MAX_HEADER_BYTES, size - _PREFIX.size)
    if length > limit:
        raise NetFileError(path, f"a header of at most {limit} bytes", f"a length of {length}")
    text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"))
        if not isinstance(header, dict):
            raise NetFileError(path, "a JSON object as header", type(header).__name__)
        checksum = header_checksum(header)
    except (ValueError, RecursionError) as error:
        raise NetFileError(path, "a header in UTF-8 JSON", str(error)) from error
    if header.get("crc32") != checksum:
        raise NetFileError(path, f"header checksum {header.get('crc32')!r}", str(checksum))
    return header


def _foreign_file(path: Path, prefix: bytes) -> NetFileError:
    """Return the error for a file that does not begin as a .dit file does."""
    if path.name.endswith((".pb", ".pb.gz")) and prefix.startswith((b"\x0d", b"\x1f\x8b")):
        advice = f"{path} is no .dit file; `aino net convert {path} NAME.dit` makes one of a network of Lc0's"
        return NetFileError(path, "a .dit file", "Lc0's format", advice)
    if path.suffix == ".dit" and prefix.startswith(b"PK"):
        advice = f"{path} is a .dit file of another library, the package aino 2.2.0, or a zip; Aino reads neither"
        return NetFileError(path, "a .dit file of Aino's", "a zip", advice)
    return NetFileError.foreign(path, repr(DIT_MAGIC), prefix)


def _check_header(path: Path, header: Mapping[str, Any], data_bytes: int) -> None:
    """Check that the header is complete and that its tensors fill the file's `data_bytes` exactly,
    in order.

    Raises NetFileError.
    """
    for key, kind in _KEYS.items():
        if not isinstance(header.get(key), kind):
            raise NetFileError(
                path, f"a header entry {key!r} ({kind.__name__})", repr(header.get(key))[:60]
            )
    table = header["tensors"]
    if len(table) > MAX_TENSORS:
        raise NetFileError(path, f"at most {MAX_TENSORS} tensors", str(len(table)))
    names: set[str] = set()
    end = 0
    for entry in table:
        _check_entry(path, entry)
        name = entry["name"]
        expected = _data_start(end)
        if name in names:
            raise NetFileError(path, "every tensor once", f"{name} twice")
        if entry["offset"] != expected:
            raise NetFileError(path, f"{name} at offset {expected}", f"offset {entry['offset']}")
        names.add(name)
        end = expected + math.prod(entry["shape"]) * DTYPES[entry["dtype"]].itemsize
        if end > data_bytes:
            raise NetFileError(
                path, f"{end} bytes of tensors up to {name}", f"{max(data_bytes, 0)} bytes"
            )
    if table and end != data_bytes:
        raise NetFileError(path, f"{end} bytes of tensors", f"{data_bytes} bytes")


def _check_entry(path: Path, entry: Any) -> None:
    if not (
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), kind) for key, kind in _ENTRY_KEYS.items())
    ):
        raise NetFileError(path, f"tensor entries with {', '.join(_ENTRY_KEYS)}", repr(entry)[:80])
    if entry["dtype"] not in DTYPES:
        raise NetFileError(
            path, f"dtype {' or '.join(DTYPES)} of {entry['name']}", repr(entry["dtype"])[:60]
        )
    shape = entry["shape"]
    if len(shape) > MAX_DIMENSIONS or not all(
        type(side) is int and 0 < side < 1 << 40 for side in shape
    ):
        raise NetFileError(path, f"a shape of positive sizes for {entry['name']}", repr(shape)[:60])


def _read_tensors(
    path: Path, file: IO[bytes], table: list[dict[str, Any]]
) -> dict[str, np.ndarray]:
    tensors = {}
    for entry in table:
        if any(file.read(_data_start(file.tell()) - file.tell())):
            raise NetFileError(path, "zeros between tensors", "other bytes")
        dtype = DTYPES[entry["dtype"]]
        shape = tuple(entry["shape"])
        data = file.read(math.prod(shape) * dtype.itemsize)
        checksum = zlib.crc32(data)
        if checksum != entry["crc32"]:
            raise NetFileError(path, f"checksum {entry['crc32']} of {entry['name']}", str(checksum))
        array = np.frombuffer(data, dtype).reshape(shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise NetFileError(path, f"finite numbers in {entry['name']}", "infinity or NaN")
        tensors[entry["name"]] = array
    return tensors


# ---- writing -------------------------------------------------------------------------------------


def _tensor_table(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    table = []
    offset = 0
    for name, array in arrays.items():
        form = {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        table.append({**form, "offset": offset, "crc32": zlib.crc32(array.tobytes())})
        offset = _data_start(offset + array.nbytes)
    return table


def _data_start(position: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-position // ALIGNMENT) * ALIGNMENT


def _canonical(value: Any) -> bytes:
    return json.dumps(
        value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=np.generic.item
    ).encode("utf-8", "backslashreplace")  # of a file's name that is not UTF-8, as JSON writes it
