"""Reading a folder of games: what is new, has changed or is gone, and files that are odd."""

import os
from unittest.mock import Mock

import pytest

from engine.errors import DataError
from tests.new_process import linux, posix
from tests.uci.library.own_games import FAY, GAMES, delete, row_of, rows_of, text_of, whites, write
from uci.game.game_file import REVIEWS
from uci.library import folder_reader
from uci.library.cooperative import finish
from uci.library.folder_reader import FileMark
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder


def test_a_file_that_is_gone_is_forgotten(games, tmp_path):
    (tmp_path / "mine.pgn").unlink()
    games.refresh()
    assert not whites(games)


def test_a_game_is_not_opened_from_a_file_that_changed_since(games, tmp_path):
    key = row_of(games, "Dora")["key"]
    write(tmp_path / "mine.pgn", *GAMES[1:])
    with pytest.raises(DataError, match=r"changed|no game"):
        games.game(key)


def unread(games, monkeypatch):
    """The files that a refreshing reads."""
    find = Mock(side_effect=folder_reader.find_games)
    with monkeypatch.context() as patched:
        patched.setattr(folder_reader, "find_games", find)
        games.refresh()
    return [call.args[0].name for call in find.call_args_list]


@pytest.mark.parametrize("times", ["all", "but the latest"])
def test_a_file_changed_within_a_tick_of_its_clock_is_read_again(
    games, tmp_path, monkeypatch, times
):
    """It never was, where its size stayed."""
    path = tmp_path / "mine.pgn"
    before = path.stat()
    state = folder_reader._state
    path.write_text(text_of().replace("Dora", "Flora"[:4]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if times == "all":
        monkeypatch.setattr(
            folder_reader,
            "_state",
            lambda stat: state(before) if stat.st_size == before.st_size else state(stat),
        )
    games.refresh()
    assert whites(games) == ["Flor", "Cleo", "Anna"]


def test_of_a_file_that_is_settled_only_the_times_are_looked_at(games, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_reader, "_TICK_S", -10.0)
    games.refresh()
    monkeypatch.setattr(folder_reader, "_content", lambda path: 1 // 0)
    games.refresh()
    assert FileMark.of(tmp_path / "mine.pgn").digest == b""


def test_a_change_made_here_asks_for_no_reading(games, monkeypatch):
    delete(games, "Cleo")
    assert not unread(games, monkeypatch)


def test_a_change_made_here_in_a_file_that_was_not_read_is_followed_by_one(
    games, tmp_path, monkeypatch
):
    """A game that another program had saved there was never listed."""
    with (tmp_path / "mine.pgn").open("a") as stream:
        stream.write("\n" + text_of([FAY]))
    delete(games, "Cleo")
    assert unread(games, monkeypatch) == ["mine.pgn"]
    assert whites(games) == ["Fay", "Dora", "Anna"]


def test_a_file_that_could_not_be_opened_is_read_the_next_time(games, tmp_path, monkeypatch):
    """Another program had it open for a moment, and its games were missing for ever."""
    write(tmp_path / "new.pgn", FAY)
    with monkeypatch.context() as patched:
        refuse = Mock(side_effect=PermissionError(13, "no"))
        patched.setattr("uci.library.game_files.open_unpacked", refuse)
        assert len(games.refresh()) == 1
    assert not games.refresh()
    assert whites(games)[0] == "Fay"


# ---- step by step --------------------------------------------------------------------------------


def test_the_newest_file_is_read_first(games, tmp_path, monkeypatch):
    for number in range(3):
        write(tmp_path / f"{number}.pgn", FAY)
        os.utime(tmp_path / f"{number}.pgn", (number + 1, number + 1))
    assert unread(games, monkeypatch) == ["2.pgn", "1.pgn", "0.pgn"]


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A folder of two files with 60 games, of which each is a step of its own."""
    monkeypatch.setattr(folder_reader, "_STEP_S", 0.0)
    for name in "ab":
        games = ((f"{name}{number:02}", "B", "", "1-0", "e4 e5") for number in range(30))
        write(tmp_path / f"{name}.pgn", *games)
    return GamesFolder(tmp_path)


def number_listed(games):
    return games.catalogue.find(GameQuery())[1]


def test_games_are_listed_while_others_are_still_to_come(many):
    numbers = [number_listed(many) for _ in many.refreshing()]
    assert numbers == sorted(numbers)
    assert {1, 30, 45} <= {*numbers}


def test_it_is_told_how_many_games_are_still_to_come(many):
    progress = []
    finish(many.refreshing(lambda *numbers: progress.append(numbers)))
    assert [read for read, _ in progress] == [*range(1, 61)]
    assert all(abs(read + left - 60) <= 2 for read, left in progress)


def test_a_file_that_is_read_again_stays_listed_meanwhile(many, tmp_path):
    """The list was empty and began anew."""
    many.refresh()
    (tmp_path / "a.pgn").touch()
    assert {number_listed(many) for _ in many.refreshing()} == {60}


def test_two_readings_of_a_new_file_list_each_game_once(many):
    """An import while reviews ran listed too few games, and copies of some."""
    first, second = many.refreshing(), many.refreshing()
    for _step in zip(first, second, strict=False):
        pass
    for _step in (*first, *second):
        pass
    rows, total = many.catalogue.find(GameQuery())
    assert total == 60
    assert {row["copies"] for row in rows} == {1}


def test_a_game_deleted_while_its_file_is_read_stays_deleted(many):
    steps = many.refreshing()
    for _step in range(5):
        next(steps)
    white = rows_of(many)[0]["white"]
    assert not delete(many, white)
    for _step in steps:
        pass
    assert white not in [game.white for game in many.catalogue._games.values()]
    assert number_listed(many) == 59


# ---- odd files -----------------------------------------------------------------------------------


def test_odd_files_spoil_no_list(games, tmp_path):
    """A link to nothing ended the folder_reader."""
    (tmp_path / "gone.pgn").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.pgn").mkdir()
    (tmp_path / "noise.pgn").write_bytes(bytes(range(256)) * 20)
    problems = sorted(
        problem.partition(".pgn:")[0].rpartition("/")[2] for problem in games.refresh()
    )
    assert problems == ["folder", "noise"]
    assert whites(games) == ["Dora", "Cleo", "Anna"]


@posix  # links need rights there
def test_a_link_to_a_file_of_the_folder_is_no_other_file(games, tmp_path):
    """Its games were said to stay when they were deleted from the file that it leads to."""
    (tmp_path / "again.pgn").symlink_to(tmp_path / "mine.pgn")
    games.refresh()
    assert not delete(games, "Cleo")
    assert whites(games) == ["Dora", "Anna"]


def test_a_faulty_game_is_told_with_its_place(games, tmp_path):
    (tmp_path / "LOUD.PGN").write_text("1. e4 Zz9 *\n")
    (problem,) = games.refresh()
    assert problem.startswith("LOUD.PGN: 1 fault, 1:7: 'Zz9'")


def test_an_illegal_move_in_a_variation_is_told_when_its_file_is_imported(games, tmp_path):
    """It was dropped without a word."""
    variations = ["1. e4 (1. d4 Nf6) *", "1. e4 e5 (1... c5 2. Nf9) 2. Nf3 *", "1. d4 *"]
    (tmp_path / "new.pgn").write_text("\n\n".join(variations) + "\n")
    (problem,) = finish(games.refreshing(imported="new.pgn"))
    assert problem.startswith("new.pgn: 1 fault, 3:22: 'Nf9'")


@linux  # names of any bytes
def test_a_file_name_of_any_bytes_is_as_good_as_another(games, tmp_path):
    """My games had "0 games" and nothing else."""
    (tmp_path / "mine.pgn").rename(tmp_path / os.fsdecode(b"M\xfcller.pgn"))
    games.refresh()
    row = row_of(games, "Cleo")
    assert row["file"] == "M\ufffdller.pgn"
    assert games.game(row["key"]).headers["White"] == "Cleo"
    delete(games, "Cleo")
    assert whites(games) == ["Dora", "Anna"]


def test_a_folder_in_which_nothing_can_be_written_shows_its_games(tmp_path):
    """My games was empty there, and an error."""
    write(tmp_path / "mine.pgn", *GAMES)
    (tmp_path / REVIEWS).write_text("in the way of the folder")
    games = GamesFolder(tmp_path)
    assert ["Nothing can be written in" in problem for problem in games.refresh()] == [True]
    assert whites(games) == ["Dora", "Cleo", "Anna"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.pgn", REVIEWS]


def test_a_folder_that_cannot_be_made_has_no_games(tmp_path):
    (tmp_path / "file").write_text("")
    problems = GamesFolder(tmp_path / "file" / "games").refresh()
    assert "Nothing can be written in" in problems[-1]
