"""Positions and games that the commands for people read: from words, files and standard input."""

import io
import sys
from pathlib import Path

import chess
import chess.pgn
import pytest

from engine.errors import ConfigError, DataError, FenError
from tests.boards import board_after
from uci.terminal.reading import Source, board_at, read_every_game, read_game, read_source, read_sources

TWO_GAMES = """\
[White "A"]
[Black "B"]

1. e4 e5 2. Nf3 *

[White "C"]
[Black "D"]

1. d4 {a comment} (1. c4) 1... d5 1/2-1/2
"""
BROKEN_GAME = '[White "E"]\n\n1. e4 e5 2. Ke3 d5 *\n'
KINGS = "4k3/8/8/8/8/8/8/4K3 w - - 0 1"


@pytest.fixture
def games(tmp_path: Path) -> Path:
    path = tmp_path / "games.pgn"
    path.write_text(TWO_GAMES, encoding="utf-8")
    return path


def test_position_is_read_from_words_a_game_or_the_start(games: Path) -> None:
    assert read_source(["startpos"]).board == chess.Board()
    assert read_source([KINGS]).board.fen() == KINGS
    assert read_source(KINGS.split()).name == KINGS
    after_end = read_source([str(games)])
    assert after_end.name == "A - B, after 2. Nf3 (ply 3)"
    assert after_end.board.peek() == chess.Move.from_uci("g1f3")
    assert read_source([str(games)], game=2, ply=1).board == board_after("d4")


def test_standard_input_holds_positions_or_a_game(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KINGS}\n\n{chess.STARTING_FEN}\n"))
    assert [source.board.fen() for source in read_sources(["-"]) if isinstance(source, Source)] == [
        KINGS,
        chess.STARTING_FEN,
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO(TWO_GAMES))
    assert read_source(["-"], ply=2).board == board_after("e4 e5")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(DataError, match="empty"):
        read_source(["-"])


CHESS960 = "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w KQkq - 0 1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_standard_input_may_be_a_list_of_any_encoding_with_epd_and_chess960(encoding, monkeypatch):
    text = f"# M\u00fcller\r\n{KINGS}\r\n{CHESS960}\r\n4k3/8/8/8/8/8/8/4K2R w KQ -\tbm O-O; fmvn 9;\r\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode(encoding)), "utf-8"))
    kings, chess960, epd = (source for source in read_sources(["-"]) if isinstance(source, Source))
    assert (kings.board.fen(), kings.notes) == (KINGS, ())
    assert (chess960.board.fen(), chess960.board.chess960) == (CHESS960, True)
    assert ["line 3: castling" in note for note in chess960.notes] == [True]
    assert epd.board.fen() == "4k3/8/8/8/8/8/8/4K2R w K - 0 9"
    assert ["line 4: castling: 'Q'" in note for note in epd.notes] == [True]


def test_what_cannot_be_read_is_told(games: Path) -> None:
    for words, error, message in (
        ([], ConfigError, "no position"),
        (["nonsense"], FenError, "nonsense"),
        (["missing.pgn"], DataError, "missing.pgn: file not found"),
    ):
        with pytest.raises(error, match=message):
            read_source(words)
    with pytest.raises(DataError, match="expected 3 games or more, found 2"):
        read_game(games, 3)
    with pytest.raises(ConfigError, match="from 1"):
        read_game(games, 0)
    with pytest.raises(DataError, match="ply 9: the game has 3"):
        board_at(read_game(games), 9)


def test_damaged_games_end_early_and_keep_no_others_from_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "broken.pgn"
    path.write_text(TWO_GAMES + "\n" + BROKEN_GAME, encoding="utf-8")
    with pytest.raises(DataError, match=r"broken\.pgn:\d+:\d+: .*illegal"):
        read_game(path, 3)
    last = list(read_every_game(path))[2].game
    assert len(last.errors) == 1
    assert len(list(last.mainline_moves())) == 2
    path = tmp_path / "broken.pgn"
    path.write_text(f"no game\n\n{BROKEN_GAME}\n{TWO_GAMES}", encoding="utf-8")
    assert [read_game(path, number).headers["White"] for number in (2, 3, None)] == ["A", "C", "C"]
    with pytest.raises(DataError, match="expected 4 games or more, found 3"):
        read_game(path, 4)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('[Variant "Antichess"]', "variant 'Antichess'"),
        ('[Variant "Tic-tac-toe"]', "Tic-tac-toe"),
        ('[SetUp "1"]\n[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]', "White has no king"),
    ],
)
def test_games_that_are_no_chess_are_refused(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "games.pgn"
    path.write_text(f'{TWO_GAMES}\n[White "X"]\n{header}\n\n*\n', encoding="utf-8")
    assert read_game(path, 2).headers["White"] == "C"
    with pytest.raises(DataError, match=message):
        read_game(path, 3)
    first, second, third = read_every_game(path)
    assert (first.faults, second.faults) == ([], [])
    assert message in third.start_fault


def test_text_that_is_no_pgn_is_told(tmp_path: Path) -> None:
    path = tmp_path / "note.pgn"
    path.write_text("dear diary\n", encoding="utf-8")
    with pytest.raises(DataError):
        read_game(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no game"):
        read_game(path)
