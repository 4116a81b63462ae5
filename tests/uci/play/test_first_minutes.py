"""The first minutes of a game: what is asked, how Aino begins and how fast it answers, what Tab completes."""

import io
import random
from pathlib import Path

import chess
import pytest
from rich.console import Console

from engine.search.limits import Limits
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


def test_questions_take_defaults_and_ask_again_for_what_they_cannot_read() -> None:
    choices, said = asked("", "", "")
    assert choices == ("white", "elo 1600", "")
    assert said.count("[") == 3
    assert "medium  1600, like a club player" in said
    assert "our estimate" in said
    assert max(map(len, said.splitlines())) <= 60
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


@pytest.mark.parametrize(
    ("level", "seconds", "pace"),
    [("full", 60, 0.0), ("elo 1400", 60, 0.5), ("elo 1400", 3600, 5.0), ("nodes 9", 60, 0.0)],
)
def test_a_limited_level_uses_a_share_of_its_clock(level: str, seconds: int, pace: float) -> None:
    clock = Limits(white_time_ms=1000 * seconds, black_time_ms=1)
    assert parse_level(level).pace_s(clock, white=True) == pace
    assert parse_level(level).pace_s(None, white=True) == 0.0


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
