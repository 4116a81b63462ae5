"""What the commands for people share: positions and games that they read, names of openings,
limits, verdicts.
"""

import argparse
import io
import sys

import chess.pgn
import pytest

from engine.errors import ConfigError, DataError, FenError
from engine.search.limits import Limits
from engine.search.result import RootMove
from tests.boards import board_after
from uci.common.evaluation import Evaluation
from uci.common.limit_flags import add_limit_flags, limits_from_flags
from uci.common.reading import (
    BadLine,
    Source,
    board_at,
    read_every_game,
    read_game,
    read_source,
    read_sources,
)
from uci.openings.opening_names import opening_name, position_name, read_table

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
def games(tmp_path):
    path = tmp_path / "games.pgn"
    path.write_text(TWO_GAMES)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "startpos moves e2e4 e7e5",
        f"position fen {chess.STARTING_FEN} moves e4 e5",
        "1. e4 e5 *",
    ],
)
def test_a_position_is_read_with_its_moves(text):
    assert read_source([text]).board.move_stack == board_after("e4 e5").move_stack


def test_the_words_of_a_fen_need_no_quotes():
    assert read_source(KINGS.split()).name == KINGS


def test_a_position_is_read_from_a_game(games):
    after_end = read_source([str(games)])
    assert after_end.name == "A - B, after 2. Nf3 (ply 3)"
    assert after_end.board.peek().uci() == "g1f3"
    assert read_source([str(games)], game=2, ply=1).board == board_after("d4")


def test_standard_input_holds_positions_or_a_game(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KINGS}\n\n{chess.STARTING_FEN}\n"))
    fens = [source.board.fen() for source in read_sources(["-"]) if isinstance(source, Source)]
    assert fens == [KINGS, chess.STARTING_FEN]
    monkeypatch.setattr(sys, "stdin", io.StringIO(TWO_GAMES))
    assert read_source(["-"], ply=2).board == board_after("e4 e5")
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(DataError, match="no game"):
        read_source(["-"])


CHESS960 = "bbqnnrkr/pppppppp/8/8/8/8/PPPPPPPP/BBQNNRKR w KQkq - 0 1"


def test_standard_input_may_be_a_list_of_another_encoding(monkeypatch):
    text = f"# M\u00fcller\r\n{KINGS}\r\n{CHESS960}\r\n4k3/8/8/8/8/8/8/4K2R w KQ -\tbm O-O; fmvn 9;\r\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode("cp1252")), "utf-8"))
    kings, chess960, epd = (source for source in read_sources(["-"]) if isinstance(source, Source))
    assert kings.board.fen() == KINGS
    assert kings.notes == ()
    assert chess960.board.fen() == CHESS960
    assert chess960.board.chess960
    assert ["line 3: castling" in note for note in chess960.notes] == [True]
    assert epd.board.fen() == "4k3/8/8/8/8/8/8/4K2R w K - 0 9"
    assert ["line 4: castling: 'Q'" in note for note in epd.notes] == [True]


def test_a_file_of_positions_is_no_pgn(tmp_path):
    path = tmp_path / "suite.pgn"
    path.write_text(f"# mine\n{KINGS}; bm Ke2;\nnonsense\n{chess.STARTING_FEN}\n")
    first, bad, last = read_sources([str(path)])
    assert [*map(type, (first, bad, last))] == [Source, BadLine, Source]
    assert first.board.fen() == KINGS
    assert bad.number == 3
    assert last.board == chess.Board()
    for read in (read_game, lambda path: next(read_every_game(path))):
        with pytest.raises(
            DataError,
            match=r"suite\.pgn: expected games in PGN, found positions, one a line; `aino",
        ):
            read(path)
    path.write_text("PuzzleId,FEN,Moves,Rating\n")
    with pytest.raises(
        DataError, match="expected games in PGN or positions, one a line, found puzzles"
    ):
        read_source([str(path)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no position"),
        ([""], "no position"),
        (["nonsense"], "nonsense"),
        (["startpos moves e4 e5 e5"], "'e5' is no legal move"),
        (["missing.epd"], "missing.epd: file not found"),
    ],
)
def test_what_is_no_position_is_told(words, message):
    with pytest.raises((ConfigError, DataError, FenError), match=message):
        read_source(words)


@pytest.mark.parametrize(
    ("text", "number", "ply", "message"),
    [
        (TWO_GAMES, 3, None, "expected 3 games or more, found 2"),
        (TWO_GAMES, 0, None, "from 1"),
        (TWO_GAMES, 1, 9, "ply 9: the game has 3"),
        (TWO_GAMES + "\n" + BROKEN_GAME, 3, None, r"games\.pgn:\d+:\d+: .*illegal"),
        ("dear diary\n", None, None, "no game"),
        ("", None, None, "no game"),
        (TWO_GAMES + '\n[Variant "Antichess"]\n\n*\n', 3, None, "variant 'Antichess'"),
        (TWO_GAMES + '\n[Variant "Tic-tac-toe"]\n\n*\n', 3, None, "Tic-tac-toe"),
        (TWO_GAMES + '\n[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*\n', 3, None, "White has no king"),
    ],
)
def test_a_game_or_a_ply_that_is_not_there_is_told(games, text, number, ply, message):
    games.write_text(text)
    with pytest.raises((ConfigError, DataError), match=message):
        board_at(read_game(games, number), ply)


def test_a_damaged_game_ends_early_and_keeps_no_other_from_being_read(games):
    games.write_text(f"no game\n\n{BROKEN_GAME}\n{TWO_GAMES}")
    assert [read_game(games, number).headers["White"] for number in (2, 3, None)] == ["A", "C", "C"]
    with pytest.raises(DataError, match="expected 4 games or more, found 3"):
        read_game(games, 4)
    _, damaged, *_ = read_every_game(games)
    assert len(list(damaged.game.mainline_moves())) == 2


def test_faults_beside_the_main_line_refuse_no_game(games):
    text = '[Event Date "2001"]\n[White "A"]\n\n1. e4 e5 (1... Ke3) 2. Nf3 *\n'
    games.write_text(text)
    assert len(list(read_game(games).mainline_moves())) == 3
    games.write_text(text.replace("Nf3", "Ke2 Ke3"))
    with pytest.raises(DataError, match="'Ke3'"):
        read_game(games)


def test_a_position_has_one_opening():
    table = list(read_table())
    assert len(table) > 250
    assert all(board.move_stack and name.strip() for board, name in table)
    names = {}
    for board, name in table:
        assert names.setdefault(board.epd(), name) == name


@pytest.mark.parametrize(
    ("board", "opening", "position"),
    [
        (
            board_after("Nf3 d5 d4 Nf6 c4 e6 Nc3 Be7"),  # behind the opening
            "Queen's Gambit Declined, Three Knights Variation",
            "",
        ),
        (board_after("e4 c5"), "Sicilian Defence", "Sicilian Defence"),
        (chess.Board(), "", ""),
        (chess.Board(KINGS), "", ""),
    ],
)
def test_an_opening_is_found_by_its_position(board, opening, position):
    assert opening_name(board) == opening
    assert (position_name(board) or "") == position


def limits(*words):
    parser = argparse.ArgumentParser()
    add_limit_flags(parser, "one node", with_infinite=True)
    return limits_from_flags(parser.parse_args(words), Limits(nodes=1))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", Limits(nodes=1)),
        ("--nodes 5", Limits(nodes=5)),
        ("--movetime 0.5", Limits(movetime_ms=500)),
        ("--depth 4", Limits(depth=4)),
        ("--infinite", Limits(infinite=True)),
    ],
)
def test_limits_are_those_given_or_the_default(words, expected):
    assert limits(*words.split()) == expected


@pytest.mark.parametrize(
    "words", [("--nodes", "0"), ("--movetime", "nan"), ("--depth", "-1"), ("--movetime", "1e9")]
)
def test_limits_out_of_range_are_refused(words):
    with pytest.raises(ConfigError, match=f"{words[0]}: bad value"):
        limits(*words)


MATE = RootMove(chess.Move.from_uci("e2e4"), visits=9, prior=0.1, q=0.2, draw=0.5, mate=3)


@pytest.mark.parametrize(
    ("verdict", "text", "expected"),
    [
        (Evaluation(-34, None, (250, 300, 450)), "-0.34", 0.4),
        (Evaluation(9876, None, (0, 0, 1000)), "+15.00", 0.0),
        (Evaluation(-20_000, None, (0, 0, 1000)), "-15.00", 0.0),
        (Evaluation(1499, None, (0, 0, 1000)), "+14.99", 0.0),
        (Evaluation.of_move(MATE), "#3", 1.0),
        (Evaluation.of_move(MATE).reversed(), "#-3", 0.0),
        (Evaluation.of_result("1-0"), "#", 1.0),
        (Evaluation.of_result("0-1"), "#", 0.0),
        (Evaluation.of_result("1/2-1/2"), "+0.00", 0.5),
    ],
)
def test_a_verdict_is_told_in_words_and_points(verdict, text, expected):
    assert verdict.text == text
    assert verdict.expected == expected
