"""A file of text that is changed in places: where a place of its text stands among its bytes, and
how new words are written there.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from engine.errors import DataError, message
from engine.files.text import WESTERN, TextPiece, decoded, encoded, text_pieces

_MARK = "\ufeff"
_BLANK = ord(" ")
_NAMES = {WESTERN: "Windows-1252"}
_FEED = re.compile("\r\r\n|\r\n?|\n")


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


class SourceText:
    """The bytes of a file that is not packed, and the text that readers see.

    Attributes:
        data: the bytes.
        text: what `utf8_pieces` reads from them: UTF-8 whose lines end in line feeds.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._pieces = list(text_pieces(io.BytesIO(data), 1 << 20, unwraps=True))
        self.text = b"".join(piece.text for piece in self._pieces)
        self._raw_begins, self._begins = [0], [0]
        for piece in self._pieces:
            self._raw_begins.append(self._raw_begins[-1] + len(piece.raw))
            self._begins.append(self._begins[-1] + len(piece.text))

    def spliced(self, splices: Sequence[Splice]) -> SourceText:
        """Return the file with new words: in its encoding, with its line ends. All other bytes
        stay.

        Raises DataError where a place of the text has no place among the bytes, or where the words
        cannot be written so that they are read again.
        """
        parts = list[bytes]()
        at = 0
        for begin, end, words in splices:
            first, code = self._locate(begin)
            last = first if end == begin else self._locate(end)[0]
            parts += [self.data[at:first], self._written(words, code)]
            at = last
        after = SourceText(b"".join([*parts, self.data[at:]]))
        if after.text != splice(self.text, splices):
            raise DataError(message("these words would not be read again as they are written"))
        return after

    def _locate(self, place: int) -> tuple[int, str]:
        """Return where a place of the text stands among the bytes, and the encoding of words there."""
        number = min(bisect_right(self._begins, place), len(self._pieces)) - 1
        if number < 0:
            return 0, "utf-8"
        piece = self._pieces[number]
        at = place - self._begins[number]
        mark = len(piece.raw) - len(piece.raw.removeprefix(_MARK.encode(piece.encoding or "utf-8")))
        ahead = 0 if number else mark
        line_begin = piece.text.rfind(b"\n", 0, at) + 1
        raw_begin, raw = _raw_line(piece, ahead, piece.text.count(b"\n", 0, at))
        line = piece.text[line_begin:].partition(b"\n")[0]
        code = piece.encoding or _code_of(raw)
        column = _raw_column(raw, line, at - line_begin, code)
        if not piece.encoding and raw.isascii():
            code = self._usual_code()
        return self._raw_begins[number] + raw_begin + column, code

    def _usual_code(self) -> str:
        """Return the encoding of words in a line that has only ASCII."""
        is_utf8 = all(_code_of(piece.raw) == "utf-8" for piece in self._pieces)
        return "utf-8" if is_utf8 else WESTERN

    def _written(self, words: str, code: str) -> bytes:
        try:
            return encoded(words.replace("\n", self._line_end()), code)
        except UnicodeEncodeError as error:
            text = "the file is in {encoding}, which has no {character}"
            character = repr(words[error.start])
            raise DataError(
                message(text, encoding=_NAMES.get(code, code), character=character)
            ) from error

    def _line_end(self) -> str:
        for piece in self._pieces[:1]:
            if found := _FEED.search(piece.raw.decode(piece.encoding or "latin-1", "replace")):
                return found[0]
        return "\n"


def _code_of(data: bytes) -> str:
    """Return the encoding of bytes that no wide encoding wrote."""
    try:
        data.decode()
        return "utf-8"
    except UnicodeDecodeError:
        return WESTERN


def _raw_line(piece: TextPiece, ahead: int, number: int) -> tuple[int, bytes]:
    """Return where a line of a piece begins among its bytes, `ahead` of which are no text, and the
    line.
    """
    encoding = piece.encoding or "latin-1"  # a character for each byte
    try:
        text = piece.raw[ahead:].decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(message("the file has bytes that are no text")) from error
    feeds = [found.span() for found in islice(_FEED.finditer(text), number + 1)]
    begin = feeds[number - 1][1] if number else 0
    end = feeds[number][0] if number < len(feeds) else len(text)
    return ahead + len(text[:begin].encode(encoding)), text[begin:end].encode(encoding)


def _raw_column(raw: bytes, line: bytes, at: int, code: str) -> int:
    """Return where a place of a line stands among its bytes."""
    if at in (0, len(line)):
        return len(raw) if at else 0
    before = line[:at].decode()
    column = len(encoded(before, code))
    read = [decoded(part, code).encode() for part in (raw[:column], raw[column:])]
    if not (_is_read_as(read[0], line[:at]) and _is_read_as(read[1], line[at:])):
        raise DataError(message("a line of it is not written as it is read"))
    return column


def _is_read_as(raw: bytes, text: bytes) -> bool:
    """Whether bytes are read as a text, in which wrappers are blank."""
    if len(raw) != len(text):
        return False
    return all(one == other or other == _BLANK for one, other in zip(raw, text, strict=True))
