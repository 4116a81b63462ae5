"""What stands in a folder of games and should not: files of other programs and versions, odd names,
no locks.
"""

import contextlib
import errno
import gzip
import json
import os
import re
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import chess
import pytest

from engine.errors import DataError
from engine.files.atomic import append, write_file
from engine.files.text import printable
from engine.search.limits import Limits
from tests.boards import games_in
from tests.new_process import wait_until
from tests.uci.library.own_games import GAMES, shelf_in, small_engine, text_of, whites
from tests.uci.library.test_background import reviews_in, wait_until_reviewed
from tests.unit.files.test_text import zipped
from uci.annotate.review import review_game
from uci.game.game_file import REVIEWS, pgn_files
from uci.library.index import INDEX, GameIndex, Wanted
from uci.library.kept_reviews import KeptReview
from uci.library.own_names import NAMES
from uci.library.puzzles import Puzzle
from uci.library.review_queue import BEGUN, WISH
from uci.library.training import Trainer
from uci.library.worker import GamesWorker
from uci.web.conductor import read_request
from uci.web.shelf import Shelf

MATE = Puzzle("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", ("g6g7",))
JUNK = [
    "5",
    "null",
    "[1, 2]",
    '{"names": ["anna"], "version": 9}',
    '["an',
    "\0\1",
    "[" * 100_000,
    '"anna"',
    "\ud800",
]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_file_name_of_any_bytes_is_as_good_as_another(tmp_path: Path) -> None:
    """My games had "0 games" and nothing else, and commands ended in tracebacks."""
    path = tmp_path / os.fsdecode(b"M\xfcller.pgn")
    path.write_text(text_of() + "\n1. e4 Zz9 *\n", encoding="utf-8")
    (tmp_path / "LOUD.PGN").write_text(
        text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]), encoding="utf-8"
    )
    (tmp_path / REVIEWS).mkdir()
    for name in (b"\xff.json", b"\xff.wanted", b"no key.wanted"):
        (tmp_path / REVIEWS / os.fsdecode(name)).touch()
    with contextlib.closing(GameIndex(tmp_path)) as index:
        (problem,) = index.refresh()
        assert problem.startswith("M\ufffdller.pgn: 1 fault, 22:7: 'Zz9'")
        assert set(whites(index)) == {"Fay", "Dora", "Cleo", "Anna", "? – ?"}
        game = next(game for game in index.find(Wanted())[0] if game["white"] == "Cleo")
        assert (game["file"], index.game(game["key"]).headers["White"]) == (
            "M\ufffdller.pgn",
            "Cleo",
        )
        index.delete(game["key"], game["text"])
        assert index.refresh() == []
        assert "Cleo" not in whites(index)
        assert reviews_in(tmp_path).state["left"] == 0
    write_file(tmp_path / "page.html", f"<title>{path}</title>")
    append(tmp_path / "page.html", str(path))
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("M?ller") == 2
    assert printable(path).endswith("M\ufffdller.pgn")


def test_the_own_names_survive_whatever_stands_in_their_file(tmp_path: Path) -> None:
    """A number there was a TypeError. What cannot be read is kept when a name is added."""
    (tmp_path / "mine.pgn").write_text(text_of(), encoding="utf-8")
    for number, junk in enumerate(JUNK, 1):
        (tmp_path / NAMES).write_bytes(junk.encode(errors="surrogatepass"))
        with contextlib.closing(GameIndex(tmp_path)) as index:
            assert NAMES in index.refresh()[0]
            assert (index.own_names.all, len(whites(index))) == (["you"], 3)
            index.add_name(" Anna ")
            assert index.refresh() == []
            assert index.own_names.all == ["you", "anna"]
        kept = [path.read_bytes() for path in tmp_path.glob(f"{NAMES}.*")]
        assert len(kept) == number
        assert junk.encode(errors="surrogatepass") in kept


def test_who_is_none_of_the_players_says_so_and_a_name_can_be_dropped(tmp_path: Path) -> None:
    """The question had no such answer, and no way back."""
    (tmp_path / "mine.pgn").write_text(text_of(), encoding="utf-8")
    with contextlib.closing(GameIndex(tmp_path)) as index:
        index.refresh()
        assert not index.own_names.is_told
        assert index.likely_names()[:1] == ["Anna"]
        index.add_name("", False)
        index.add_name("Eve")
        index.add_name("ANNA")
        assert [game["mine"] for game in index.find(Wanted())[0]] == ["black", "black", "white"]
        index.add_name("Anna", False)
        assert [game["mine"] for game in index.find(Wanted())[0]] == ["black", None, None]
        index.add_name("eve", False)
    with contextlib.closing(GameIndex(tmp_path)) as index:
        assert (index.own_names.all, index.own_names.is_told) == (["you"], True)


def test_only_a_file_that_is_known_as_it_is_now_counts_as_a_copy(
    index: GameIndex, tmp_path: Path
) -> None:
    """What another program wrote or read meanwhile, the index did not know: the import went, with
    its games.
    """
    copy, key = tmp_path / "copy.pgn", index.find(Wanted("cleo"))[0][0]["key"]
    for more in ("", text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")])):
        copy.write_text(text_of(), encoding="utf-8")
        index.refresh()
        copy.write_text(text_of() + more + "\n", encoding="utf-8")
        assert not index.drop_known("copy.pgn")
    index.refresh()
    assert not index.drop_known("copy.pgn")
    copy.write_text(text_of(), encoding="utf-8")
    index.refresh()
    assert index.drop_known("copy.pgn")
    assert not copy.exists()
    index.refresh()
    (tmp_path / "mine.pgn").write_text("")
    with pytest.raises(DataError, match="has changed"):
        index.game(key)


def test_a_review_that_is_none_spoils_nothing_else(index, tmp_path, monkeypatch):
    monkeypatch.setattr("uci.library.training.read_set", lambda: iter(()))
    key = index.find(Wanted())[0][0]["key"]
    facts = (
        '{"facts": {"white": 1, "black": 1, "mistakes": 7}, "puzzles": [{"fen": "x", "moves": 3}]}'
    )
    for junk in (
        *JUNK,
        "{}",
        '{"puzzles": 5, "facts": {}}',
        '{"facts": {"white": "x", "black": 1}}',
        facts,
    ):
        (tmp_path / REVIEWS / f"{key}.json").write_bytes(junk.encode(errors="surrogatepass"))
        assert index.refresh() == [], junk
        assert index.progress() == [], junk
        with contextlib.closing(Trainer(tmp_path)) as trainer:
            trainer.add([MATE])
            trainer.add_own()
            assert trainer.problem == "", junk
        with pytest.raises(DataError, match="no review"):
            KeptReview.read(tmp_path, key)


DAMAGES = {
    "no database": "",
    "a number for a table": "CREATE VIEW puzzles AS SELECT 5",
    "columns that are gone": "CREATE TABLE puzzles (key TEXT PRIMARY KEY, due REAL, rating REAL)",
    "a standing of words": "CREATE TABLE person (rating, deviation, volatility, streak, longest); "
    "INSERT INTO person VALUES ('high', 1, 1, 1, 1)",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_puzzles_that_cannot_be_kept_can_be_solved(tmp_path: Path, name: str) -> None:
    """The file stays as it is, and the person is told."""
    path = tmp_path / "puzzles.sqlite"
    path.write_bytes(b"SQLite it is not" * 100 * (not DAMAGES[name]))
    if DAMAGES[name]:
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.executescript(DAMAGES[name])
    with contextlib.closing(Trainer(tmp_path)) as trainer:
        assert "puzzles.sqlite" in trainer.problem
        assert trainer.add([MATE]) == 1
        assert trainer.answer(MATE, True).streak == 1
    if DAMAGES[name]:
        with contextlib.closing(sqlite3.connect(path)) as base:
            assert base.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN ('puzzles', 'person')"
            ).fetchone()
    else:
        assert path.read_bytes() == b"SQLite it is not" * 100


def test_puzzles_of_a_newer_version_with_more_columns_are_answered(tmp_path: Path) -> None:
    """It was an error that table person has 6 columns."""
    with contextlib.closing(Trainer(tmp_path)) as trainer:
        trainer.add([MATE])
        trainer.answer(MATE, True)
        for table in ("puzzles", "person", "drawn"):
            trainer._base.execute(f"ALTER TABLE {table} ADD COLUMN hint TEXT")
    with contextlib.closing(Trainer(tmp_path)) as trainer:
        trainer.add_own()
        assert trainer.problem == ""
        assert trainer.answer(MATE, True).streak == 2


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_where_nothing_can_be_locked_the_index_is_in_memory_at_once(tmp_path, monkeypatch, when):
    """After 30 seconds, My games said "database is locked"."""
    (tmp_path / "mine.pgn").write_text(text_of(), encoding="utf-8")
    connect, waits = sqlite3.connect, list[float]()

    class Locked(sqlite3.Connection):
        def execute(self, *words: Any) -> sqlite3.Cursor:
            if not words[0].startswith("PRAGMA journal"):
                raise sqlite3.OperationalError("database is locked")
            return super().execute(*words)

    def unlocked(place: Any, timeout: float = 5.0, **how: Any) -> sqlite3.Connection:
        if str(place) == ":memory:":
            return connect(place, **how)
        waits.append(timeout)
        return connect(place, factory=Locked, **how)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if sys.platform != "win32":
        monkeypatch.setattr("fcntl.flock", refuse)
    if when == "from the start":
        monkeypatch.setattr("sqlite3.connect", unlocked)
    index = GameIndex(tmp_path)
    if when == "later":
        index.close()
        index._base = unlocked(tmp_path / INDEX)
        waits.clear()
    index.refresh()
    assert whites(index) == ["Dora", "Cleo", "Anna"]
    index.delete(index.find(Wanted("cleo"))[0][0]["key"])
    assert sum(waits) == 0.0, "nobody waits for a lock that nobody gives"
    index.close()
    if when == "from the start":
        with contextlib.closing(Trainer(tmp_path)) as trainer:
            assert "Puzzles are not kept" in trainer.problem


@pytest.mark.parametrize(
    "key",
    ["../../../../x", "", "0" * 23, "0" * 25, "G" * 24, f"{'0' * 24}\n", 5, None, "\ud800" * 24],
)
@pytest.mark.parametrize(
    "request_name", ["games_open", "games_continue", "games_review", "games_delete"]
)
def test_a_key_that_is_none_is_refused(request_name: str, key: object) -> None:
    """One with dots and slashes wrote outside the folder."""
    more = {"games_delete": {"text": "0" * 24}, "games_open": {"ply": 0}}
    fields = {"key": key, **more.get(request_name, {})}
    if (request_name, key) == ("games_review", ""):
        return  # all of one's own games
    with pytest.raises(DataError, match="bad value of key"):
        read_request(json.dumps({"do": request_name, **fields}))


@pytest.mark.parametrize(
    "name",
    [
        "../../x.pgn",
        "/etc/x.pgn",
        "..",
        "",
        ".hidden",
        "a\0b",
        "\ud800.pgn",
        "x" * 500,
        "棋" * 80,
        "CON",
    ],
)
def test_an_upload_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    path = shelf_in(tmp_path).upload_path(name)
    assert path.parent == tmp_path
    path.touch()
    with pytest.raises(DataError, match="bad value of name"):
        read_request(json.dumps({"do": "games_name", "name": "\ud800", "mine": True}))


def test_no_work_ends_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was no expected error, nobody heard: the list had "0 games"."""
    told, heard = list[dict[str, Any]](), list[str]()
    worker = GamesWorker(tmp_path, heard.append)
    worker.do(lambda index: 1 // 0)

    def steps(index: GameIndex) -> Any:
        yield
        raise KeyError("x")

    worker.do(steps)
    wait_until(lambda: len(heard) == 2)
    assert heard == ["ZeroDivisionError: integer division or modulo by zero", "KeyError: 'x'"]
    worker.close()
    shelf = shelf_in(tmp_path, told.append)
    monkeypatch.setattr(GameIndex, "refreshing", lambda index, on_games: 1 // 0)
    shelf.ask(Shelf.refresh)
    wait_until(lambda: [one for one in told if one["do"] == "games_read"])
    assert "ZeroDivisionError" in told[-1]["problems"][0]
    shelf.close()
    reviews = reviews_in(tmp_path)
    monkeypatch.setattr(reviews, "_load", lambda: 1 // 0)
    (tmp_path / REVIEWS / f"{'0' * 24}{WISH}").touch()
    reviews.begin()
    wait_until(lambda: "ZeroDivisionError" in reviews.problem)


@pytest.mark.parametrize("ending", [WISH, BEGUN])
def test_a_review_came_back_after_its_game_was_deleted(
    index: GameIndex, tmp_path: Path, ending: str
) -> None:
    row = index.find(Wanted())[0][0]
    game, wish = index.game(row["key"]), tmp_path / REVIEWS / f"{row['key']}{ending}"
    with small_engine() as engine:
        kept = KeptReview(
            review_game(engine, game, Limits(nodes=1)), "material", Limits(nodes=1), chess.WHITE
        )
    wish.touch()
    index.delete(row["key"], row["text"])
    kept.write(wish)
    assert not wish.exists()
    assert [path.name for path in (tmp_path / REVIEWS).glob(f"{row['key']}*")] == []


@pytest.mark.parametrize("wishes", [False, True], ids=["", "and is wished for again"])
def test_a_background_review_that_was_running_did(
    index: GameIndex, tmp_path: Path, wishes: bool
) -> None:
    row, begun, goes_on = index.find(Wanted())[0][0], threading.Event(), threading.Event()
    reviews = reviews_in(tmp_path, lambda: (begun.set(), goes_on.wait(60.0)))  # type: ignore[arg-type, return-value]
    reviews.add([row["key"]])
    assert begun.wait(60.0)
    index.delete(row["key"], row["text"])
    if wishes:
        reviews.add([row["key"]])
    goes_on.set()
    wait_until_reviewed(reviews)
    wait_until(lambda: reviews._job is not None and reviews._job.done())
    assert list((tmp_path / REVIEWS).glob("*.json")) == []


def test_a_game_is_deleted_from_a_file_that_changed_while_it_was_read(
    index: GameIndex, tmp_path: Path
) -> None:
    """Two games stood at one place of the index; "UNIQUE constraint failed" was said, and the
    review stayed.
    """
    (path := tmp_path / "mine.pgn").write_text(
        text_of([GAMES[2], GAMES[0], GAMES[1]]), encoding="utf-8"
    )
    index.refresh()
    places = index._base.execute(
        "SELECT place, end FROM places WHERE file = ? ORDER BY place", [b"mine.pgn"]
    )
    _, (begin, end), (last, _) = places.fetchall()
    index._base.execute("UPDATE places SET place = ? WHERE place = ?", [end - begin, last])
    os.utime(path)
    row = index.find(Wanted("Ben"))[0][0]
    index.delete(row["key"], row["text"])
    assert [game.headers["White"] for game in games_in(path)] == ["Dora", "Cleo"]
    index.refresh()
    assert whites(index) == ["Dora", "Cleo"]


def test_an_import_says_what_it_did_not_take_and_the_question_stays(tmp_path: Path) -> None:
    """It said "4 games" where one was cut and a Crazyhouse game was left out."""
    told = list[dict[str, Any]]()
    shelf = shelf_in(tmp_path, told.append)
    odd = (
        '\n[White "A"]\n\n1. e4 e5 2. Ke3 d5 *\n\n[White "B"]\n[Variant "Crazyhouse"]\n\n1. e4 *\n'
    )

    def read(name: str, text: str | bytes) -> tuple[list[str], list[str]]:
        told.clear()
        upload = shelf.upload_path(name)
        upload.write_bytes(text if isinstance(text, bytes) else text.encode())
        shelf.take_in(upload)
        wait_until(
            lambda: (
                [one for one in told if one["do"] == "games_read"]
                and not [*tmp_path.glob(".import*")]
            )
        )
        shelf._worker.call(lambda index: None).result()
        asked = [one["likely"] for one in told if one["do"] == "games_names"]
        return told[[one["do"] for one in told].index("games_read")]["problems"], asked[
            0
        ] if asked else []

    problems, asked = read("Me.PGN", text_of() + odd)
    assert [problem[:36] for problem in problems] == [
        "Me.pgn: 4 games.",
        "Me.pgn: 2 faults, first 24:13: 'Ke3'",
    ]
    assert asked[:1] == ["Anna"]
    problems, asked = read("two.pgn", text_of([("Fay", "Gil", "2024.02.01", "1-0", "e4")]))
    assert (problems, set(asked)) == (["two.pgn: 1 game."], {"Fay", "Gil"})
    chapter = (
        b'[Event "Endings: Rooks"]\n[White ""]\n[Black "-"]\n'
        b'[Date "2025.03.04"]\n[UTCDate "????.??.??"]\n\n1. h4 *\n'
    )
    (packed,) = read("study.zip", zipped(chapter))[0]
    assert packed == "study.pgn: 1 game."
    (row,) = shelf._worker.call(lambda index: index.find(Wanted("rooks"))[0]).result()
    assert (row["date"], row["white"], row["black"]) == ("2025.03.04", "Endings: Rooks", ""), (
        "what tags do not tell"
    )
    assert "Endings: Rooks" not in shelf._worker.call(GameIndex.likely_names).result()
    (refused,) = read("suite.pgn", "4k3/8/8/8/8/8/8/4K3 w - - bm Kd2;\n")[0]
    assert refused.startswith(
        "suite.pgn: expected games in PGN or puzzles in Lichess's format, found positions"
    )
    assert read("ccrl.7z", b"7z\xbc\xaf" + bytes(99))[0] == [
        "ccrl.7z: a 7z archive; unpack it first"
    ]
    assert read("torn.gz", gzip.compress(b"1. e4 *")[:-8] + bytes(8))[0][0].startswith(
        "torn.gz: CRC check failed"
    )
    shelf.ask(Shelf.name, name="Fay", mine=True)
    shelf._worker.call(lambda index: None).result()
    problems, asked = read("three.pgn", text_of([("Fay", "Hal", "2024.02.01", "1-0", "e4")]))
    assert (problems, asked) == (["three.pgn: 1 game."], [])
    problems, asked = read("again.pgn", text_of(GAMES[:1]))
    assert problems == ["again.pgn has no game that Aino can play and does not have yet."]
    problems, _ = read("noted.pgn", text_of(GAMES[:1]).replace("e4 e5", "e4 { Mine! } e5"))
    assert problems == ["noted.pgn: 1 game."], "what was written into it is not thrown away"
    shelf.close()
    assert sorted(path.name for path in pgn_files(tmp_path)) == [
        "Me.pgn",
        "noted.pgn",
        "study.pgn",
        "three.pgn",
        "two.pgn",
    ]


def test_a_game_is_written_in_place_of_its_text_and_the_others_stay(
    index: GameIndex, tmp_path: Path
) -> None:
    """What was written into a game of one's own went elsewhere, and was gone when it was opened
    again.
    """
    path = tmp_path / "mine.pgn"
    for words in ("First.", "Second, and longer."):
        row = next(row for row in index.find(Wanted())[0] if row["white"] == "Cleo")
        game, text = index.game_text(row["key"])
        assert text == row["text"]
        game.comment = words
        digest, _ = index.rewrite(row["key"], text, game)
        with pytest.raises(DataError):
            index.rewrite(row["key"], text, game)
        index.refresh()
        assert [index.game(row["key"]).headers["White"] for row in index.find(Wanted())[0]] == [
            "Dora",
            "Cleo",
            "Anna",
        ]
        assert index.game_text(row["key"])[0].comment == words
        assert index.game_text(row["key"])[1] == digest
    assert [game.headers["White"] for game in games_in(path)] == ["Anna", "Cleo", "Dora"]
    assert not re.search(r"[^\]\n]\n?\[", path.read_text(encoding="utf-8")), (
        "an empty line stands between two games"
    )


def test_the_list_is_sorted_and_shows_the_games_of_a_file_or_a_position(
    index: GameIndex, tmp_path: Path
) -> None:
    others = [
        ("Élan", "Zoe", "2020.01.01", "1-0", "c4 e5 Nc3 c5 e4"),
        ("fox", "?", "", "*", "e4 c5"),
    ]
    (tmp_path / "masters.pgn").write_text(text_of(others), encoding="utf-8")
    index.refresh()
    assert whites(index, Wanted(order="white")) == ["Anna", "Cleo", "Dora", "Élan", "fox"]
    assert whites(index, Wanted(order="-plies"))[:2] == ["Anna", "Cleo"]
    assert whites(index, Wanted(order="date")) == ["Élan", "Anna", "Cleo", "Dora", "fox"], (
        "unknown days stand last"
    )
    assert whites(index, Wanted(order="nonsense; DROP")) == whites(index)
    assert sorted(index.files()) == ["masters.pgn", "mine.pgn"]
    assert whites(index, Wanted(file="masters.pgn")) == ["Élan", "fox"]
    assert whites(index, Wanted(line="e2e4 c7c5")) == ["Cleo", "fox"]
    assert whites(index, Wanted(line="e2e4 c7c5", file="masters.pgn")) == ["fox"], (
        "which ended there"
    )
    assert whites(index, Wanted(line="e2e4 c7c5 b1c3 e7e5 c2c4")) == ["Élan"], (
        "by another order of moves"
    )
    counts = [
        (one.move.uci(), one.counts) for one in index.explore(chess.Board(), file="masters.pgn")
    ]
    assert counts == [("c2c4", (1, 0, 0, 0)), ("e2e4", (0, 0, 0, 1))]
