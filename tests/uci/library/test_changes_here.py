"""Games deleted and rewritten by My games: only what was shown, with what belongs to it."""

import re

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


def test_only_the_text_that_was_shown_is_deleted(games, tmp_path):
    """Another program had written a note into it."""
    row = row_of(games, "Cleo")
    (tmp_path / "mine.pgn").write_text(text_of(GAMES[:1]) + "\n" + NOTED, encoding="utf-8")
    with pytest.raises(DataError, match="has changed"):
        games.delete(row["key"], row["text"])
    games.refresh()
    with pytest.raises(DataError, match="not in the list"):
        games.delete(row["key"], row["text"])
    assert "Mine!" in (tmp_path / "mine.pgn").read_text(encoding="utf-8")


def test_the_others_of_a_file_stay_where_they_are_found(games, tmp_path):
    games.delete(row_of(games, "Cleo")["key"])
    assert whites(games) == ["Dora", "Anna"]
    assert [game.headers["White"] for game in games_in(tmp_path / "mine.pgn")] == ["Anna", "Dora"]
    assert games.game(row_of(games, "Dora")["key"]).headers["White"] == "Dora"


@pytest.fixture(params=["Second, and longer.", "2nd"])
def rewritten(games, request):
    """Twice something was written into a game; the digests of its text, and what was written last."""
    digests = []
    for words in ("First.", request.param):
        game, text = games.game_text(row_of(games, "Cleo")["key"])
        game.comment = words
        digests += [text, games.rewrite(row_of(games, "Cleo")["key"], text, game)[0]]
    return digests, words


def test_what_is_written_into_a_game_stands_in_its_place(games, tmp_path, rewritten):
    """It went elsewhere, and was gone when the game was opened again."""
    assert games.game(row_of(games, "Cleo")["key"]).comment == rewritten[1]
    assert [game.headers["White"] for game in games_in(tmp_path / "mine.pgn")] == [
        "Anna",
        "Cleo",
        "Dora",
    ]


def test_a_game_that_was_rewritten_is_known_by_its_new_text(games, rewritten):
    digests, _ = rewritten
    assert digests[1] == digests[2]
    assert row_of(games, "Cleo")["text"] == digests[3]


def test_the_games_behind_one_that_was_rewritten_are_found(games, rewritten):
    assert [
        games.game(row_of(games, name)["key"]).headers["White"] for name in ("Anna", "Dora")
    ] == ["Anna", "Dora"]


def test_a_game_is_not_rewritten_by_its_old_text(games, rewritten):
    row = row_of(games, "Cleo")
    with pytest.raises(DataError):
        games.rewrite(row["key"], rewritten[0][0], games.game(row["key"]))


def test_an_empty_line_stands_between_two_games(tmp_path, rewritten):
    assert not re.search(r"[^\]\n]\n?\[", (tmp_path / "mine.pgn").read_text(encoding="utf-8"))


# ---- an import of what is known ------------------------------------------------------------------


@pytest.fixture
def copied(games, tmp_path):
    (tmp_path / "copy.pgn").write_text(text_of(), encoding="utf-8")
    games.refresh()
    return games


def test_an_import_of_known_games_goes(copied, tmp_path):
    assert copied.drop_known("copy.pgn")
    assert not (tmp_path / "copy.pgn").exists()
    assert row_of(copied, "Cleo")["copies"] == 1


@pytest.mark.parametrize("more", ["\n", "\n" + text_of([("Fay", "Gil", "", "*", "e4")])])
def test_an_import_that_another_program_changed_meanwhile_stays(copied, tmp_path, more):
    """It went, with its games."""
    with (tmp_path / "copy.pgn").open("a") as stream:
        stream.write(more)
    assert not copied.drop_known("copy.pgn")


def test_an_import_of_games_with_other_words_stays(games, tmp_path):
    (tmp_path / "noted.pgn").write_text(NOTED)
    games.refresh()
    assert not games.drop_known("noted.pgn")
