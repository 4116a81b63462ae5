"""Puzzles as the page hears of them."""

import chess
import pytest

from uci.library.puzzles import Puzzle
from uci.web.puzzle_service import PuzzleService

BEFORE = "4k3/8/1N1r4/8/8/8/8/4K3 b - - 0 1"
PUZZLE = Puzzle(
    fen="4k3/3r4/1N6/8/8/8/8/4K3 w - - 1 2",
    moves=("b6d7", "e8d7", "e1d2"),
    source="lichess",
    themes=("fork",),
    before=f"{BEFORE} d6d7",
)


@pytest.fixture
def messages(tmp_path, monkeypatch):
    """What is told of a puzzle, by its kind."""
    monkeypatch.setattr("uci.library.puzzle_stock.read_set", lambda: iter([PUZZLE]))
    heard = {}
    desk = PuzzleService(tmp_path, lambda message: heard.update({message["do"]: message}))
    desk.next("", "", 0, 5000)
    return heard


def test_the_opponents_move_is_marked(messages):
    assert messages["puzzle"]["marked"] == [chess.D6, chess.D7]
    assert messages["puzzle"]["before"] == BEFORE.split()[0]


def test_what_it_is_about_is_told_behind_it_only(messages):
    assert messages["puzzle"]["themes"] == []
    assert "fork" not in messages["puzzle"]["says"]


def test_each_theme_has_its_count(messages):
    assert messages["themes"]["counts"] == {"fork": 1}
