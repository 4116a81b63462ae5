"""Texts of other programs: their encodings and packed forms."""

import bz2
import gzip
import importlib
import io
import lzma
import os
import random
import sys
import tracemalloc
import zipfile

import pytest

from engine.board.pgn.game_reader import read_game_file
from engine.errors import DataError
from engine.files.packed import open_gzip
from engine.files.text import (
    BINARY,
    GAMES,
    JSON,
    PACKED_ERRORS,
    POSITIONS,
    PUZZLES,
    decode_text,
    kind_of,
    kind_of_file,
    open_unpacked,
    unpacked_text,
    utf8_pieces,
)

TEXT = 4 * '[White "Müller, Jürgen"]\r\n[Black "Łukasz Świątek"]\r\n\r\n1. e4 {“good”} *\r\n'
CYRILLIC = '[White "Карпов, Анатолий"]\n\n1. e4 {хорошо} *\n'
WESTERN = '[White "Müller – Señor"]\r\n1. e4 {“good”…} *\r\n'


def zipped(data, *others, **texts):
    """A zip archive of a file, what macOS adds to it, others of the same content, and others by
    name.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        archive.writestr("__MACOSX/folder/._a", b"x")
        for name in ("folder/a", *others):
            archive.writestr(name, data)
        for name, text in texts.items():
            archive.writestr(name, text)
    return packed.getvalue()


ZSTD = importlib.import_module(
    "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
)


def of_a_long_window(data):
    """Frames as `zstd --ultra --long=31` writes them, which look back over 2 GiB."""
    parts = [data[first : first + 100_000] for first in range(0, len(data), 100_000)]
    return b"".join(
        b"\x28\xb5\x2f\xfd\0\xa8" + (1 + 8 * len(part)).to_bytes(3, "little") + part
        for part in parts
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (TEXT.encode(), TEXT),
        (TEXT.encode("utf-8-sig"), TEXT),
        *((f"\ufeff{TEXT}".encode(name), TEXT) for name in ("utf-16-le", "utf-16-be")),
        (CYRILLIC.encode("utf-16"), CYRILLIC),
        (WESTERN.encode("cp1252"), WESTERN),
        (TEXT.encode() + WESTERN.encode("cp1252"), TEXT + WESTERN),
        (b"\x81\x8d\x8f\x90\x9d\x80\n", "\x81\x8d\x8f\x90\x9d€\n"),
        (b"", ""),
    ],
)
def test_letters_of_every_encoding_survive(data, text):
    text = text.replace("\r\n", "\n")
    assert decode_text(data) == text
    for size in (1, 2, 3, 7, 64, 1 << 20):
        pieces = list(utf8_pieces(io.BytesIO(data), size))
        assert b"".join(pieces).decode() == text
        assert all(piece.endswith(b"\n") for piece in pieces[:-1])


TELLING = {
    GAMES: [
        '\ufeff\n% x\nDear reader,\n[pgn][Event "x"]\n', "1.e4 e5\n", '[FEN "4k3/8/8/8/8/8/8/4K3 w - -"]',
        "\x01\x02\n1. e4 e5 *\x02\x03\x04\x05\n",
    ],
    POSITIONS: [
        "# a\n4k3/8/8/8/8/8/8/4K3 w - - bm Kd2;\n", "```\n4k3/8/8/8/8/8/8/4K3 w - -\n```", "\n\n4k3/8/8/8/8/8/8/4K3",
        "startpos", "FEN: 4k3/8/8/8/8/8/8/4K3 w", "https://x.org/a/4k3/8/8/8/8/8/8/4K3_w_-",
    ],
    PUZZLES: ["PuzzleId,FEN,Moves,Rating\n", "x,4k3/8/8/8/8/8/8/4K3 w - - 0 1,e1e2 e8e7,"],
    JSON: ['{"games":[{"pgn":"1. e4"}]}'],
    BINARY: ["F;\x18\x16\x03\x01\0e\0\x01\n"],
    "": ["e4 e5 Nf3\n", '{"Quoted" first} 1. e4', "1. Introduction\n"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"), [(text, kind) for kind, texts in TELLING.items() for text in texts]
)
def test_the_kind_of_a_text_is_seen_from_its_first_telling_line(tmp_path, text, kind):
    (tmp_path / "x").write_text(text, encoding="utf-8")
    assert kind_of_file(tmp_path / "x") == kind_of(text) == kind
    if kind in (POSITIONS, PUZZLES, JSON, BINARY):
        with pytest.raises(DataError, match=f"x: expected games in PGN, found {kind}; "):
            kind_of_file(tmp_path / "x", GAMES)


def test_all_games_of_an_archive_are_read(tmp_path):
    """An archive had to hold one file."""
    path = tmp_path / "games.zip"
    path.write_bytes(
        zipped(b"1. e4 e5 *\n", "b", README="Games of our club\n1. First part\n", c="1. d4 *")
    )
    assert unpacked_text(path).split() == [*"1. e4 e5 * 1. e4 e5 * 1. d4 *".split()]
    path.write_bytes(zipped(b"1. e4 e5 *\n", c="4k3/8/8/8/8/8/8/4K3 w - -"))
    with pytest.raises(
        DataError, match=r"give one of them: folder/a \(games in PGN\), c \(positions, one a line\)"
    ):
        unpacked_text(path)


def test_a_wrapper_is_a_word_inside_lines():
    text = b'[Code "x"]\n[PGN "[pgn]"]\n\n1. e4 {see [pgn], ``` and <pre> here} e5 *\n'
    assert b"".join(utf8_pieces(io.BytesIO(text))) == text


@pytest.mark.parametrize("part", [b"[pgn", b"`", b" ", b"<pre ", b"["])
def test_hostile_lines_take_no_time(part):
    line = part * 50_000 + b">"
    assert len(b"".join(utf8_pieces(io.BytesIO(line + b"\n[pgn]\n")))) == len(line) + 7


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".XZ", lzma.compress), (".zst", ZSTD.compress), (".zip", zipped),
     (".zst", of_a_long_window)],
)  # fmt: skip
def test_packed_texts_are_unpacked(tmp_path, suffix, pack):
    path = tmp_path / f"games.pgn{suffix}"
    data = "".join(f"{number} {TEXT}" for number in range(4000)).encode()
    path.write_bytes(pack(data))
    with open_unpacked(path) as (stream, share):
        assert b"".join(utf8_pieces(stream)) == data.replace(b"\r\n", b"\n")
        assert 0.9 < share() <= 1.0
    with open_unpacked(path) as (stream, _):
        assert len(stream.read(10)) == 10  # Leaving early is no error.
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(PACKED_ERRORS), open_unpacked(path) as (stream, _):
        stream.read()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_follows_packed_games_hides_none_of_them(tmp_path, pack):
    """What gzip itself ignores was an error, and the games before it were not read."""
    (tmp_path / "games").write_bytes(pack(b"1. e4 *\n") + pack(b"1. d4 *\n") + b"a signature")
    assert unpacked_text(tmp_path / "games") == "1. e4 *\n1. d4 *\n"


def test_a_gzip_part_may_begin_where_a_piece_of_the_file_ends():
    parts = [gzip.compress(os.urandom(size)) for size in range(8130, 8200, 3)]
    assert open_gzip(io.BytesIO(b"".join(parts))).read() == b"".join(map(gzip.decompress, parts))


def test_an_archive_of_many_games_takes_little_memory(tmp_path):
    members = {f"{number}.pgn": "1. e4 e5 *\n" * 6000 for number in range(500)}
    (tmp_path / "games.zip").write_bytes(zipped(b"1. d4 *\n", **members))
    tracemalloc.start()
    with open_unpacked(tmp_path / "games.zip") as (stream, _):
        assert stream.read(1 << 20).startswith(b"1. d4 *\n\n\n1. e4 e5 *\n")
        _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            zipped(b"x", "b.txt"),
            "found 2 files in the archive; unpack it and give one of them: folder/a, b.txt",
        ),
        (zipped(b"x").replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"), "encrypted"),
        (
            zipped(bytes(257) + b"ustar"),
            "an archive of packed files, such as folder/a; unpack it and give the folder",
        ),
        (b"7z\xbc\xaf" + bytes(99), "a 7z archive; unpack it first"),
        (b"Rar!" + bytes(99), "a rar archive; unpack it first"),
    ],
)
def test_an_archive_that_is_no_text_is_told(tmp_path, data, reason):
    (tmp_path / "a.pgn").write_bytes(data)
    with pytest.raises(DataError, match=f"a.pgn: .*{reason}"):
        unpacked_text(tmp_path / "a.pgn")


def test_each_file_of_an_archive_is_a_text_of_its_own(tmp_path):
    """The first one's encoding counted, and a game without a result went on in the next file."""
    texts = {
        "a.pgn": '[White "Müller"]\n\n1. e4 e5'.encode("utf-16"),
        "b.pgn": b"1. d4 d5 *",
        "c.pgn": '[White "Müller"]\n\n1. c4 (1. d4'.encode("cp1252"),
        "d.pgn": b'[White "X"]\n\n1. g3 *',
    }
    path = tmp_path / "games.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in texts.items():
            archive.writestr(name, data)
    games = [read.game for read in read_game_file(path)]
    played = [(game.headers["White"], game.next().san()) for game in games]
    assert played == [("Müller", "e4"), ("?", "d4"), ("Müller", "c4"), ("X", "g3")]


def test_a_packed_file_is_read_again_from_its_begin():
    content = random.Random(1).randbytes(30_000)
    stream = open_gzip(io.BytesIO(gzip.compress(content)))
    stream.read(20_000)
    stream.seek(3)
    assert stream.read(4) == content[3:7]
