"""Chosen games as one PGN, and as one page to learn from."""

import pytest

from tests.boards import games_in
from tests.uci.library.own_games import row_of, write
from uci.library.cooperative import finish
from uci.library.export import lesson_page, pgn_of
from uci.library.games_folder import GamesFolder

WORDS = '[White "Zoe"]\n[Black "?"]\n\n1.  e4! {My  words} (1. d4 $5) *\n'


@pytest.fixture
def games(tmp_path):
    write(tmp_path / "mine.pgn", ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5"))
    (tmp_path / "study.pgn").write_text(WORDS)
    found = GamesFolder(tmp_path)
    found.refresh()
    return found


def keys(games, *names):
    return [row_of(games, name)["key"] for name in names]


def test_a_game_is_saved_in_its_own_words(games):
    assert finish(pgn_of(games, keys(games, "Zoe"))) == WORDS + "\n"


def test_games_are_saved_in_the_order_of_the_list(games, tmp_path):
    (tmp_path / "out.txt").write_text(finish(pgn_of(games, keys(games, "Zoe", "Anna"))))
    found = games_in(tmp_path / "out.txt")
    assert [game.headers["White"] for game in found] == ["Zoe", "Anna"]


def test_a_lesson_has_all_games_on_one_page(games):
    page = finish(lesson_page(games, keys(games, "Zoe", "Anna")))
    assert page.count('<section class="game"') == 2


def test_a_lesson_shows_the_words_of_a_game_that_nobody_judged(games):
    page = finish(lesson_page(games, keys(games, "Zoe")))
    assert "My  words" in page
    assert "Variation" in page


def test_a_game_that_nobody_judged_has_no_accuracy(games):
    page = finish(lesson_page(games, keys(games, "Anna")))
    assert '<table class="sides" hidden>' in page
    assert '"score"' not in page.partition('class="steps"')[2].partition("</script>")[0]


@pytest.mark.parametrize("made", [pgn_of, lesson_page])
def test_others_are_answered_between_two_games(games, made):
    """A lesson of some games took seconds, in which no search and no puzzle came."""
    assert len(list(made(games, keys(games, "Zoe", "Anna")))) == 2
