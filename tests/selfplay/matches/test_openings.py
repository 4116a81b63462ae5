"""The openings of a match, from EPD and PGN files, and how the commands of its engines are cut into
words.
"""

import shlex
import zipfile

import chess
import numpy as np
import pytest

from engine.board.attacks import in_check
from engine.board.layout import BLACK, KEY, WHITE
from engine.errors import ConfigError, DataError
from selfplay.matches.contestant import split_words
from selfplay.matches.opening_book import (
    MOST_UNREADABLE,
    OpeningOrder,
    OpeningRows,
    load_book,
    load_openings,
    opening_board,
)
from selfplay.records.endings import game_ending

PGN = """[Event "one"]
[Result "*"]

1. e4 e5 2. Nf3 {a comment} (2. f4 exf4) Nc6 3. Bb5 *

[Event "two"]
[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]
[SetUp "1"]
[Result "1/2-1/2"]

1. e4 Kd7 1/2-1/2

[Event "broken"]
[Result "*"]

1. e4 Ke3 *
"""
CHESS960 = "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w KQkq - 0 1"


EPD = (
    "# comment\n; a\n// c\n4k3/8/8/8/8/8/4P3/4K3 w - - ce 30;\n\nstartpos moves d4\n8/8/8/8 w - -\n"
)


@pytest.mark.parametrize(
    ("name", "text", "number", "opening"),
    [
        ("a.pgn", PGN, 0, f"{chess.STARTING_FEN} moves e2e4 e7e5 g1f3 b8c6"),  # the first plies
        ("a.pgn", PGN, 1, "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1 moves e2e4 e8d7"),  # a short game
        ("a.txt", PGN, 1, "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1 moves e2e4 e8d7"),
        ("a.epd", EPD, 0, "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"),
        ("a.epd", EPD, 1, f"{chess.STARTING_FEN} moves d2d4"),
    ],
)
def test_an_opening_of_a_book_is_its_start_with_the_moves(name, text, number, opening, tmp_path):
    (tmp_path / name).write_text(text)
    assert load_book(tmp_path / name, plies=4)[number] == opening


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [("a.pgn", PGN, r"a\.pgn:16:7: 'Ke3': illegal move"), ("a.epd", EPD, r"a\.epd:7: ")],
)
def test_an_opening_that_cannot_be_played_is_told_by_its_line(name, text, words, tmp_path):
    (tmp_path / name).write_text(text)
    book = load_book(tmp_path / name, plies=4)
    with pytest.raises(DataError, match=words):
        book[2]


def test_all_files_of_an_archive_are_one_book_but_for_puzzles(tmp_path):
    path = tmp_path / "book.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("book.pgn", PGN)
        archive.writestr("other.pgn", PGN)
    assert len(load_book(path)) == 2 * PGN.count("Event")
    path.write_text(f"PuzzleId,FEN,Moves,Rating\na,{chess.STARTING_FEN},e2e4 e7e5,1500\n")
    with pytest.raises(DataError, match="found puzzles in Lichess's format"):
        load_book(path)


def test_chess960_openings_keep_their_castling_rights(tmp_path):
    path = tmp_path / "frc.epd"
    path.write_text(f"{CHESS960}\n")
    board = opening_board(load_book(path, chess960=True)[0], chess960=True)
    assert board.castling_rights == chess.BB_H1 | chess.BB_F1 | chess.BB_H8 | chess.BB_F8
    pgn = tmp_path / "standard.pgn"
    pgn.write_text(PGN)
    with pytest.raises(DataError, match="not a game of Chess960"):
        load_book(pgn, chess960=True)[0]


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "no legal move"),
        ("rnb1kbnr/pppp1ppp/8/4p3/6Pq/5P2/PPPPP2P/RNBQKBNR w KQkq - 1 3", "no legal move"),
        ("4k3/8/8/8/8/8/8/4K3 w - - 0 1", "no side can mate"),
        ("4k3/8/8/8/8/8/8/4KB2 w - -", "no side can mate"),
        ("4k3/8/8/8/8/8/4P3/4K3 w - - 100 90", "fifty moves"),
        ("4k3/8/8/8/8/8/4P3/4K3 w - - hmvc 150; fmvn 120;", "fifty moves"),
        (CHESS960, "a position of Chess960"),
    ],
)
def test_openings_that_are_over_are_named_as_a_match_leaves_them_out(
    over, reason, tmp_path, caplog
):
    path = tmp_path / "book.epd"
    path.write_text(f"{over}\n{chess.STARTING_FEN}\n{over}\n")
    order = OpeningOrder(load_book(path), seed=1)
    assert [order[pair] for pair in range(3)] == [chess.STARTING_FEN] * 3
    assert sum("skipping an opening" in text and reason in text for text in caplog.messages) == 2
    assert all(any(f"book.epd:{line}: " in text for text in caplog.messages) for line in (1, 3))
    assert load_openings(path) == [chess.STARTING_FEN]
    path.write_text(f"{over}\n")
    with pytest.raises(DataError, match=rf"book\.epd:1: .*{reason}"):
        OpeningOrder(load_book(path), seed=1)[0]


@pytest.fixture
def repeating(tmp_path):
    """A game that repeats a position, and another one."""
    path = tmp_path / "book.pgn"
    path.write_text("1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8 1/2-1/2\n\n1. e4 e5 2. Nf3 *\n")
    return load_book(path)


@pytest.mark.parametrize("longest", [None, 8])
def test_an_opening_that_ends_in_a_third_repetition_is_left_out(repeating, longest, caplog):
    order = OpeningOrder(repeating, seed=1, longest=longest)
    assert order[0].endswith(" moves e2e4 e7e5 g1f3")
    assert order[1] == order[0]
    assert "third repetition" in caplog.text


def test_an_opening_as_long_as_a_game_is_left_out(repeating):
    with pytest.raises(DataError, match="the longest allowed game"):
        OpeningOrder(repeating, seed=1, longest=3)[0]


def test_a_book_of_another_kind_is_refused_at_once(tmp_path, caplog):
    path = tmp_path / "book.epd"
    for lines in (1, MOST_UNREADABLE + 5):
        path.write_text("nonsense\n" * lines)
        with pytest.raises(DataError, match=r"book\.epd:"):
            OpeningOrder(load_book(path), seed=1)[0]
    assert len(caplog.messages) == 1 + MOST_UNREADABLE - 1


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_empty_or_missing_books_are_errors(text, tmp_path):
    path = tmp_path / "book.epd"
    with pytest.raises(DataError, match="file not found"):
        load_book(path)
    path.write_text(text)
    with pytest.raises(DataError, match="no openings"):
        load_book(path)


LINES = ["aino", "name=a 'cmd=/my engines/sf -x'", 'cmd="a b" option.X=1 # 2', "a\\ b c", "''"]


@pytest.mark.parametrize("text", LINES)
def test_words_are_those_of_a_shell(text):
    assert split_words("engine", text, windows=False) == shlex.split(text)


def test_a_windows_path_keeps_its_backslashes():
    text = r'cmd="C:\Program Files\sf\stockfish.exe" name=sf option.SyzygyPath=D:\tables'
    words = [r"cmd=C:\Program Files\sf\stockfish.exe", "name=sf", r"option.SyzygyPath=D:\tables"]
    assert split_words("engine", text, windows=True) == words
    with pytest.raises(ConfigError, match=r"^engine"):
        split_words("engine", "cmd='a", windows=True)


def test_shipped_openings_need_no_check():
    """Each is another position, with most pieces on the board, from which a game goes on."""
    rows = np.stack(OpeningRows(load_openings()))
    assert len(np.unique(rows[:, KEY])) == len(rows) == 5_000
    assert min(int(word).bit_count() for word in rows[:, WHITE] | rows[:, BLACK]) >= 28
    assert not any(in_check(row) or game_ending(row, 0, 100) for row in rows)
