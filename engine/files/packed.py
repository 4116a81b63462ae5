"""Opens files that gzip, bzip2, xz or zstd packed, in parts one behind the other or in one."""

import bz2
import importlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\3\4"
# Packed bytes that are read at once. What follows a part is copied, so parts without content cost
# the half of this each.
_PIECE = 1 << 13


class GzipParts(io.RawIOBase):
    """The content of a gzip file. What follows its last part is ignored, as gzip and lc0 do.

    Raises OSError for damaged data, and EOFError for the beginning of a part alone.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._part = _new_part()
        self._packed = b""  # read, but not unpacked yet
        self._place = 0  # in the content

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the content, by reading up to it; one before this from the first byte
        on. Its end has no number.
        """
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("the size of the content is not known")
        if whence == os.SEEK_CUR:
            offset += self._place
        if offset < self._place:
            self._raw.seek(0)
            self._part = _new_part()
            self._packed = b""
            self._place = 0
        while self._place < offset and self.read(min(_PIECE, offset - self._place)):
            pass
        return self._place

    def readinto(self, buffer: Any) -> int:
        while not self._part.eof or self._begin_part():
            packed = self._packed or self._raw.read(_PIECE)
            try:
                data = self._part.decompress(packed, len(buffer))
            except zlib.error as error:
                reason = str(error).rpartition(": ")[2]
                raise OSError(f"its packed data are damaged ({reason})") from error
            self._packed = self._part.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                self._place += len(data)
                return len(data)
            if not packed and not self._part.eof:
                raise EOFError("the end of the packed data is missing")
        return 0

    def _begin_part(self) -> bool:
        """Begin the part that follows the last one; False where none does."""
        packed = self._part.unused_data
        if len(packed) < len(GZIP_MAGIC):
            packed += self._raw.read(_PIECE)
        if not packed.startswith(GZIP_MAGIC):
            return False
        self._part = _new_part()
        self._packed = packed
        return True


def _new_part() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)  # with gzip's header and checksum


def open_gzip(raw: IO[bytes]) -> io.BufferedReader:
    """Return the content of a gzip file; errors as of GzipParts."""
    return io.BufferedReader(GzipParts(raw))


@contextmanager
def _open_zst(raw: IO[bytes]) -> Iterator[Any]:
    package = "compression" if sys.version_info >= (3, 14) else "backports"
    zstd = importlib.import_module(f"{package}.zstd")
    options = {zstd.DecompressionParameter.window_log_max: 31}  # as of `--long=31`
    try:
        with zstd.open(raw, options=options) as stream:
            yield stream
    except zstd.ZstdError as error:
        raise OSError(str(error)) from error


_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\xfd7zXZ\0": lzma.open,
    GZIP_MAGIC: open_gzip,
    b"BZh": bz2.open,
    b"\x28\xb5\x2f\xfd": _open_zst,
    b"\x50\x2a\x4d\x18": _open_zst,  # pzstd, of Lichess's older files, begins without data
}


def opener_of(begin: bytes) -> Callable[..., Any] | None:
    """Return what opens a file with these first bytes; None for one that is not packed."""
    return next((opener for magic, opener in _OPENERS.items() if begin.startswith(magic)), None)
