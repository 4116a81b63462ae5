"""Texts of other programs: their encodings and packed forms."""

import bz2
import gzip
import importlib
import io
import lzma
import sys
import zipfile
from pathlib import Path

import pytest

from engine.errors import DataError
from engine.files.text import PACKED_ERRORS, decode_text, open_unpacked, unpacked_text, utf8_pieces

TEXT = '[White "Müller, Jürgen"]\r\n[Black "Łukasz Świątek"]\r\n\r\n1. e4 {“good”} *\r\n'
WESTERN = '[White "Müller – Señor"]\r\n1. e4 {“good”…} *\r\n'


def zipped(data: bytes, *others: str) -> bytes:
    """A zip archive of a file, what macOS adds to it, and others."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("__MACOSX/folder/._a", b"x")
        for name in ("folder/a", *others):
            archive.writestr(name, data)
    return packed.getvalue()


ZSTD = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (TEXT.encode(), TEXT),
        (TEXT.encode("utf-8-sig"), TEXT),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), TEXT),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), TEXT),
        (WESTERN.encode("cp1252"), WESTERN),
        (TEXT.encode() + WESTERN.encode("cp1252"), TEXT + WESTERN),
        (b"a\x81b\n", "a\ufffdb\n"),
        (b"", ""),
    ],
)
def test_letters_of_every_encoding_survive(data, text):
    assert decode_text(data) == text
    for size in (2, 7, 64, 1 << 20):
        pieces = list(utf8_pieces(io.BytesIO(data), size))
        assert b"".join(pieces).decode() == text
        assert all(piece.endswith((b"\n", b"\r")) for piece in pieces[:-1])


def test_a_letter_cut_by_the_end_of_a_piece_is_whole():
    data = "ü\n".encode() * 50
    for size in range(1, 9):
        assert b"".join(utf8_pieces(io.BytesIO(data), size)) == data


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".XZ", lzma.compress), (".zst", ZSTD.compress), (".zip", zipped)],
)
def test_packed_texts_are_unpacked_and_damage_is_an_error(tmp_path: Path, suffix, pack):
    path = tmp_path / f"games.pgn{suffix}"
    data = "".join(f"{number} {TEXT}" for number in range(20_000)).encode()
    path.write_bytes(pack(data))
    with open_unpacked(path) as (stream, share):
        assert b"".join(utf8_pieces(stream)) == data
        assert 0.9 < share() <= 1.0
    with open_unpacked(path) as (stream, _):
        assert len(stream.read(10)) == 10  # Leaving early is no error.
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PACKED_ERRORS), open_unpacked(path) as (stream, _):
        stream.read()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (zipped(b"x", "b.pgn"), "expected one file in the archive, found 2"),
        (zipped(b"x").replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"), "encrypted"),
        (b"7z\xbc\xaf" + bytes(99), "a 7z archive; unpack it first"),
        (b"Rar!" + bytes(99), "a rar archive; unpack it first"),
    ],
)
def test_archives_were_read_as_if_they_were_texts(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.pgn").write_bytes(data)
    with pytest.raises(DataError, match=f"a.pgn: .*{told}"):
        unpacked_text(tmp_path / "a.pgn")
