"""How a table begins: what the page chose, and games out of a PGN."""

import chess
import pytest

from engine.errors import ConfigError, DataError
from uci.web.new_games import chosen_game, chosen_position, loaded_game


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "x", "1_0", "²", "960"])
def test_a_chess960_start_that_is_none_is_named(number):
    """One of 5,000 digits raised ValueError."""
    with pytest.raises(ConfigError, match="Chess960 position"):
        chosen_position("", chess.Board(), number)


@pytest.mark.parametrize("number", [0, -3, 2])
def test_a_game_that_the_pgn_does_not_have_is_refused(number):
    """0 loaded the last game, and -3 raised IndexError."""
    with pytest.raises(DataError, match="the PGN has 1 game"):
        loaded_game("1. e4 *", number)


def side_of(side):
    return chosen_game(chess.Board(), side, "full", "").human


@pytest.mark.parametrize(
    ("side", "human"), [("white", chess.WHITE), ("black", chess.BLACK), ("none", None)]
)
def test_the_person_plays_the_chosen_side(side, human):
    assert side_of(side) is human


def test_a_random_side_is_either():
    assert {side_of("random") for _ in range(100)} == set(chess.COLORS)


@pytest.mark.parametrize("number", ["0", "959", "400"])
def test_a_chess960_start_is_chosen_by_its_number(number):
    board, _ = chosen_position("", chess.Board(), number)
    assert board == chess.Board.from_chess960_pos(int(number))


@pytest.mark.parametrize(
    "fen", [chess.Board.from_chess960_pos(0).fen(), "4k3/8/8/8/8/8/8/1R2K3 w Q - 0 1"]
)
def test_a_position_of_a_chess960_game_is_set_up_again(fen):
    shown = chess.Board(fen, chess960=True)
    board, _notes = chosen_position(fen, shown)
    assert board.fen() == fen
    assert board.chess960


def test_of_many_positions_one_is_chosen():
    text = '4k3/8/8/8/8/8/8/R3K3 w - -\n4k3/8/8/8/8/8/8/R3K3 b Q - bm Kd7; id "two";'
    assert loaded_game(text, 2)[0].board.fen() == "4k3/8/8/8/8/8/8/R3K3 b Q - 0 1"
