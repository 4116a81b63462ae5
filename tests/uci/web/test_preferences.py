"""The level and the clock of the next game: those that were chosen last, also by an earlier
program.
"""

import chess
import pytest

from tests.uci.web.web_visit import SessionAlone
from uci.common.reading import read_text_games
from uci.game.level import EloLevel, parse_level
from uci.game.preferences import CHOICE, Preferences
from uci.game.timed_game import Setup, saved_game
from uci.web import analysis_requests, game_requests
from uci.web.board_game import BoardGame

KASPAROV = '[White "Topalov"]\n[Black "Kasparov"]\n[TimeControl "7200"]\n\n1. e4 d6 2. d4 Nf6 1-0\n'
ASKED = Setup(is_asked=True)


@pytest.fixture
def board(tmp_path, request):
    """Makes boards whose games are kept in one folder, as if the program began anew each time."""

    def make(setup=ASKED):
        desk = SessionAlone(tmp_path, setup, has_page=False)
        request.addfinalizer(desk.close)
        return desk.session

    return make


async def test_another_game_is_offered_with_the_choices_of_the_last(tmp_path):
    """Opened games and restarts offered full strength without a clock."""
    desk = SessionAlone(tmp_path, ASKED, has_page=False)
    game_requests.new(desk.session, "white", "elo 1200", "25+10", "", "")
    analysis_requests.position(desk.session, chess.STARTING_FEN)
    while not desk.told.empty():
        desk.told.get_nowait()
    desk.session.tell_state()
    assert (await desk.told_of("state"))["choice"] == {"level": "elo 1200", "clock": "25+10"}
    desk.close()


async def test_the_next_program_offers_them_too(board):
    game_requests.new(board(), "white", "elo 1200", "25+10", "", "")
    assert board().preferences == Preferences("elo 1200", "25+10")


async def test_a_game_from_a_position_is_a_choice_too(board):
    session = board()
    game_requests.play_from_here(session, "white", "nodes 50", "3+2")
    assert board().preferences == Preferences("nodes 50", "3+2")


async def test_a_level_that_is_changed_in_a_game_is_the_next_ones(board):
    session = board()
    game_requests.new(session, "white", "elo 1200", "5", "", "")
    game_requests.level(session, "alone")
    assert board().preferences == Preferences("alone", "5")


async def test_levels_on_the_command_line_go_before_what_was_kept(board):
    game_requests.new(board(), "white", "elo 1200", "5", "", "")
    levels = dict.fromkeys(chess.COLORS, parse_level("elo 900"))
    assert board(Setup(levels=levels)).preferences == Preferences("elo 900")


async def test_somebody_elses_game_goes_on_at_the_level_that_was_chosen_last(board):
    """Aino went on with it at full strength."""
    session = board()
    game_requests.new(session, "white", "elo 1200", "", "", "")
    game = next(read_text_games(KASPAROV, "text")).game
    session.put(BoardGame(saved_game(game)), None)
    assert session.board_game.level == EloLevel(1200)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"level": "elo 1200"}', '{"level": 3, "clock": ""}', "[" * 10_000, '{"level": "hardest", '
     '"clock": ""}', '{"level": "easy", "clock": "-1"}', "\ud800"],
)  # fmt: skip
def test_what_is_no_choice_is_the_usual_one(text, tmp_path):
    (tmp_path / CHOICE).write_text(text, encoding="utf-8", errors="surrogatepass")
    assert Preferences.read(tmp_path) == Preferences()


def test_a_choice_lasts_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    Preferences.parse("easy", "5").keep(tmp_path / "file")
    assert Preferences.read(tmp_path / "file") == Preferences()
