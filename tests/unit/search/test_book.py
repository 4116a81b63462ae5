"""Polyglot books, written here entry by entry."""

import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import chess
import chess.polyglot
import numpy as np
import pytest

from engine.errors import DataError
from engine.search.choice import PolyglotBook

Entry = tuple[chess.Board, str, int]  # position, move as the format writes it (castling: king takes rook), weight


def polyglot_move(text: str) -> int:
    promotion = " nbrq".index(text[4]) if len(text) > 4 else 0
    return chess.parse_square(text[2:4]) | chess.parse_square(text[:2]) << 6 | promotion << 12


def write_book(path: Path, entries: Iterable[Entry]) -> Path:
    packed = [
        struct.pack(">QHHI", chess.polyglot.zobrist_hash(board), polyglot_move(move), weight, 0)
        for board, move, weight in entries
    ]
    path.write_bytes(b"".join(sorted(packed, key=lambda entry: entry[:8])))
    return path


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_moves_come_as_often_as_they_weigh(tmp_path):
    start = chess.Board()
    path = write_book(tmp_path / "b.bin", [(start, "e2e4", 30), (start, "d2d4", 10), (start, "a2a4", 0)])
    with closing(PolyglotBook(path)) as book:
        generator, twin = rng(), rng()
        counts, same = (Counter(book.move(start, one) for _ in range(800)) for one in (generator, twin))
    assert counts == same, "the same seed gives the same moves"
    assert set(counts) == {chess.Move.from_uci("e2e4"), chess.Move.from_uci("d2d4")}
    assert 540 < counts[chess.Move.from_uci("e2e4")] < 660


def test_an_unknown_position_has_no_move(tmp_path):
    path = write_book(tmp_path / "b.bin", [(chess.Board(), "e2e4", 1)])
    other = chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1")
    with closing(PolyglotBook(path)) as book:
        assert book.move(other, rng()) is None


def test_castling_and_promotion_are_read_for_both_kinds_of_chess(tmp_path):
    castling = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    shuffled = chess.Board("4k3/8/8/8/8/8/8/2K3R1 w G - 0 1", chess960=True)
    promoting = chess.Board("8/4P3/8/8/8/k7/8/K7 w - - 0 1")
    path = write_book(tmp_path / "b.bin", [(castling, "e1h1", 1), (shuffled, "c1g1", 1), (promoting, "e7e8r", 1)])
    with closing(PolyglotBook(path)) as book:
        assert book.move(castling, rng()) == chess.Move.from_uci("e1g1")
        assert book.move(shuffled, rng()) == chess.Move.from_uci("c1g1")
        assert book.move(promoting, rng()) == chess.Move.from_uci("e7e8r")


def test_illegal_entries_are_never_played(tmp_path):
    start = chess.Board()
    key = chess.polyglot.zobrist_hash(start)
    codes = [*rng().integers(0, 2**16, 500).tolist(), polyglot_move("e2e4")]
    path = tmp_path / "b.bin"
    path.write_bytes(b"".join(struct.pack(">QHHI", key, code, 1, 0) for code in codes))
    with closing(PolyglotBook(path)) as book:
        assert all(book.move(start, rng(seed)) in start.legal_moves for seed in range(20))


@pytest.mark.parametrize("content", [b"", b"fifteen bytes..", bytes(range(240, 256)) + bytes(16)])
def test_a_file_that_is_no_book_is_refused_at_opening(tmp_path, content):
    path = tmp_path / "b.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"b\.bin: expected a Polyglot book"):
        PolyglotBook(path)


def test_a_missing_book_or_a_folder_is_refused_at_opening(tmp_path):
    for path in (tmp_path / "nowhere.bin", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            PolyglotBook(path)
