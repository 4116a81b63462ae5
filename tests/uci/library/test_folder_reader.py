"""Reading a folder of games: what is new, has changed or is gone, and files that are odd."""

import os

import pytest

from engine.errors import DataError
from tests.new_process import linux, posix
from tests.uci.library.own_games import FAY, GAMES, row_of, text_of, whites, write
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
    read = []
    find = folder_reader.find_games
    monkeypatch.setattr(
        folder_reader,
        "find_games",
        lambda path, *rest: (read.append(path.name), find(path, *rest))[1],
    )
    games.refresh()
    monkeypatch.undo()
    return read


def test_a_file_that_stays_is_not_read_again(games, monkeypatch):
    assert not unread(games, monkeypatch)


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
    row = row_of(games, "Cleo")
    games.delete([row["key"]])
    assert not unread(games, monkeypatch)


def test_a_change_made_here_in_a_file_that_was_not_read_is_followed_by_one(
    games, tmp_path, monkeypatch
):
    """A game that another program had saved there was never listed."""
    row = row_of(games, "Cleo")
    with (tmp_path / "mine.pgn").open("a") as stream:
        stream.write("\n" + text_of([FAY]))
    games.delete([row["key"]])
    assert unread(games, monkeypatch) == ["mine.pgn"]
    assert whites(games) == ["Fay", "Dora", "Anna"]


def test_a_file_that_could_not_be_opened_is_read_the_next_time(games, tmp_path, monkeypatch):
    """Another program had it open for a moment, and its games were missing for ever."""
    write(tmp_path / "new.pgn", FAY)
    with monkeypatch.context() as patched:
        patched.setattr(
            "uci.library.game_files.open_unpacked",
            lambda path: (_ for _ in ()).throw(PermissionError(13, "no")),
        )
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
        write(
            tmp_path / f"{name}.pgn",
            *[(f"{name}{number:02}", "B", "", "1-0", "e4 e5") for number in range(30)],
        )
    return GamesFolder(tmp_path)


def test_games_are_listed_while_others_are_still_to_come(many):
    steps = many.refreshing()
    listed = [many.catalogue.find(GameQuery())[1] for _ in steps]
    assert listed == sorted(listed)
    assert {1, 30, 45} <= {*listed}


def test_it_is_told_how_many_games_are_still_to_come(many):
    told = []
    finish(many.refreshing(lambda read, left: told.append((read, left))))
    assert [read for read, _ in told] == [*range(1, 61)]
    assert all(abs(read + left - 60) <= 2 for read, left in told)


def test_a_file_that_is_read_again_stays_listed_meanwhile(many, tmp_path):
    """The list was empty and began anew."""
    many.refresh()
    (tmp_path / "a.pgn").touch()
    assert {many.catalogue.find(GameQuery())[1] for _ in many.refreshing()} == {60}


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
    row = many.catalogue.find(GameQuery())[0][0]
    assert not many.delete([row["key"]]).sentences
    for _step in steps:
        pass
    assert row["white"] not in [game.white for game in many.catalogue._games.values()]
    assert many.catalogue.find(GameQuery())[1] == 59


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
    row = row_of(games, "Cleo")
    assert not games.delete([row["key"]]).sentences
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
    games.delete([row["key"]])
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
