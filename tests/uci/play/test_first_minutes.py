"""The first minutes of a game: what is asked, how Aino begins and how fast it answers, what Tab completes."""

import io
import random
from pathlib import Path

import chess
import pytest
from rich.console import Console

from engine.search.limits import Limits
from tests.boards import board_after
from tests.uci.play.terminal_game import play
from uci.game.level import DEFAULT_LEVEL, parse_level
from uci.play.play import ask_choices, completions
from uci.terminal.opening_names import book_move
from uci.web.launch import _draw_code


def asked(*answers: str) -> tuple[tuple[str, str, str], str]:
    said, rest = io.StringIO(), iter(answers)

    def ask(question: str) -> str:
        said.write(f"{question}\n")
        return next(rest)

    return ask_choices(ask, lambda text: said.write(f"{text}\n")), said.getvalue()


def test_enter_takes_the_defaults_of_the_three_questions() -> None:
    choices, said = asked("", "", "")
    assert choices == ("white", "elo 1600", "")
    assert said.count("[") == 3
    assert "medium  1600, like a club player" in said
    assert "our estimate" in said
    assert max(map(len, said.splitlines())) <= 60


def test_answers_are_read_forgivingly_and_bad_ones_asked_again() -> None:
    choices, said = asked("green", "B", "very", "elo 1000", "soon", "5+3")
    assert choices == ("black", "elo 1000", "5+3")
    assert "side 'green': expected white, black or random" in said
    assert "level 'very'" in said


def test_three_games_in_a_row_begin_differently_and_in_known_ways() -> None:
    def opening(seed: int) -> str:
        board, rng = chess.Board(), random.Random(seed)
        while (move := book_move(board, rng)) is not None:
            board.push(move)
        assert 1 <= len(board.move_stack) <= 8
        return board.root().variation_san(board.move_stack)

    openings = [opening(seed) for seed in range(30)]
    assert len(set(openings)) > 15
    assert not any(name in text for text in openings for name in ("g4", "Ke2", "Qh5"))
    assert book_move(chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1"), random.Random(0)) is None


def test_an_answer_comes_within_seconds_however_long_the_clock() -> None:
    half_an_hour = Limits(white_time_ms=1_800_000, black_time_ms=1_800_000)
    assert DEFAULT_LEVEL.limits(half_an_hour).movetime_ms == 8000
    blitz = Limits(white_time_ms=180_000, black_time_ms=180_000)
    assert DEFAULT_LEVEL.limits(blitz) == blitz


# At 1400 and 5+3, every move had taken 4.0 to 4.4 s.
PACES = {
    "the opening": ("e2e4 e7e5", "g1f3", 0.5, 1.2),
    "takes back": ("d2d4 d7d5 c2c4 d5c4 e2e3 b7b5 a2a4 c7c6 a4b5 c6b5 d1f3 b8c6", "f3c6", 0.5, 1.2),
    "quiet": ("g1f3 g8f6 b1c3 b8c6 f3g1 f6g8 c3b1 c6b8 a2a3 a7a6", "h2h3", 1.3, 2.8),
    "much to take": ("e2e4 e7e5 f1c4 b8c6 d1h5 g8f6 d2d4 e5d4 c1g5 d7d5", "h5f7", 3.0, 8.0),
}


@pytest.mark.parametrize(("moves", "move", "least", "most"), PACES.values(), ids=list(PACES))
def test_the_time_of_a_limited_level_follows_the_position(moves: str, move: str, least: float, most: float) -> None:
    board, clock = board_after(moves), Limits(white_time_ms=300_000, white_increment_ms=3000, black_time_ms=1)
    assert least < parse_level("elo 1400").pace_s(clock, board, chess.Move.from_uci(move)) < most
    for level, limits in (("full", clock), ("nodes 9", clock), ("elo 1400", None)):
        assert parse_level(level).pace_s(limits, board, chess.Move.from_uci(move)) == 0.0


def test_tab_completes_commands_and_moves() -> None:
    assert completions(chess.Board(), "N") == ["Na3", "Nc3", "Nf3", "Nh3"]
    assert completions(chess.Board(), "ha") == ["hard"]


def test_after_leaving_a_line_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert "Continue it with `aino play --load last`." in play("e4", f"fen {chess.STARTING_FEN}")[2]


def test_the_address_for_a_phone_is_drawn_as_a_code_in_a_terminal_only() -> None:
    segno = pytest.importorskip("segno")
    url = "http://192.168.1.7:40123/Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4f/"
    drawn = {}
    for is_terminal in (True, False):
        console = Console(file=io.StringIO(), force_terminal=is_terminal, width=60)
        _draw_code(console, url)
        drawn[is_terminal] = console.file.getvalue()  # type: ignore[attr-defined]
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}  # the two modules of a character; dark is blank
    rows = [[halves[letter] for letter in line] for line in drawn[True].splitlines() if line.strip(" ")]
    modules = [[pair[half] for pair in row] for row in rows for half in (0, 1)]
    matrix = [list(row) for row in segno.make(url, micro=False).matrix]
    assert [row[2:-2] for row in modules[2 : 2 + len(matrix)]] == matrix
    assert drawn[False] == ""
