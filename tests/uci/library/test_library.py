"""One's own games: the index follows the files and loses nothing."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, permutations, product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import chess
import pytest

from engine.errors import DataError
from tests.boards import board_after, games_in
from tests.uci.library.own_games import GAMES, text_of, whites
from tests.unit.board.pgn_forms import TEXTS, WORDS, played_game, san, whole, words_of
from uci.game.game_file import REVIEWS
from uci.game.timed_game import Setup, TimedGame
from uci.library import game_files
from uci.library.game_files import FoundGame, digest_of, find_games, game_key, read_at
from uci.library.index import INDEX, GameIndex, Wanted
from uci.library.worker import GamesWorker


def test_days_that_are_not_known_and_days_in_other_forms_have_their_place(
    index: GameIndex, tmp_path: Path
) -> None:
    """A game of 2025.??.?? came before all others of that year, and 31.12.2019 was of the year 31."""
    dates = {"2025.03.01": "2025.03.01", "2025.??.??": "2025", "2025.11.??": "2025.11", "2025-3-9": "2025.03.09",
             "31.12.2019": "2019.12.31", "12/31/2018": "2018.12.31", "????.??.??": "", "1858.06.05": "1858.06.05",
             "yesterday": "", "\u0662\u0660\u0662\u0661.01.02": "2021.01.02", "2020.00.00": "2020",
             "Oct 15, 2016": "2016", "2015.??.12": "2015", "20140301": "2014.03.01", "2013.13.45": "2013"}  # fmt: skip
    games = [(f"White {number}", "B", date, "1-0", "e4 e5") for number, date in enumerate(dates)]
    (tmp_path / "mine.pgn").write_text(text_of(games), encoding="utf-8")
    index.refresh()
    assert [game["date"] for game in index.find(Wanted())[0]] == sorted(
        dates.values(), reverse=True
    )


def test_games_are_found_by_opening_player_result_and_side(index: GameIndex) -> None:
    assert whites(index) == ["Dora", "Cleo", "Anna"]
    index.add_name("ANNA")
    assert [whites(index, Wanted(text)) for text in ("sicilian", "knights ben", "%")] == [
        ["Cleo"],
        ["Anna"],
        [],
    ]
    assert [whites(index, Wanted(result=one)) for one in ("won", "drawn")] == [
        ["Cleo", "Anna"],
        ["Dora"],
    ]
    assert whites(index, Wanted(result="won", side="black")) == ["Cleo"]


def test_the_explorer_counts_games_that_reach_a_position_in_any_order(
    index: GameIndex, tmp_path: Path
) -> None:
    games = [
        ("A", "B", "2024.01.01", "1-0", "d4 d5 Nf3 Nf6 c4"),
        ("C", "A", "2024.01.02", "0-1", "Nf3 Nf6 d4 d5 c4 e6"),
        ("D", "E", "2024.01.03", "1/2-1/2", "Nf3 d5 d4 Nf6 e3"),
        ("F", "G", "2024.01.04", "*", "e4 e5"),
        ("F", "G", "2024.01.05", "1-0", "d4 d5"),
    ]
    (tmp_path / "mine.pgn").write_text(text_of(games), encoding="utf-8")
    index.refresh()

    def explored(board: chess.Board, side: str = "") -> list[tuple[str, tuple[int, ...]]]:
        return [(one.move.uci(), one.counts) for one in index.explore(board, side)]

    assert explored(chess.Board()) == [
        ("d2d4", (2, 0, 0, 0)),
        ("g1f3", (0, 1, 1, 0)),
        ("e2e4", (0, 0, 0, 1)),
    ]
    board = board_after("d4 Nf6 Nf3 d5")
    assert explored(board) == [("c2c4", (1, 0, 1, 0)), ("e2e3", (0, 1, 0, 0))]
    index.add_name("a")
    assert explored(board, "black") == [("c2c4", (0, 0, 1, 0))]
    assert (
        explored(board_after("d4 Nf6 Nf3 d5 c4 c6"))
        == explored(chess.Board("4k3/8/8/8/8/8/8/4K3 w - - 0 1"))
        == []
    )
    assert explored(board_after("d4 --")) == [], "a pass was an error"
    orders = product(permutations(("a3", "b3", "c3", "d3")), permutations(("a6", "b6", "c6", "d6")))
    lines = [" ".join([*chain(*zip(*order, strict=True)), "e4"]) for order in orders]
    (tmp_path / "orders.pgn").write_text(
        text_of([("H", "I", "2024.01.06", "1-0", line) for line in lines])
    )
    index.refresh()
    assert explored(board_after(lines[0][:-3])) == [("e2e4", (len(lines), 0, 0, 0))], (
        "it knew 300 orders of moves"
    )


@pytest.mark.parametrize("damage", ["lost", "no database", "another version", "in the middle"])
def test_a_lost_or_damaged_index_is_made_anew(
    index: GameIndex, tmp_path: Path, damage: str
) -> None:
    """Damage behind the first page was an error for ever, as was a later version's view or numbered
    table.
    """
    if damage == "another version":
        index._base.executescript("""CREATE VIEW latest AS SELECT * FROM games; PRAGMA user_version = 99;
            CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO numbered VALUES (1);""")
    index.close()
    questions, answers = (
        GamesWorker(tmp_path, lambda error: answers.put([error])),
        SimpleQueue[list[str]](),
    )
    if damage == "in the middle":
        data = (tmp_path / INDEX).read_bytes()
        (tmp_path / INDEX).write_bytes(data[:4096] + bytes(len(data) - 4096))
        questions.do(lambda index: answers.put([str(index.folder)]))
        assert answers.get(timeout=60.0) == [str(tmp_path)]
    elif damage != "another version":
        for left in tmp_path.glob(f"{INDEX}*"):
            left.unlink()
    if damage == "no database":
        (tmp_path / INDEX).write_bytes(b"SQLite it is not" * 1000)
    with contextlib.closing(GameIndex(tmp_path)) as again:
        assert again.refresh() == []
        assert whites(again) == ["Dora", "Cleo", "Anna"]
    questions.do(lambda index: answers.put(whites(index)))
    assert answers.get(timeout=60.0) == ["Dora", "Cleo", "Anna"]
    questions.close()


def test_names_in_other_scripts_and_chapters_of_studies_are_found(
    index: GameIndex, tmp_path: Path
) -> None:
    """Capitals of other scripts were other letters, and each chapter of a study was a game of ?
    against ?.
    """
    games = [
        ("Магнус", "Étienne ÖZIL", "2024.01.02", "1-0", "e4 e5"),
        ("100%_!", "李", "2024.01.01", "*", "d4 d5"),
    ]
    (tmp_path / "mine.pgn").write_text(text_of(games), encoding="utf-8")
    chapter = '[Event "Endings: Pawns"]\n[ChapterName "Pawns"]\n[Opening "?"]\n[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]'
    (tmp_path / "study.pgn").write_text(
        f"{chapter}\n\n1. e4 {{ Go }} 1... -- 2. e5 *\n", encoding="utf-8"
    )
    assert index.refresh() == []
    for text in ("магнус", "étienne özil", "МАГ", "OZIL", "2024.01.02", "1-0"):
        assert whites(index, Wanted(text)) == ["Магнус"], text
    assert whites(index, Wanted("%_!")) == whites(index, Wanted("李")) == ["100%_!"]
    (found,), _ = index.find(Wanted("endings pawns"))
    assert (found["white"], found["black"], found["opening"]) == ("Pawns", "", "")


def test_a_folder_in_which_nothing_can_be_written_shows_its_games(tmp_path: Path) -> None:
    """My games was empty there, and an error."""
    (tmp_path / "mine.pgn").write_text(text_of(), encoding="utf-8")
    (tmp_path / REVIEWS).write_text("in the way of the folder", encoding="utf-8")
    with contextlib.closing(GameIndex(tmp_path)) as index:
        assert ["Nothing can be written in" in problem for problem in index.refresh()] == [True]
        assert whites(index) == ["Dora", "Cleo", "Anna"]
        assert index.game(index.find(Wanted("anna"))[0][0]["key"]).headers["Black"] == "anna"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.pgn", REVIEWS]
    with contextlib.closing(
        GameIndex(tmp_path / REVIEWS / "games")
    ) as index:  # which cannot be made
        assert "Nothing can be written in" in index.refresh()[-1]


def test_an_index_was_checked_as_a_whole_whenever_it_was_opened(index, tmp_path, monkeypatch):
    said, connect, tomorrow = list[str](), sqlite3.connect, time.time() + 86_400.0

    def listening(*place: Any, **how: Any) -> sqlite3.Connection:
        base = connect(*place, **how)
        base.set_trace_callback(said.append)
        return base

    monkeypatch.setattr("uci.library.index.sqlite3.connect", listening)
    for checks in (0, 1, 1):
        with contextlib.closing(GameIndex(tmp_path)) as again:
            assert again.refresh() == []
        assert sum("quick_check" in text for text in said) == checks
        monkeypatch.setattr("uci.library.index.time.time", lambda: tomorrow)


def test_a_newer_search_ends_those_before_it(index: GameIndex, tmp_path: Path) -> None:
    """The board stood still during each search of a large library, and each letter that was typed
    waited for all.
    """
    answers, errors, done = list[str](), list[str](), threading.Event()
    questions = GamesWorker(tmp_path, errors.append)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n WHERE begun() > 0"
    begun = threading.Event()

    def search(index: GameIndex) -> None:
        index._base.create_function("begun", 0, begun.set)
        index._base.execute(endless).fetchone()

    questions.ask("find", "s", search)
    assert begun.wait(30.0)
    questions.ask("explore", "", lambda index: answers.append("explored"))
    questions.ask("find", "si", search)
    questions.ask(
        "find", "sic", lambda index: (answers.extend(whites(index, Wanted("sic"))), done.set())
    )
    assert done.wait(30.0)
    assert (answers, errors) == (["explored", "Cleo"], [])
    questions.close()


def test_a_change_is_made_though_the_board_closes(tmp_path: Path) -> None:
    """A game that was deleted just before the end stayed: the deletion was given up like a search."""
    answers, errors = list[str](), list[str]()
    begun, goes_on, made = threading.Event(), threading.Event(), threading.Event()
    questions = GamesWorker(tmp_path, errors.append)
    questions.do(lambda index: (begun.set(), goes_on.wait(30.0), index.add_name("Ada")))
    questions.ask("find", "s", lambda index: answers.append("found"))
    questions.do(lambda index: (answers.extend(index.own_names.all), made.set()))
    assert begun.wait(30.0)
    questions.close()
    goes_on.set()
    assert made.wait(30.0)
    assert answers == ["you", "ada"]
    assert errors == []


def test_a_file_that_is_being_read_was_read_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """My games, opened during an import, emptied the list and began anew."""
    (tmp_path / "mine.pgn").write_text(text_of(), encoding="utf-8")
    begun, goes_on, read = threading.Event(), threading.Event(), list[Path]()

    def slowly(path: Path, faults: list[str]) -> Iterator[FoundGame]:
        read.append(path)
        begun.set()
        assert goes_on.wait(200)
        yield from find_games(path)

    def refresh() -> None:
        with contextlib.closing(GameIndex(tmp_path)) as index:
            index.refresh()

    monkeypatch.setattr("uci.library.index.find_games", slowly)
    first, second = (threading.Thread(target=refresh) for _ in range(2))
    first.start()
    assert begun.wait(200)
    second.start()
    second.join(0.2)
    goes_on.set()
    first.join()
    second.join()
    assert len(read) == 1


def test_a_file_that_could_not_be_opened_is_read_the_next_time(index, tmp_path, monkeypatch):
    """Another program had it open for a moment, and its games were missing for ever."""
    (tmp_path / "new.pgn").write_text(
        text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]), encoding="utf-8"
    )
    with monkeypatch.context() as patched:
        patched.setattr(
            "uci.library.game_files.open_unpacked",
            lambda path: (_ for _ in ()).throw(PermissionError(13, "no")),
        )
        assert len(index.refresh()) == 1
    assert index.refresh() == []
    assert whites(index)[0] == "Fay"


def test_a_file_that_another_program_changed_is_read_again(
    index: GameIndex, tmp_path: Path
) -> None:
    key = index.find(Wanted("Dora"))[0][0]["key"]
    (tmp_path / "mine.pgn").write_text(
        text_of(GAMES[1:]).replace("d4 d5", "{ Why? } d4 d5"), encoding="utf-8"
    )
    (tmp_path / "new.pgn").write_text(
        text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]), encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"changed|no game"):
        index.game(key)
    index.refresh()
    assert whites(index) == ["Fay", "Dora", "Cleo"]
    assert index.game(key).headers["White"] == "Dora", "a comment makes no other game"
    (tmp_path / "mine.pgn").unlink()
    index.refresh()
    assert whites(index) == ["Fay"]


def test_odd_files_and_unknown_dates_spoil_no_list(index: GameIndex, tmp_path: Path) -> None:
    """A link to nothing ended the reading, and games without a date came first."""
    (tmp_path / "gone.pgn").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.pgn").mkdir()
    (tmp_path / "noise.pgn").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "old.pgn").write_text(
        text_of([("Zoe", "Y", "????.??.??", "1-0", "e4")]), encoding="utf-8"
    )
    assert [problem.partition(".pgn:")[0].rpartition("/")[2] for problem in index.refresh()] == [
        "folder",
        "noise",
    ]
    assert whites(index) == ["Dora", "Cleo", "Anna", "Zoe"]


def row_of(index: GameIndex, white: str) -> dict[str, Any]:
    return next(game for game in index.find(Wanted())[0] if game["white"] == white)


def test_equal_games_are_told_and_deleted_one_by_one(index: GameIndex, tmp_path: Path) -> None:
    """All of them went at once, with what was written into those that nobody had seen."""
    noted = text_of(GAMES[1:2]).replace("e4 c5", "e4 { Mine! } c5")
    (tmp_path / "export.pgn").write_text(text_of(GAMES[:1]) + "\n" + noted, encoding="utf-8")
    index.refresh()
    shown = row_of(index, "Cleo")
    assert (shown["file"], shown["copies"]) == ("export.pgn", 2), "the one with most in it"
    review = tmp_path / REVIEWS / f"{shown['key']}.json"
    review.touch()
    assert index.delete(shown["key"], shown["text"]) == "1 equal game stays, in mine.pgn."
    assert "Mine!" not in (tmp_path / "export.pgn").read_text(encoding="utf-8")
    assert "Cleo" in (tmp_path / "mine.pgn").read_text(encoding="utf-8")
    assert review.exists()
    with pytest.raises(DataError, match="not in the list"):
        index.delete(shown["key"], shown["text"])
    assert index.delete(shown["key"]) == ""
    assert not review.exists()
    (tmp_path / "new.pgn").write_text(
        text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]), encoding="utf-8"
    )
    index.refresh()
    assert whites(index) == ["Fay", "Dora", "Anna"]
    assert [game.headers["White"] for game in games_in(tmp_path / "export.pgn")] == ["Anna"]
    assert all(
        index.game(game["key"]).headers["White"] == game["white"]
        for game in index.find(Wanted())[0]
    )


def test_only_the_text_that_was_shown_is_deleted(index: GameIndex, tmp_path: Path) -> None:
    """Another program had written a note into it, or saved a game in the file, which was then never
    listed.
    """
    shown, path = row_of(index, "Cleo"), tmp_path / "mine.pgn"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("e4 c5", "e4 { Mine! } c5"), encoding="utf-8")
    with pytest.raises(DataError, match="has changed"):
        index.delete(shown["key"], shown["text"])
    index.refresh()
    with pytest.raises(DataError, match="not in the list"):
        index.delete(shown["key"], shown["text"])
    assert "Mine!" in path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    index.refresh()
    path.write_text(
        text + "\n" + text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]), encoding="utf-8"
    )
    index.delete(shown["key"], shown["text"])
    index.refresh()
    assert whites(index) == ["Fay", "Dora", "Anna"]


def test_a_link_to_a_file_elsewhere_is_followed(tmp_path: Path) -> None:
    """Deleting a game put a file in the place of the link; the game stayed where the person keeps
    it.
    """
    (folder := tmp_path / "games").mkdir()
    (tmp_path / "all.pgn").write_text(text_of(), encoding="utf-8")
    (tmp_path / "all.pgn").chmod(0o640)
    (folder / "link.pgn").symlink_to(tmp_path / "all.pgn")
    with contextlib.closing(GameIndex(folder)) as index:
        index.refresh()
        index.delete(row_of(index, "Cleo")["key"])
    assert [game.headers["White"] for game in games_in(tmp_path / "all.pgn")] == ["Anna", "Dora"]
    assert (tmp_path / "all.pgn").stat().st_mode & 0o777 == 0o640
    assert (folder / "link.pgn").is_symlink()


GAME = {
    "Event": "Club",
    "Date": "2024.05.01",
    "Round": "1",
    "White": "Ann",
    "Black": "Bob",
    "Result": "1-0",
}
EXERCISE = "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"


def pgn(moves: str = "1. e4 e5", **tags: str) -> str:
    lines = "".join(f'[{name} "{value}"]\n' for name, value in (GAME | tags).items())
    return f"{lines}\n{moves} {(GAME | tags)['Result']}\n\n"


DIFFERENT = [
    *(
        {name: value}
        for name, value in {
            "Event": "Cup",
            "Date": "2024.05.02",
            "Time": "10:00",
            "Round": "3",
        }.items()
    ),
    *(
        {"UTCTime": "10:00:00"},
        {"White": "Al"},
        {"Black": "Al"},
        {"Result": "0-1"},
        {"Result": "*"},
    ),
    *({"FEN": start} for start in (EXERCISE, EXERCISE.replace("4K3", "3K4"))),
    *(
        {"moves": moves}
        for moves in ("1. e4 c5", "1. e4 e5 2. d4", "1. -- e5", "1. e4 --", "1. e4 -- 2. d4")
    ),
]
SAME = [
    *(
        {"Site": "home"},
        {"Event": "Club "},
        {"Opening": "?"},
        {"WhiteElo": "1200"},
        {"FEN": chess.STARTING_FEN},
    ),
    {"moves": "1. e4 { Good } (1. d4) e5 $1"},
]


def test_games_are_the_same_by_what_was_played_by_whom_and_when(tmp_path: Path) -> None:
    """Exercises with other positions and games of other rounds were one, and one deletion took them
    all.
    """
    texts = [pgn(**facts) for facts in ({}, *DIFFERENT, *SAME)]
    (tmp_path / "mine.pgn").write_text("".join(texts), encoding="utf-8")
    found = list(find_games(tmp_path / "mine.pgn"))
    different, same = found[: 1 + len(DIFFERENT)], found[1 + len(DIFFERENT) :]
    assert len({game.key for game in different}) == len(different)
    assert {game.key for game in same} == {found[0].key}
    assert len(same) == len(SAME)
    assert [game.digest for game in found] == [digest_of(text.encode()) for text in texts]
    assert [game_key(game) for game in games_in(tmp_path / "mine.pgn")] == [
        game.key for game in found
    ]
    with contextlib.closing(GameIndex(tmp_path)) as index:
        index.refresh()
        for left in range(len(different), 0, -1):
            games, total = index.find(Wanted())
            assert total == left
            while index.delete(games[0]["key"], games[0]["text"]):
                games, _ = index.find(Wanted())
    assert not (tmp_path / "mine.pgn").exists()


def test_chapters_that_begin_with_a_pass_or_have_no_move_are_listed(tmp_path: Path) -> None:
    """They never appeared."""
    chapters = "".join(f'[Event "Study: {name}"]\n[FEN "{EXERCISE}"]\n\n{moves} *\n\n' for name, moves in
                       (("pass", "1. -- Kd7 2. e4"), ("null", "1. Z0 Kd7"), ("position", "{ What now? }")))  # fmt: skip
    (tmp_path / "study.pgn").write_text(chapters, encoding="utf-8")
    with contextlib.closing(GameIndex(tmp_path)) as index:
        assert index.refresh() == []
        games = index.find(Wanted())[0]
        assert [(game["white"], game["plies"]) for game in games[::-1]] == [
            ("Study: pass", 3), ("Study: null", 2), ("Study: position", 0)]  # fmt: skip
        assert len(list(index.game(games[-1]["key"]).mainline())) == 3


def test_games_of_one_day_stand_in_their_order_and_two_alike_are_two(
    index: GameIndex, tmp_path: Path
) -> None:
    """Lichess's files have the latest game first; and who lost to the same trap twice a day had
    lost once.
    """
    days = [("12:30:00", "Late"), ("09:00:00", "Early"), ("09:10:00", "Early")]
    text = "".join(text_of([(white, "B", "2025.01.01", "1-0", "f3 e5 g4 Qh4")], f'[UTCTime "{time}"]\n') + "\n"
                   for time, white in days)  # fmt: skip
    (tmp_path / "mine.pgn").write_text(text, encoding="utf-8")
    index.refresh()
    assert whites(index) == ["Late", "Early", "Early"]
    assert index.find(Wanted())[0][0]["date"] == "2025.01.01"
    games = [TimedGame(Setup()), TimedGame(Setup())]
    games[1].started += timedelta(minutes=1)
    assert len({game_key(game.record()) for game in games}) == 2


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_deleted_game_leaves_its_file_and_the_others_in_it(
    index: GameIndex, tmp_path: Path, line_end: str
) -> None:
    path = tmp_path / "mine.pgn"
    path.write_bytes(text_of().replace("\n", line_end).encode())
    index.refresh()
    keys = {game["white"]: game["key"] for game in index.find(Wanted())[0]}
    index.delete(keys["Cleo"])
    assert whites(index) == ["Dora", "Anna"]
    assert [game.headers["White"] for game in games_in(path)] == ["Anna", "Dora"]
    assert index.game(keys["Dora"]).headers["White"] == "Dora"
    index.refresh()
    assert whites(index) == ["Dora", "Anna"]


def test_a_game_is_read_again_however_it_and_its_result_are_written(tmp_path: Path) -> None:
    """One with "½-½", "1/2", "1:0" or "1-0 forfeit" had another key when it was opened: "has
    changed".
    """
    words = words_of(played_game(1), san)
    texts = [write(words) for write in TEXTS.values()] + [
        whole(" ".join(write(["e4", "e5"]))) for write in WORDS.values()
    ]
    results = [
        "½-½",
        "1/2",
        "1:0",
        "0.5-0.5",
        "1–0",
        "1-0 forfeit",
        "+/-",
        "?",
        "",
        "Draw",
        "White wins",
        "*",
    ]
    texts += [
        whole("1. e4 e5", {"Result": tag}, behind)
        for tag in results
        for behind in ("*", "1/2-1/2", "½-½")
    ]
    (path := tmp_path / "mine.pgn").write_text("\n\n".join(texts), encoding="utf-8")
    found = list(find_games(path))
    assert len(found) == len(texts)
    assert [game_key(read_at(path, game.place)) for game in found] == [game.key for game in found]
    assert {game.tags["Result"] for game in found[-2:]} == {"1/2-1/2"}


def test_main_lines_and_the_whole_grammar_give_the_same_games(tmp_path: Path) -> None:
    path = tmp_path / "mine.pgn"
    odd = '[White "A \\"B\\" C"]\n[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]\n\n1. e4 {x} (1. e3) Kd7 *\n\n1. e4 Zz9 *\n'
    start = '[FEN "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKB1R w KQkq - 0 1"]'
    odd += f'\n[white "small"]\n[BLACK "B"]\n\n1. e4 *\n\n[White "A"]\n\n[Black "apart"]\n{start}\n\n1. e4 e5 1-0\n'
    path.write_text(text_of() + "\n" + odd, encoding="utf-8")
    with path.open("rb") as stream:
        slow = list(game_files._read_slowly(game_files._KeptText(stream), []))
    fast = list(find_games(path))
    shown = ("White", "Black", "Result", "FEN")
    assert [(game.place, game.key, *map(game.tags.get, shown)) for game in slow] == [
        (
            game.place,
            game.key,
            *(game.tags.get(name, None if name == "FEN" else "?") for name in shown),
        )
        for game in fast
    ]
    assert slow[-1].tags["Black"] == "apart"
    assert [game_key(game) for game in games_in(path)[:4]] == [game.key for game in slow][:4]


KILLED = """
import os, signal, sys
from pathlib import Path
from queue import SimpleQueue
import uci.library.index as index
index._STEP_S = 0.0
made = index.GameIndex(Path(sys.argv[1]))
made.refresh(lambda games: games >= 20 and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_an_index_that_was_killed_on_the_way_misses_no_game(tmp_path: Path) -> None:
    games = [(f"P{number}", "Q", "2024.01.01", "1-0", "e4 e5") for number in range(50)]
    (tmp_path / "mine.pgn").write_text(text_of(games), encoding="utf-8")
    assert (
        subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode
        == -signal.SIGKILL
    )
    with contextlib.closing(GameIndex(tmp_path)) as index:
        assert index.find(Wanted())[1] >= 20
        index.refresh()
        assert index.find(Wanted())[1] == 50
