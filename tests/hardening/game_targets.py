"""The game files under fire: replay segments, and Lc0's training chunks alone and in archives."""

import gzip
import io
import tarfile
import zlib

import numpy as np

from selfplay.data.v6 import V6_RECORD
from selfplay.data.v6_games import read_v6
from selfplay.records.collect import collect
from selfplay.records.game import encode_record, training_game
from selfplay.records.replay import FRAME, REPLAY_MAGIC, read_segment
from selfplay.run.games_out import pgn_text
from tests.hardening.broken_files import Target
from tests.selfplay.data.test_v6 import STARTS, searched_game
from tests.selfplay.data.v6_chunks import chunk_of_game, packed


def games():
    """Short searched games from several starts."""
    return [
        searched_game(np.random.default_rng(n), fen, plies=5)[0] for n, fen in enumerate(STARTS)
    ]


# ---- replay --------------------------------------------------------------------------------------


def replay():
    """Segments of self-play games: a record is mutated and framed anew; what is read is trained on
    and exported.
    """
    return Target(
        "replay",
        ".replay",
        tuple(encode_record(game) for game in games()),
        read_replay,
        (REPLAY_MAGIC,),
        seal_replay,
    )


def seal_replay(inside):
    return REPLAY_MAGIC + FRAME.pack(len(inside), zlib.crc32(inside)) + inside


def read_replay(path):
    records, _ = read_segment(path)
    if records:
        collect(training_game(record, 0.5) for record in records)
    for record in records:
        pgn_text(record, "fuzz")


# ---- chunks --------------------------------------------------------------------------------------


def chunks():
    """Training chunks of version 6: a record's fields are mutated, and packed again."""
    return Target(
        "v6",
        ".gz",
        _chunks(),
        read_chunk_files,
        (b"\x06\0\0\0\x01\0\0\0", b"\0\0\x80\xbf"),
        seal_chunk,
    )


def _chunks():
    return tuple(chunk_of_game(game)[:4].tobytes() for game in games())


def seal_chunk(inside):
    """Packed, and cut or filled to whole records."""
    missing = -len(inside) % V6_RECORD.itemsize
    return gzip.compress(
        inside + bytes(missing) if inside[:4] == b"\x06\0\0\0" else inside, 1, mtime=0
    )


def read_chunk_files(path):
    records = list(read_v6(path))
    if records:
        assert collect(records)[1] == 0, "illegal games"


def archives():
    """Archives of chunks, some with members that name places outside, links, and sizes that are not
    there.
    """
    words = (
        b"../../up", b"/etc/passwd", b"77777777777\0", b"\x80\0\0\0\0\0\0\0\xff", b"ustar\x0000", b"L", b"x", b"1",
        b"\0" * 512,
    )  # fmt: skip
    return Target("v6-tar", ".tar", (_tar("game.gz"), _tar("../game.gz")), read_chunk_files, words)


def _tar(name):
    data = packed(np.frombuffer(_chunks()[0], V6_RECORD))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "../../outside"
            member.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()
