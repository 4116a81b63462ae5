"""Games deleted and rewritten by My games: only what was shown, with what belongs to it."""

import pytest

from engine.errors import DataError
from tests.boards import games_in
from tests.uci.library.own_games import GAMES, row_of, text_of, whites, write
from uci.game.game_file import REVIEWS
from uci.library.game_files import WISH, review_path

NOTED = text_of(GAMES[1:2]).replace("e4 c5", "e4 { Mine! } c5")


def line_of(games, row):
    return games.catalogue.game(row["key"]).line


@pytest.fixture
def twice(games, tmp_path):
    """One of the games stands in another file, too, with a note."""
    (tmp_path / "export.pgn").write_text(text_of(GAMES[:1]) + "\n" + NOTED, encoding="utf-8")
    games.refresh()
    return games


def test_of_equal_games_the_one_with_most_in_it_is_shown(twice):
    row = row_of(twice, "Cleo")
    assert (row["file"], row["copies"]) == ("export.pgn", 2)


def test_of_equal_games_only_the_one_that_is_shown_is_deleted(twice, tmp_path):
    """All of them went at once, with what was written into those that nobody had seen."""
    row = row_of(twice, "Cleo")
    assert twice.delete(row["key"], row["text"])[0] == "1 equal game stays, in mine.pgn."
    assert [game.headers["White"] for game in games_in(tmp_path / "export.pgn")] == ["Anna"]
    assert "Cleo" in (tmp_path / "mine.pgn").read_text(encoding="utf-8")


def test_a_game_is_not_deleted_twice(twice):
    row = row_of(twice, "Cleo")
    twice.delete(row["key"], row["text"])
    with pytest.raises(DataError, match="not in the list"):
        twice.delete(row["key"], row["text"])


def test_the_review_stays_with_an_equal_game(twice, tmp_path):
    row = row_of(twice, "Cleo")
    (review := review_path(tmp_path, line_of(twice, row))).touch()
    twice.delete(row["key"], row["text"])
    assert review.exists()
    twice.delete(row["key"])
    assert not review.exists()


def test_the_review_stays_with_a_game_of_the_same_moves(games, tmp_path):
    write(tmp_path / "other.pgn", ("Zoe", "Yan", "", "*", GAMES[1][4]))
    games.refresh()
    row = row_of(games, "Cleo")
    (review := review_path(tmp_path, line_of(games, row))).touch()
    games.delete(row["key"], row["text"])
    assert review.exists()


def test_the_wish_for_a_review_goes_with_its_game(games, tmp_path):
    row = row_of(games, "Cleo")
    (wish := tmp_path / REVIEWS / f"{line_of(games, row)}{WISH}").touch()
    games.delete(row["key"], row["text"])
    assert not wish.exists()


def test_the_others_of_a_file_stay_where_they_are_found(games, tmp_path):
    games.delete(row_of(games, "Cleo")["key"])
    assert whites(games) == ["Dora", "Anna"]
    assert [game.headers["White"] for game in games_in(tmp_path / "mine.pgn")] == ["Anna", "Dora"]
    assert games.game(row_of(games, "Dora")["key"]).headers["White"] == "Dora"


def test_a_game_that_was_rewritten_is_known_by_its_new_text(games):
    """What was written into it went elsewhere, and was gone when the game was opened again."""
    for words in ("First.", "Second, and longer.", "3rd"):
        row = row_of(games, "Cleo")
        game, text = games.game_text(row["key"])
        game.comment = words
        digest, _ = games.rewrite(row["key"], text, game)
        again = row_of(games, "Cleo")
        assert (text, digest) == (row["text"], again["text"])
        assert games.game(again["key"]).comment == words
        assert games.game(row_of(games, "Dora")["key"]).headers["White"] == "Dora"


# ---- an import of what is known ------------------------------------------------------------------


@pytest.fixture
def copied(games, tmp_path):
    (tmp_path / "copy.pgn").write_text(text_of(), encoding="utf-8")
    games.refresh()
    return games


@pytest.mark.parametrize("more", ["\n", "\n" + text_of([("Fay", "Gil", "", "*", "e4")])])
def test_an_import_that_another_program_changed_meanwhile_stays(copied, tmp_path, more):
    """It went, with its games."""
    with (tmp_path / "copy.pgn").open("a") as stream:
        stream.write(more)
    assert not copied.drop_known("copy.pgn")
