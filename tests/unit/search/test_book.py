"""Polyglot books, written here entry by entry."""

import struct
from collections import Counter
from contextlib import ExitStack, closing

import chess
import chess.polyglot
import numpy as np
import pytest

from engine.errors import DataError
from engine.search.book import PolyglotBook
from tests.boards import board_after


def polyglot_move(text):
    promotion = " nbrq".index(text[4]) if len(text) > 4 else 0
    return chess.parse_square(text[2:4]) | chess.parse_square(text[:2]) << 6 | promotion << 12


def write_book(path, entries):
    """Entries are a position, a move as the format writes it (castling: king takes rook), a weight."""
    packed = [
        struct.pack(">QHHI", chess.polyglot.zobrist_hash(board), polyglot_move(move), weight, 0)
        for board, move, weight in entries
    ]
    path.write_bytes(b"".join(sorted(packed, key=lambda entry: entry[:8])))
    return path


def rng(seed=1):
    return np.random.default_rng(seed)


@pytest.fixture
def book_of(tmp_path):
    """Opens a book of some entries."""
    with ExitStack() as opened:

        def make(*entries):
            path = write_book(tmp_path / f"{len(entries)}.bin", entries)
            return opened.enter_context(closing(PolyglotBook(path)))

        yield make


def test_moves_come_as_often_as_they_weigh(book_of):
    start = chess.Board()
    book = book_of((start, "e2e4", 30), (start, "d2d4", 10), (start, "a2a4", 0))
    counts, same = (
        Counter(book.move(start, generator).uci() for _ in range(800))
        for generator in (rng(), rng())
    )
    assert counts == same, "the same seed gives the same moves"
    assert set(counts) == {"e2e4", "d2d4"}
    assert 540 < counts["e2e4"] < 660


# Positions, a move as books write it, and the move that it is.
WRITTEN = [
    (chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1"), "e1h1", "e1g1"),
    (chess.Board("r3k3/8/8/8/8/8/8/4K3 b q - 0 1"), "e8c8", "e8c8"),  # in two steps
    (chess.Board("4k3/8/8/8/8/8/8/2K3R1 w G - 0 1", chess960=True), "c1g1", "c1g1"),
    # as in standard chess
    (chess.Board("4k3/8/8/8/8/8/P7/4K2R w K - 0 1", chess960=True), "e1g1", "e1h1"),
    (chess.Board("8/4P3/8/8/8/k7/8/K7 w - - 0 1"), "e7e8r", "e7e8r"),
    (chess.Board("4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1"), "d4e3", "d4e3"),
]


def test_moves_of_a_book_are_read_for_both_kinds_of_chess(book_of):
    book = book_of(*((board, move, 1) for board, move, _ in WRITTEN))
    for board, _, move in WRITTEN:
        assert book.move(board, rng()).uci() == move
    assert book.move(chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"), rng()) is None, (
        "an unknown position"
    )


def test_illegal_entries_are_never_played(tmp_path):
    start = chess.Board()
    key = chess.polyglot.zobrist_hash(start)
    codes = [*rng().integers(0, 2**16, 500).tolist(), polyglot_move("e2e4")]
    path = tmp_path / "b.bin"
    path.write_bytes(b"".join(struct.pack(">QHHI", key, code, 1, 0) for code in codes))
    with closing(PolyglotBook(path)) as book:
        assert all(book.move(start, rng(seed)) in start.legal_moves for seed in range(20))


def test_a_book_that_goes_round_in_circles_ends_before_it_repeats_a_position(book_of):
    circle = ("g1f3", "g8f6", "f3g1", "f6g8")
    boards = [board_after(circle[:ply]) for ply in range(4)]
    entries = [(board, text, 1) for board, text in zip(boards, circle, strict=True)]
    book = book_of(*entries)
    last = boards[-1]
    assert [book.move(board, rng()) for board in boards] == [*last.move_stack, None]
    longer = book_of(*entries, (last, "b8c6", 1))
    assert {longer.move(last, rng(seed)).uci() for seed in range(9)} == {"b8c6"}


@pytest.mark.parametrize(
    ("fen", "bad"),
    [
        ("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", "g6f7"),  # stalemate
        ("8/8/8/8/8/5k2/4p3/4K3 b - - 0 1", "f3e3"),  # into stalemate
        ("4k3/8/8/8/8/8/4p3/4KB2 w - - 0 1", "f1e2"),  # no side can mate
        ("4k3/8/8/8/8/8/4P3/4K3 w - - 99 80", "e1d1"),  # fifty moves
        ("rnbqkbnr/pppp1ppp/8/4p3/8/5P2/PPPPP1PP/RNBQKBNR w KQkq - 0 2", "g2g4"),  # the Fool's Mate
    ],
)
def test_book_moves_that_draw_or_lose_at_once_are_not_played(book_of, fen, bad):
    board = chess.Board(fen)
    assert book_of((board, bad, 5)).move(board, rng()) is None


@pytest.mark.parametrize("content", [b"", b"fifteen bytes..", bytes(range(240, 256)) + bytes(16)])
def test_a_file_that_is_no_book_is_refused_at_opening(tmp_path, content):
    path = tmp_path / "b.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"b\.bin: expected a Polyglot book"):
        PolyglotBook(path)
    for missing in (tmp_path / "nowhere.bin", tmp_path):
        with pytest.raises(DataError, match=str(missing)):
            PolyglotBook(missing)
