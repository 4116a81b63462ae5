"""When an opponent that plays like people resigns."""

from dataclasses import replace

import chess
import pytest

from engine.search.result import SearchResult
from tests.boards import board_after
from tests.unit.search.test_move_choice import root_move
from uci.game import resigning
from uci.game.clock import GameClock, GameTime
from uci.game.level import EloLevel, PeopleLevel
from uci.game.resigning import resigns
from uci.game.timed_game import Setup, TimedGame

LOST = "4k3/8/8/8/8/8/r7/4K3 w - - 0 1"
EVEN = "4k3/8/8/8/8/8/r6R/4K3 w - - 0 1"
QUEEN_DOWN = "4k3/8/8/8/8/8/q7/4K3 w - - 0 1"
MINOR_DOWN = "4k3/8/8/8/8/8/n7/4K3 w - - 0 1"
SHUFFLE = "Kf1 Kd7 Ke1 Ke7"


@pytest.fixture(autouse=True)
def sure(monkeypatch):
    """Who may resign does."""
    monkeypatch.setattr(resigning, "ROOK_CHANCE", 1.0)
    monkeypatch.setattr(resigning, "QUEEN_CHANCE", 1.0)


def searched(q=-0.99):
    best, worse = root_move("e1f1", 10, 0.5, q), root_move("e1d1", 10, 0.5, -0.99)
    return SearchResult(best.move, None, [], [best, worse], 20, 1)


CASES = {
    "a rook behind for three turns": (board_after(SHUFFLE, LOST), -0.99, None, True),
    "with plenty of time on the other clock": (board_after(SHUFFLE, LOST), -0.99, 60.0, True),
    "for two turns": (board_after("Kf1 Kd7", LOST), -0.99, None, False),
    "at the first move": (chess.Board(LOST), -0.99, None, False),
    "a rook behind at this turn alone": (board_after("Kf1 Ke7 Ke1 Rxh2", EVEN), -0.99, None, False),
    "a knight behind": (board_after(SHUFFLE, MINOR_DOWN), -0.99, None, False),
    "a mate in sight": (board_after(SHUFFLE, LOST), 1.0, None, False),
    "the other clock is short": (board_after(SHUFFLE, LOST), -0.99, 20.0, False),
}


@pytest.mark.parametrize(("board", "q", "left_s", "gives_up"), CASES.values(), ids=list(CASES))
def test_a_lost_game_is_given_up_when(board, q, left_s, gives_up):
    assert resigns(board, searched(q), left_s) == gives_up


def test_a_move_of_the_book_gives_nothing_up():
    result = replace(searched(), children=[])
    assert not resigns(board_after(SHUFFLE, LOST), result, None)


@pytest.mark.parametrize(("fen", "chance"), [(LOST, "ROOK_CHANCE"), (QUEEN_DOWN, "QUEEN_CHANCE")])
def test_most_turns_of_a_lost_game_are_played_on(monkeypatch, fen, chance):
    monkeypatch.undo()
    boards = [board_after(SHUFFLE, fen) for _ in range(2000)]
    for number, board in enumerate(boards):
        board.fullmove_number = number + 3
    share = sum(resigns(board, searched(), None) for board in boards) / len(boards)
    assert share == pytest.approx(getattr(resigning, chance), abs=0.008)


@pytest.mark.parametrize(
    ("level", "fallen", "gives_up"),
    [
        (PeopleLevel, chess.WHITE, True),
        (PeopleLevel, chess.BLACK, False),
        (EloLevel, chess.WHITE, False),
    ],
)
def test_only_an_opponent_like_people_resigns_and_not_while_the_others_clock_falls(
    level, fallen, gives_up
):
    levels = dict.fromkeys(chess.COLORS, level(1500))
    clock = GameClock(GameTime(60.0, 0.0))
    clock.set_left(fallen, 5.0)
    game = TimedGame(Setup(board_after(SHUFFLE, LOST), chess.BLACK, levels, clock))
    assert game.resigns(searched()) == gives_up
