"""Games deleted and rewritten by My games: only what was shown, with what belongs to it."""

import os

import pytest

from tests.boards import games_in
from tests.uci.library.own_games import GAMES, delete, lines_of, listed, row_of, rows_of, text_of
from uci.game.game_file import ANALYSES, REVIEWS
from uci.library.game_files import WISH, review_path

NOTED = text_of(GAMES[1:2]).replace("e4 c5", "e4 { Mine! } c5")


@pytest.fixture
def twice(games, tmp_path):
    """One of the games stands in another file, too, which was changed last, with a note."""
    (tmp_path / "export.pgn").write_text(text_of(GAMES[:1]) + "\n" + NOTED)
    os.utime(tmp_path / "mine.pgn", (1, 1))
    games.refresh()
    return games


def test_of_equal_games_the_one_changed_last_is_shown(twice):
    row = row_of(twice, "Cleo")
    assert row["file"] == "export.pgn"
    assert row["copies"] == 2


def test_equal_games_are_unfolded(twice):
    rows = rows_of(twice, unfolded=row_of(twice, "Cleo")["equality"])
    files = [(row["white"], row["file"]) for row in rows]
    assert files[1:3] == [("Cleo", "export.pgn"), ("Cleo", "mine.pgn")]
    assert len(files) == 4


def test_what_is_opened_is_what_is_edited(twice):
    """A deleted variation was saved in one copy, and the next opening showed the other."""
    row = row_of(twice, "Cleo")
    game = twice.game(row["key"])
    game.next().comment = ""
    listed = twice.rewrite(row["key"], game)
    assert listed.path.name == "export.pgn"
    assert twice.game(listed.key).next().comment == ""
    assert row_of(twice, "Cleo")["key"] == listed.key


def test_of_equal_games_only_the_one_that_is_shown_is_deleted(twice, tmp_path):
    """All of them went at once, with what was written into those that nobody had seen."""
    assert delete(twice, "Cleo") == "1 equal game stays, in mine.pgn."
    assert [game.headers["White"] for game in games_in(tmp_path / "export.pgn")] == ["Anna"]
    assert "Cleo" in (tmp_path / "mine.pgn").read_text()


def test_equal_games_of_one_file_are_deleted_one_by_one(tmp_path):
    (tmp_path / "mine.pgn").write_text(text_of(GAMES[:1] * 3))
    games = listed(tmp_path)
    copies = []
    while rows := rows_of(games):
        copies.append(rows[0]["copies"])
        assert "list" not in delete(games, "Anna")
    assert copies == [3, 2, 1]


def test_words_before_a_game_do_not_become_those_of_the_next(tmp_path):
    """The list had another place for that game than its next reading."""
    (tmp_path / "mine.pgn").write_text(
        text := '{My book}\n\n[White "Anna"]\n\n1. e4 *\n\n1. d4 *\n'
    )
    games = listed(tmp_path)
    assert "read as a part of another" in delete(games, "Anna")
    assert (tmp_path / "mine.pgn").read_text() == text


def test_a_game_is_not_deleted_twice(twice):
    key = row_of(twice, "Cleo")["key"]
    twice.delete([key])
    assert "not in the list" in twice.delete([key]).sentences[0]


def test_the_review_goes_with_the_last_game_of_its_line(twice, tmp_path):
    review = review_path(tmp_path, lines_of(twice)[1])
    review.touch()
    delete(twice, "Cleo")
    assert review.exists()
    delete(twice, "Cleo")
    assert not review.exists()


def test_the_wish_for_a_review_goes_with_its_game(games, tmp_path):
    (wish := tmp_path / REVIEWS / f"{lines_of(games)[1]}{WISH}").touch()
    delete(games, "Cleo")
    assert not wish.exists()


ANALYSIS = (
    '[Event "Analysis"]\n[White "Cleo"]\n[Black "anna"]\n[Date "2024.01.03"]\n\n1. e4 {%s} c5 *\n'
)


def test_analyses_are_games_of_their_own(games, tmp_path):
    """Two of one day with one main line were listed once; one of a game was listed nowhere."""
    (tmp_path / ANALYSES).mkdir()
    (tmp_path / ANALYSES / "a.pgn").write_text(ANALYSIS % "one" + "\n" + ANALYSIS % "two")
    games.refresh()
    rows = rows_of(games, result=ANALYSES)
    assert sorted(games.game(row["key"]).next().comment for row in rows) == ["one", "two"]


# ---- an import of what is known ------------------------------------------------------------------


@pytest.fixture
def copied(games, tmp_path):
    (tmp_path / "copy.pgn").write_text(text_of())
    games.refresh()
    return games


@pytest.mark.parametrize("more", ["\n", "\n" + text_of([("Fay", "Gil", "", "*", "e4")])])
def test_an_import_that_another_program_changed_meanwhile_stays(copied, tmp_path, more):
    """It went, with its games."""
    with (tmp_path / "copy.pgn").open("a") as stream:
        stream.write(more)
    assert not copied.drop_known("copy.pgn")
