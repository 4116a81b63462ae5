"""Reads text that other programs wrote, in whatever encoding, packed or not.

UTF-16 is known by its mark. In any other text each line is judged by itself, because collections
are put together from files of different encodings: it is UTF-8, or else Windows-1252, of which
ISO 8859-1 is a part. What forums, pages and mails wrap games in ([pgn], <pre>, ```, > before each
line) is blank in texts in which a line begins or ends with it. Curly quotes of tags are straight
again.
"""

import codecs
import importlib
import io
import itertools
import lzma
import os
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote

from engine.errors import ARCHIVES, DataError, message, why_unreadable
from engine.files.packed import ZIP_MAGIC, opener_of

_WIDE_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
LONGEST_LINE = 1 << 24  # bytes; no valid file has a longer line
LOOKED_AT = 1 << 16  # bytes that tell what a file holds
_MOST_NAMED = 9  # files of an archive in a message
LARGEST_TEXT = 1 << 28  # bytes of a file that is read at once: a packed one may claim any size
# What reading a damaged packed file raises.
PACKED_ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error)
_BRACKET = rb"\[/?(?:pgn|PGN|Pgn|code|CODE|Code|pre|quote|QUOTE|Quote)\b"
_WRAPPER = (
    rb"(?:%b(?![ \t]*\")[^\]\n]{0,99}\]|</?(?:pre|PRE|code|CODE|pgn|PGN|textarea)\b[^>\n]{0,99}>"
    rb"|`{3,}(?:pgn|PGN|chess|te?xt|fen|epd)?)" % _BRACKET
)
_WRAPPERS = re.compile(rb"(?m)^(?:[ \t]*>)+|%b" % _WRAPPER)
_IS_WRAPPED = re.compile(
    rb"(?m)%b[ \t]*$|^[ \t>]*(?:%b|>[ \t]*\[\w+[ \t]*\")" % (_WRAPPER, _WRAPPER)
)
_BRACKETS = re.compile(_BRACKET)
_QUOTE = rb"(?:'{1,2}|&quot;|\xe2\x80[\x98-\x9f\xb3\xb9\xba]|\xc2[\xab\xbb])"
_TAG = re.compile(
    rb"\n([ \t]*\[\w+(?:[ \t]|\xc2\xa0)*)%b([^\n]*?)(?:%b|\")(?=[ \t]*\])" % (_QUOTE, _QUOTE)
)
WESTERN = "cp1252"
# Its letters by their bytes. Five bytes have none, and stay as they are: DOS's files have them.
_LETTERS = "".join(bytes([byte]).decode(WESTERN, "ignore") or chr(byte) for byte in range(256))
_BYTES = codecs.charmap_build(_LETTERS)
# These letters have no accents to take off.
_PLAIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})


def is_hidden(name: str) -> bool:
    """Whether a file's name or an archive member's begins with a dot, as of those that macOS puts
    beside every file.
    """
    return name.rpartition("/")[2].startswith(".")


def printable(path: Path | str) -> str:
    """Return a file's name as text that can be shown, stored and hashed; bytes that are not UTF-8
    are replaced.
    """
    return os.fsencode(path).decode(errors="replace")


def without_accents(text: str) -> str:
    """Return a text with the letters of its accented ones."""
    if text.isascii():
        return text
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter)
    )


def searchable(text: str) -> str:
    """Return a text as it is searched: without capitals and accents."""
    return without_accents(text.casefold()).translate(_PLAIN_LETTERS)


def decode_text(data: bytes) -> str:
    """Return the text of a whole file, without its mark and with line feeds as line ends. No byte
    is refused.
    """
    return b"".join(utf8_pieces(io.BytesIO(data), unwraps=False)).decode()


def wide_encoding(begin: bytes) -> str:
    """Return the name of the wide encoding whose mark begins a text, "" for none."""
    return _WIDE_MARKS.get(begin[:2], "")


def utf8_pieces(stream: IO[bytes], size: int = 1 << 20, unwraps: bool = True) -> Iterator[bytes]:
    """Yield the text of a stream as UTF-8, in pieces of some `size` bytes that end at line ends,
    which are line feeds.

    A longer line makes the piece longer. Whether wrappers are to be removed is seen from the first
    piece. Raises OSError for a line of over LONGEST_LINE bytes.
    """
    for number, text in enumerate(texts_of(stream)):
        if number:
            yield b"\n\n"
        for piece in text_pieces(_narrow_blocks(text, size), unwraps):
            yield piece.text


def _narrow_blocks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Return the bytes of a stream, those of one in UTF-16 in UTF-8."""
    first = stream.read(max(size, len(codecs.BOM_UTF16)))
    blocks = itertools.chain([first], iter(partial(stream.read, size), b""))
    encoding = wide_encoding(first)
    if not encoding:
        return blocks
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    texts = filter(None, map(decoder.decode, blocks))
    return (text.encode(errors="replace") for text in texts)


class TextPiece(NamedTuple):
    """Some lines of a stream: their bytes, and what is read from them."""

    raw: bytes
    text: bytes
    is_wrapped: bool  # whether what looks like a wrapper is blank in the text


def text_pieces(blocks: Iterable[bytes], unwraps: bool) -> Iterator[TextPiece]:
    """Yield what `utf8_pieces` does, beside the bytes that it is read from."""
    rest = b""
    piece: TextPiece | None = None
    for block in itertools.chain(blocks, [b""]):
        end = _lines_end(block)
        raw = b""
        if end or not block:
            raw = rest + block[:end]
            rest = b""
        rest += block[end:]
        if len(rest) > LONGEST_LINE:
            raise OSError(f"a line of over {LONGEST_LINE:,} bytes")
        if not raw:
            continue
        if piece is None:
            piece = first_piece(raw, unwraps)
        else:
            piece = next_piece(raw, piece.is_wrapped)
        yield piece


def first_piece(raw: bytes, unwraps: bool) -> TextPiece:
    """Return the first lines of a text, which tell whether it is wrapped."""
    text = _plain(raw.removeprefix(codecs.BOM_UTF8))
    is_likely = any(byte in text for byte in b"<>`") or _BRACKETS.search(text)  # in little time
    is_wrapped = bool(unwraps and is_likely and _IS_WRAPPED.search(text))
    return _piece(raw, text, is_wrapped)


def next_piece(raw: bytes, is_wrapped: bool) -> TextPiece:
    """Return further lines of a text."""
    return _piece(raw, _plain(raw), is_wrapped)


def _piece(raw: bytes, text: bytes, is_wrapped: bool) -> TextPiece:
    if is_wrapped:
        text = _WRAPPERS.sub(lambda wrapper: b" " * len(wrapper[0]), text)
    return TextPiece(raw, text, is_wrapped)


def _lines_end(block: bytes) -> int:
    """Return the place behind the last line end in a block; 0 for none. A CR at its end may be half
    a line end.
    """
    return block.rfind(b"\n") + 1 or block.rfind(b"\r", 0, -1) + 1


def _plain(data: bytes) -> bytes:
    """Return lines in UTF-8 that end in line feeds."""
    if b"\r" in data:  # To look for more than one byte takes longer than to read the games.
        data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.isascii():
        data = decode_line(data).encode()
    for quote in (b" '", b"&quot;", b"\xe2\x80", b"\xc2\xab"):
        if quote[-1:] in data and quote in data:
            return _TAG.sub(rb'\n\1"\2"', b"\n" + data)[1:]
    return data


def decode_line(data: bytes) -> str:
    """Return the text of a line, or of several: each that is not UTF-8 is Windows-1252."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        lines = data.splitlines(keepends=True)
        if len(lines) == 1:
            return decoded(data, WESTERN)
        return "".join(map(decode_line, lines))


def decoded(data: bytes, code: str) -> str:
    """Return the text of bytes in an encoding; what that has not is replaced."""
    if code == WESTERN:
        return codecs.charmap_decode(data, "strict", _LETTERS)[0]
    return data.decode(code, "replace")


def encoded(text: str, code: str) -> bytes:
    """Return the bytes of a text in an encoding. Raises UnicodeEncodeError."""
    if code == WESTERN:
        return codecs.charmap_encode(text, "strict", _BYTES)[0]
    return text.encode(code)


# ---- what a text holds ---------------------------------------------------------------------------

GAMES = "games in PGN"
POSITIONS = "positions, one a line"
PUZZLES = "puzzles in Lichess's format"
JSON = "JSON"
BINARY = "binary data"
_READERS = {
    GAMES: "`aino analyse` and `aino annotate` read them",
    POSITIONS: "`aino analyse` and `aino-train suite` read them",
    PUZZLES: "My games import them, and `aino-train suite` reads them",
    JSON: "download the games as PGN, which chess sites offer, too",
    BINARY: "engines take books in Polyglot's format as their `BookFile`, and databases have an export of PGN",
}
_PLACEMENT = "(?:[1-8KQRBNPkqrbnp]+/){7}[1-8KQRBNPkqrbnp]+"
# Readers tell what is wrong with one that has too few ranks, or squares of them.
_NEAR_PLACEMENT = r"(?:[\dKQRBNPkqrbnp]*/){5,}[\dKQRBNPkqrbnp]*(?=[\s_+]|\Z)"
_OPENING, _CLOSING = "[\\[(<\"'`“„«]{0,3}", " \t\r\n])>\"'`”“’»,."
# What people copy with a position: a number, a label, UCI's command, quotes, and the address of a
# page that shows it.
_LEAD = re.compile(
    rf"{_OPENING}(?:(?:[-*•]|\d+[.)])\s+)?(?:[A-Za-z][A-Za-z ]{{0,40}}[:=]|(?i:position fen|position|fen|epd)\b)?"
    rf"[\s:=]{{0,9}}{_OPENING}(?P<page>(?:\w{{1,9}}://)?[\w-]{{1,99}}\.[\w.-]{{1,99}}/(?:\S{{0,300}}?[/?=])??(?={_PLACEMENT}))?"
    rf"(?P<position>(?:startpos\b|{_NEAR_PLACEMENT}).*)",
    re.DOTALL,
)
_INVISIBLE = re.compile("[\0\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_ESCAPED = re.compile(r"(?i)%(?:2f|20|5f)")


def bare_position(text: str) -> str:
    """Return a FEN, an EPD or `startpos` without what was copied with it; "" where the text begins
    with none.
    """
    text = _INVISIBLE.sub("", text).strip().replace("\\/", "/")  # as in JSON
    if _ESCAPED.search(text):
        text = unquote(text)
    lead = _LEAD.match(text)
    if lead is None:
        return ""
    position = lead["position"]
    if lead["page"] or re.match(r"\S+\+[wb]\+", position):
        position = re.split("[?&#]", position, maxsplit=1)[0].replace("+", " ")
    if lead.start("position"):
        return position.rstrip(_CLOSING)
    return position


_FORMS = {
    rf"(?:[^,]*,)?{_PLACEMENT} [wb] [^,]*,(?:[a-h][1-8]){{2}}": PUZZLES,
    "PuzzleId,FEN,Moves,": PUZZLES,
    r'[\[{]\s*(?:\{|"\w+"\s*:)': JSON,
    r'\[\s*\w[^\s"]*\s*"|\d+[.)…\s]+(?:\S{0,5}[a-hA-H][1-8]|[O0o]-[O0o])(?![a-z]|\S*/\S*/)': GAMES,
    r"(?:[^\x01-\x08\x0e-\x19]*[\x01-\x08\x0e-\x19]){4}": BINARY,
}
_KINDS: list[tuple[Any, str]] = [
    (re.compile(rf'[\s"`]*(?:{form})').match, kind) for form, kind in _FORMS.items()
]
_KINDS.insert(-1, (bare_position, POSITIONS))


def kind_of(begin: bytes | str) -> str:
    """Return which of the kinds above is told by the first line that tells one; "" if none does."""
    if isinstance(begin, str):
        begin = begin.encode(errors="replace")
    for piece in utf8_pieces(io.BytesIO(begin)):
        for line in piece.decode().splitlines():
            for form, kind in _KINDS:
                if form(line):
                    return kind
    return ""


def kind_of_file(path: Path, *wanted: str) -> str:
    """`kind_of` of a file, packed or not; "" of a pipe, which can be read only once.

    Raises DataError where it cannot be read, or is of a kind that is not among those `wanted`, if
    any are named.
    """
    if path.is_fifo():
        return ""
    with reading(path), open_unpacked(path) as (stream, _):
        return wanted_kind(kind_of(stream.read(LOOKED_AT)), path, *wanted)


def wanted_kind(kind: str, name: object, *wanted: str) -> str:
    """Return a kind, or "", if it is one of those wanted; else raise DataError, which says who
    reads it.
    """
    if kind and wanted and kind not in wanted:
        raise DataError(
            message(
                "{name}: expected {wanted}, found {found}; {readers}",
                name=name,
                wanted=message(" or ".join(wanted)),
                found=message(kind),
                readers=message(_READERS[kind]),
            )
        )
    return kind


# ---- packed files --------------------------------------------------------------------------------


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make a DataError that names the file of what reading it raises, packed or not."""
    try:
        yield
    except PACKED_ERRORS as error:
        reason = f"cannot be read: {error}"
        if isinstance(error, OSError):
            reason = why_unreadable(error)
        raise DataError(f"{path}: {reason}") from error


def unpacked_text(path: Path) -> str:
    """Return the text of a file, packed or not, as `utf8_pieces` does. Raises DataError, also for a
    huge one.
    """
    pieces = list[bytes]()
    size = 0
    with reading(path), open_unpacked(path) as (stream, _):
        for piece in utf8_pieces(stream):
            pieces.append(piece)
            if (size := size + len(piece)) > LARGEST_TEXT:
                raise DataError(f"{path}: over {LARGEST_TEXT:,} bytes when unpacked")
    return b"".join(pieces).decode()


@contextmanager
def open_unpacked(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """Provide the bytes of a file as `unpacked` does, and the share of it that is read, 0..1.
    Raises PACKED_ERRORS.
    """
    with path.open("rb") as raw, unpacked(raw) as stream:
        size = max(1, os.fstat(raw.fileno()).st_size)

        def share() -> float:
            if not raw.seekable():
                return 0.0
            return min(1.0, os.lseek(raw.fileno(), 0, os.SEEK_CUR) / size)

        yield stream, share


@contextmanager
def unpacked(raw: Any) -> Iterator[Any]:
    """Provide the bytes of a buffered stream, unpacked (gzip, bzip2, xz, zstd, the one file of a
    zip archive).

    Its first bytes tell what it is; its name does not, as browsers unpack files whose names stay.
    Raises PACKED_ERRORS.
    """
    begin = raw.peek(6)
    if (archive := ARCHIVES.get(begin[:4], "zip")) != "zip":
        raise OSError(f"a {archive} archive; unpack it first")
    opener = opener_of(begin) or nullcontext
    if begin.startswith(ZIP_MAGIC):
        opener = _open_zip
    with opener(raw) as stream:
        yield stream


def is_packed(begin: bytes) -> bool:
    """Whether a file begins as packed ones and archives do."""
    return opener_of(begin) is not None or begin[:4] in ARCHIVES


@contextmanager
def _open_zip(raw: IO[bytes]) -> Iterator[Any]:
    zipfile = importlib.import_module("zipfile")
    # What an encrypted one raises, too.
    faults = (ValueError, RuntimeError, EOFError, struct.error, zipfile.BadZipFile)
    try:
        archive = zipfile.ZipFile(raw)
        names = _told_alike(archive)
    except faults as error:
        raise OSError(str(error)) from error
    try:
        yield Members(lambda: map(archive.open, names))
    except zipfile.BadZipFile as error:
        raise OSError(str(error)) from error


def _told_alike(archive: Any) -> list[str]:
    """Return the names of the files in a zip archive that hold one kind of text, or of the only
    one. An archive may have any number of them, so that no more than one is kept in memory.
    """
    kinds = dict[str, str]()
    for name in archive.namelist():
        if name.endswith("/") or is_hidden(name):
            continue
        with archive.open(name) as member:
            begin = member.read(LOOKED_AT)
        if begin.startswith(ZIP_MAGIC) or opener_of(begin) or begin[257:262] == b"ustar":
            raise OSError(
                f"an archive of packed files, such as {name}; unpack it and give the folder"
            )
        kinds[name] = kind_of(begin)
    if len(kinds) == 1 or len(set(filter(None, kinds.values()))) == 1:
        return list(filter(kinds.get, kinds)) or list(kinds)
    files = list[str]()
    for name, kind in itertools.islice(kinds.items(), _MOST_NAMED):
        files.append(f"{name} ({kind})" if kind else name)
    listed = ", ".join(files) or "none"
    raise OSError(
        f"found {len(kinds)} files in the archive; unpack it and give one of them: {listed}"
    )


class Members(io.BufferedReader):
    """The files of an archive, one behind the other with an empty line between them, or each of
    them alone.
    """

    def __init__(self, open_all: Callable[[], Iterator[IO[bytes]]]) -> None:
        super().__init__(_Joined(open_all()))
        self.open_all = open_all


def texts_of(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Return the texts of a stream: those of an archive are texts of their own."""
    if isinstance(stream, Members):
        return stream.open_all()
    return iter([stream])


class _Joined(io.RawIOBase):
    """Files one behind the other, with an empty line between them."""

    def __init__(self, files: Iterator[IO[bytes]]) -> None:
        self._files = files
        self._file = next(files)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        if not data and (following := next(self._files, None)) is not None:
            self._file.close()
            self._file = following
            data = b"\n\n"
        buffer[: len(data)] = data
        return len(data)
