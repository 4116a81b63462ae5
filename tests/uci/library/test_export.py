"""Chosen games as one PGN."""

import pytest

from tests.boards import games_in
from tests.uci.library.own_games import listed, row_of, write
from uci.library.cooperative import finish
from uci.library.export import pgn_of

WORDS = '[White "Zoe"]\n[Black "?"]\n\n1.  e4! {My  words} (1. d4 $5) *\n'


@pytest.fixture
def games(tmp_path):
    write(tmp_path / "mine.pgn", ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5"))
    (tmp_path / "study.pgn").write_text(WORDS)
    return listed(tmp_path)


def keys(games, *names):
    return [row_of(games, name)["key"] for name in names]


def test_a_game_is_saved_in_its_own_words(games):
    assert finish(pgn_of(games, keys(games, "Zoe"))) == WORDS + "\n"


def test_games_are_saved_in_the_order_of_the_list(games, tmp_path):
    (tmp_path / "out.txt").write_text(finish(pgn_of(games, keys(games, "Zoe", "Anna"))))
    whites = [game.headers["White"] for game in games_in(tmp_path / "out.txt")]
    assert whites == ["Zoe", "Anna"]


def begin_to_save(games, folder):
    """The steps of saving games of two files, of which one is done."""
    write(folder / "more.pgn", *((name, "B", "", "1-0", "d4 d5") for name in ("Fay", "Gil", "Ida")))
    games.refresh()
    steps = pgn_of(games, keys(games, "Zoe", "Fay", "Gil", "Ida"))
    next(steps)  # and others are answered
    return steps


def test_a_game_that_is_deleted_while_others_are_saved_shifts_none(games, tmp_path):
    """What was behind it in the file was cut elsewhere."""
    steps = begin_to_save(games, tmp_path)
    games.delete(keys(games, "Fay"))
    (tmp_path / "out.txt").write_text(finish(steps))
    whites = [game.headers["White"] for game in games_in(tmp_path / "out.txt")]
    assert whites == ["Zoe", "Gil", "Ida"]


def test_a_game_that_is_edited_while_others_are_saved_is_saved_as_it_is_then(games, tmp_path):
    """It was left out."""
    steps = begin_to_save(games, tmp_path)
    (key,) = keys(games, "Gil")
    game = games.game(key)
    game.comment = "Mine."
    games.rewrite(key, game)
    assert "{Mine.}" in finish(steps)
