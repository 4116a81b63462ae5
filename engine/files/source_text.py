"""A file of text that is changed in places: where a place of its text stands among its bytes, and
how new words are written there. Only the lines around these places are kept in memory.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import IO, NamedTuple

from engine.errors import DataError, message
from engine.files.atomic import atomic_write
from engine.files.text import (
    WESTERN,
    TextPiece,
    decoded,
    encoded,
    first_piece,
    is_packed,
    next_piece,
    printable,
    text_pieces,
    wide_encoding,
)

_BLANK = ord(" ")
_NAMES = {WESTERN: "Windows-1252"}
_FEED = re.compile(rb"(\r\r\n|\r\n?|\n)")
_BLOCK = 1 << 20  # bytes that are read at once


class Splice(NamedTuple):
    """New words in place of what stands between two places of a text, in bytes of UTF-8."""

    begin: int
    end: int
    words: str


def splice(text: bytes, splices: Sequence[Splice]) -> bytes:
    """Return a text in UTF-8 with its splices, which stand in order and do not overlap."""
    parts = list[bytes]()
    at = 0
    for begin, end, words in splices:
        parts += [text[at:begin], words.encode()]
        at = end
    return b"".join([*parts, text[at:]])


class SplicedLines(NamedTuple):
    """The lines of a window with new words: their text, and their bytes."""

    text: bytes
    raw: bytes


class SourceText:
    """A window on a file: the lines between two places of its text.

    Attributes:
        text: these lines as readers see them, UTF-8 whose lines end in line feeds.
        begin: where they begin in the text of the file.
        size: bytes of the text of the file.

    Raises OSError, and DataError for a file that is packed or in UTF-16, which cannot be changed in
    places.
    """

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._path = path
        self._pieces = list[TextPiece]()  # of the window
        self._raw_begin = 0  # of the window in the file
        self._is_utf8 = True
        self._line_end = "\n"
        self.begin = 0
        self.size = 0
        raw_size = 0
        file_digest = hashlib.blake2b()
        with path.open("rb") as stream:
            for piece in text_pieces(_changeable(path, _blocks(stream)), unwraps=True):
                if not self.size:
                    self._line_end = _line_end_of(piece)
                self._is_utf8 = self._is_utf8 and _encoding_of(piece.raw) == "utf-8"
                if self.size <= end and begin <= self.size + len(piece.text):
                    if not self._pieces:
                        self.begin = self.size
                        self._raw_begin = raw_size
                    self._pieces.append(piece)
                self.size += len(piece.text)
                raw_size += len(piece.raw)
                file_digest.update(piece.raw)
        self.text = b"".join(piece.text for piece in self._pieces)
        self._raw = b"".join(piece.raw for piece in self._pieces)
        self._file_digest = file_digest.digest()

    def words_at(self, begin: int, end: int) -> bytes:
        """Return what stands between two places of the file's text."""
        return self.text[begin - self.begin : end - self.begin]

    def spliced(self, splices: Sequence[Splice]) -> SplicedLines:
        """Return the window with new words, at places of the file's text: in its encoding, with its
        line ends. All other bytes stay.

        Raises DataError where a place of the text has no place among the bytes, or where the words
        cannot be written so that they are read again.
        """
        parts = list[bytes]()
        at = 0
        for begin, end, words in splices:
            first, encoding = self._locate(begin)
            parts += [self._raw[at:first], self._written(words, encoding)]
            at = first
            if end > begin:
                at, _ = self._locate(end)
        raw = b"".join([*parts, self._raw[at:]])
        here = list[Splice]()
        for begin, end, words in splices:
            here.append(Splice(begin - self.begin, end - self.begin, words))
        text = splice(self.text, here)
        if self._read_again(raw) != text:
            raise DataError(message("these words would not be read again as they are written"))
        return SplicedLines(text, raw)

    def _read_again(self, raw: bytes) -> bytes:
        is_wrapped = any(piece.is_wrapped for piece in self._pieces)
        if self._raw_begin:
            return next_piece(raw, is_wrapped).text
        piece = first_piece(raw, unwraps=True)
        if piece.is_wrapped != is_wrapped:
            return b""
        return piece.text

    def write(self, lines: SplicedLines) -> None:
        """Put lines in the place of the window's. A file with nothing left goes, unless it is a
        link.

        Raises OSError, and DataError where another program has changed the file meanwhile.
        """
        is_whole = len(self.text) == self.size
        if is_whole and not lines.text.strip() and not self._path.is_symlink():
            with self._path.open("rb") as stream:
                self._check(hashlib.blake2b(stream.read()))
            self._path.unlink()
            return
        digest = hashlib.blake2b()
        with atomic_write(self._path) as new, self._path.open("rb") as old:
            for block in _blocks(old, self._raw_begin):
                digest.update(block)
                new.write(block)
            for block in _blocks(old, len(self._raw)):
                digest.update(block)
            new.write(lines.raw)
            for block in _blocks(old):
                digest.update(block)
                new.write(block)
            self._check(digest)

    def _check(self, digest: hashlib.blake2b) -> None:
        if digest.digest() != self._file_digest:
            text = "{path} has changed meanwhile"
            raise DataError(message(text, path=printable(self._path)))

    def _locate(self, place: int) -> tuple[int, str]:
        """Return where a place of the text stands among the window's bytes, and the encoding of
        words there.
        """
        if not self._lines:
            return 0, "utf-8"
        at = place - self.begin
        line = self._lines[bisect_right(self._lines, at, key=attrgetter("begin")) - 1]
        encoding = _encoding_of(line.raw)
        column = _raw_column(line, at - line.begin, encoding)
        if line.raw.isascii() and not self._is_utf8:
            encoding = WESTERN
        return line.raw_begin + column, encoding

    @cached_property
    def _lines(self) -> list[_Line]:
        """The lines of the window."""
        lines = list[_Line]()
        begin = 0
        raw_begin = 0
        mark = b"" if self._raw_begin else codecs.BOM_UTF8
        for piece in self._pieces:
            lines += _lines_of(piece, begin, raw_begin, mark)
            begin += len(piece.text)
            raw_begin += len(piece.raw)
            mark = b""
        return lines

    def _written(self, words: str, encoding: str) -> bytes:
        try:
            return encoded(words.replace("\n", self._line_end), encoding)
        except UnicodeEncodeError as error:
            text = "the file is in {encoding}, which has no {character}"
            name = _NAMES.get(encoding, encoding)
            character = repr(words[error.start])
            raise DataError(message(text, encoding=name, character=character)) from error


def _blocks(stream: IO[bytes], size: int = sys.maxsize) -> Iterator[bytes]:
    """Yield the next bytes of a stream, so many or all."""
    while block := stream.read(min(_BLOCK, size)):
        size -= len(block)
        yield block


def _changeable(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks of a file. Raises DataError where its text cannot be changed in places."""
    for number, block in enumerate(blocks):
        if not number and is_packed(block):
            raise DataError(message("{path} is packed; unpack it first", path=printable(path)))
        if not number and wide_encoding(block):
            text = "{path} is in UTF-16; save it as UTF-8 first"
            raise DataError(message(text, path=printable(path)))
        yield block


def _line_end_of(piece: TextPiece) -> str:
    feed = _FEED.search(piece.raw)
    if feed is None:
        return "\n"
    return feed[0].decode()


def _encoding_of(data: bytes) -> str:
    """Return the encoding of bytes that are read line by line."""
    try:
        data.decode()
        return "utf-8"
    except UnicodeDecodeError:
        return WESTERN


class _Line(NamedTuple):
    """A line of a window, without its end: its text and its bytes, and where they begin there."""

    begin: int
    text: bytes
    raw_begin: int
    raw: bytes


def _lines_of(piece: TextPiece, begin: int, raw_begin: int, mark: bytes) -> Iterator[_Line]:
    """Yield the lines of a piece that begins at these places, and an empty one behind its last line
    end. `mark`: what may stand before its text.
    """
    raw = piece.raw.removeprefix(mark)
    raw_begin += len(piece.raw) - len(raw)
    texts = piece.text.split(b"\n")
    raws = _FEED.split(raw)  # lines and their ends, in turn
    for text, raw_line, line_end in zip(texts, raws[::2], [*raws[1::2], b""], strict=False):
        yield _Line(begin, text, raw_begin, raw_line)
        begin += len(text) + 1
        raw_begin += len(raw_line) + len(line_end)


def _raw_column(line: _Line, at: int, encoding: str) -> int:
    """Return where a place of a line stands among its bytes."""
    if not at:
        return 0
    if at == len(line.text):
        return len(line.raw)
    column = len(encoded(line.text[:at].decode(), encoding))
    parts = ((line.raw[:column], line.text[:at]), (line.raw[column:], line.text[at:]))
    for raw, text in parts:
        if not _is_read_as(decoded(raw, encoding).encode(), text):
            raise DataError(message("a line of it is not written as it is read"))
    return column


def _is_read_as(raw: bytes, text: bytes) -> bool:
    """Whether bytes are read as a text, in which wrappers are blank."""
    if len(raw) != len(text):
        return False
    return all(byte == letter or letter == _BLANK for byte, letter in zip(raw, text, strict=True))
