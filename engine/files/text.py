"""Reads text that other programs wrote, in whatever encoding, packed or not.

UTF-8, with or without its mark; UTF-16 with its mark; every other line is Windows-1252, of which ISO 8859-1 is a part.
Each line is judged by itself: collections are put together from files of different encodings.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import importlib
import lzma
import os
import struct
import sys
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from engine.errors import ARCHIVES, DataError, why_unreadable

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
LONGEST_LINE = 1 << 24  # bytes; no valid file has a longer line
LARGEST_TEXT = 1 << 28  # bytes of a file that is read at once: a packed one may claim any size
PACKED_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)  # what reading a damaged packed file raises


def is_hidden(name: str) -> bool:
    """Whether a file's name or an archive member's begins with a dot, as of those that macOS puts beside every file."""
    return name.rpartition("/")[2].startswith(".")


def printable(path: Path | str) -> str:
    """Return a file's name as text that can be shown, stored and hashed; bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode(errors="replace")


def without_accents(text: str) -> str:
    """Return a text with the letters of its accented ones."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def decode_text(data: bytes) -> str:
    """Return the text of a whole file, without its mark. Its line ends stay as they are; no byte is refused."""
    for mark, encoding in MARKS:
        if data.startswith(mark) and encoding != "utf-8":
            return data[len(mark) :].decode(encoding, "replace")
    return _decode_lines(data.removeprefix(codecs.BOM_UTF8))


def _decode_lines(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        lines = data.splitlines(keepends=True)
        return "".join(map(_decode_lines, lines)) if len(lines) > 1 else data.decode("cp1252", "replace")


def utf8_pieces(stream: IO[bytes], size: int = 1 << 20) -> Iterator[bytes]:
    """Yield the text of a stream as UTF-8, in pieces of some `size` bytes that end at line ends: `decode_text` bit by
    bit.

    A longer line makes the piece longer. Raises OSError for one over LONGEST_LINE bytes.
    """
    piece = stream.read(len(codecs.BOM_UTF8)) + stream.read(size)
    encoding = next((name for mark, name in MARKS[1:] if piece.startswith(mark)), None)
    piece = piece if encoding else piece.removeprefix(codecs.BOM_UTF8)
    decoder = codecs.getincrementaldecoder("utf-16")("replace") if encoding else None
    rest = b""
    while piece:
        text = decoder.decode(piece).encode(errors="replace") if decoder else piece
        end = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1  # a CR at the end may be half a line end
        if end:
            yield _as_utf8(rest + text[:end])
            rest = text[end:]
        else:
            rest += text
            if len(rest) > LONGEST_LINE:
                raise OSError(f"a line of over {LONGEST_LINE:,} bytes")
        piece = stream.read(size)
    if rest:
        yield _as_utf8(rest)


def _as_utf8(data: bytes) -> bytes:
    if data.isascii():
        return data
    return _decode_lines(data).encode()


# ---- packed files -------------------------------------------------------------------------------------------------


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make a DataError that names the file of what reading it raises, packed or not."""
    try:
        yield
    except PACKED_ERRORS as error:
        reason = why_unreadable(error) if isinstance(error, OSError) else f"cannot be read: {error}"
        raise DataError(f"{path}: {reason}") from error


def unpacked_text(path: Path) -> str:
    """Return the text of a file, packed or not, as `decode_text` does. Raises DataError, also for a huge one."""
    with reading(path), open_unpacked(path) as (stream, _):
        data = stream.read(LARGEST_TEXT + 1)
    if len(data) > LARGEST_TEXT:
        raise DataError(f"{path}: over {LARGEST_TEXT:,} bytes when unpacked")
    return decode_text(data)


@contextmanager
def open_unpacked(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """Provide the bytes of a file, unpacked (gzip, bzip2, xz, zstd, the one file of a zip archive), and the share of it
    that is read, 0..1.

    Their first bytes tell what they are, or else their names: .gz, .bz2, .xz, .zst, .zip. Raises PACKED_ERRORS.
    """
    with path.open("rb") as raw:
        size, begin = max(1, os.fstat(raw.fileno()).st_size), raw.peek(6)
        if (archive := ARCHIVES.get(begin[:4], "zip")) != "zip":
            raise OSError(f"a {archive} archive; unpack it first")
        told = next((suffix for suffix, magic in _MAGIC.items() if begin.startswith(magic)), path.suffix.lower())
        unpack = _UNPACK.get(told)
        if unpack is None:
            yield raw, lambda: raw.tell() / size
        else:
            with unpack(raw) as stream:
                yield stream, lambda: min(1.0, os.lseek(raw.fileno(), 0, os.SEEK_CUR) / size)


@contextmanager
def _open_zst(raw: IO[bytes]) -> Iterator[Any]:
    zstd = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    try:
        with zstd.open(raw) as stream:
            yield stream
    except zstd.ZstdError as error:
        raise OSError(str(error)) from error


@contextmanager
def _open_zip(raw: IO[bytes]) -> Iterator[Any]:
    zipfile = importlib.import_module("zipfile")
    try:
        archive = zipfile.ZipFile(raw)
        names = [name for name in archive.namelist() if not (name.endswith("/") or is_hidden(name))]
        if len(names) != 1:
            raise OSError(f"expected one file in the archive, found {len(names)}")
        opened = archive.open(names[0])
    except (ValueError, RuntimeError, EOFError, struct.error, zipfile.BadZipFile) as error:  # encrypted ones, too
        raise OSError(str(error)) from error
    try:
        with opened as stream:
            yield stream
    except zipfile.BadZipFile as error:
        raise OSError(str(error)) from error


_UNPACK: dict[str, Callable[..., Any]] = {
    ".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open, ".zst": _open_zst, ".zip": _open_zip,
}  # fmt: skip
_MAGIC = {
    ".xz": b"\xfd7zXZ\0", ".gz": b"\x1f\x8b", ".bz2": b"BZh", ".zst": b"\x28\xb5\x2f\xfd", ".zip": b"PK\3\4",
}  # fmt: skip
