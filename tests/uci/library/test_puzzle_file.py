"""The file of what was trained: copied every day, checked, and found again where it was damaged."""

import contextlib
import errno
import json
import os
import sqlite3
import sys

import pytest

from uci.game.game_file import REVIEWS
from uci.library.puzzle_file import COPY, FILE
from uci.library.puzzles import SET, Puzzle
from uci.library.training import Trainer

MATE = Puzzle("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", ("g6g7",))
DAY_S = 86_400.0


@contextlib.contextmanager
def training(folder, day=0.0):
    """The trainer of a folder, so many days from the first."""
    with contextlib.closing(
        Trainer(folder, lambda: os.path.getmtime(folder) + day * DAY_S)
    ) as trainer:
        yield trainer


@pytest.fixture
def trained(tmp_path):
    """A folder in which a puzzle was solved, and copied on the next day."""
    with training(tmp_path) as trainer:
        trainer.add([MATE])
        trainer.answer(MATE, True)
    os.utime(tmp_path / COPY, (1.0, 1.0))
    with training(tmp_path):
        pass
    return tmp_path


def spoil(path, kind):
    data = path.read_bytes()
    if kind == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "no database": b"Nothing of it. " * 500,
                          "zeros": data[:4096] + bytes(len(data) - 4096)}[kind])  # fmt: skip


DAMAGES = ["gone", "empty", "cut", "no database", "zeros"]


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_was_trained_comes_back_from_the_copy(trained, kind):
    """It was not kept any more, or began anew without a word."""
    spoil(trained / FILE, kind)
    with training(trained, day=1.0) as trainer:
        assert trainer.standing.streak == 1
        assert "is back" in trainer.problem


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_trained_after_damage_is_kept(trained, kind):
    spoil(trained / FILE, kind)
    with training(trained, day=1.0) as trainer:
        trainer.answer(MATE, True)
    with training(trained, day=1.0) as trainer:
        assert (trainer.problem, trainer.standing.streak) == ("", 2)


@pytest.mark.parametrize("kind", ["cut", "no database", "zeros"])
def test_a_damaged_file_is_kept_aside(trained, kind):
    spoil(trained / FILE, kind)
    damaged = (trained / FILE).read_bytes()
    with training(trained, day=1.0):
        pass
    assert damaged in [path.read_bytes() for path in trained.glob(f"{FILE}.*")]


def test_ones_own_copy_stays(trained):
    """It was taken for a part of the database."""
    own = (trained / FILE).rename(trained / f"{FILE}-old")
    with training(trained, day=1.0) as trainer:
        assert "kept as" not in trainer.problem
    assert own.exists()


def test_damage_that_is_met_during_the_day_is_mended(trained):
    """The day's check had passed."""
    spoil(trained / FILE, "zeros")
    with training(trained) as trainer:
        trainer.add([MATE])
        assert trainer.answer(MATE, True).streak == 2
        assert "is back" in trainer.problem


def test_damage_takes_the_place_of_no_copy(trained):
    copy = (trained / COPY).read_bytes()
    spoil(trained / FILE, "zeros")
    os.utime(trained / COPY, (1.0, 1.0))
    with training(trained) as trainer:
        assert trainer.standing.streak == 1
    assert (trained / COPY).read_bytes() == copy


def test_a_damaged_copy_spoils_nothing(trained):
    (trained / COPY).write_bytes(b"Nothing of it. " * 500)
    with training(trained, day=1.0) as trainer:
        assert (trainer.problem, trainer.standing.streak) == ("", 1)


def test_without_a_copy_a_damaged_file_begins_anew(tmp_path):
    (tmp_path / FILE).write_bytes(b"Nothing of it. " * 500)
    with training(tmp_path) as trainer:
        trainer.add([MATE])
        trainer.answer(MATE, True)
        assert "There was no copy of it." in trainer.problem
    with training(tmp_path) as trainer:
        assert (trainer.problem, trainer.standing.streak) == ("", 1)


@pytest.mark.parametrize(
    ("puzzle", "kept"),
    [(MATE, 1), (Puzzle("k7/8/8/8/8/8/8/KQ6 w - - 0 1", ("b1b2",), "lichess"), 0)],
    ids=["ones own", "one that can be imported again"],
)
def test_the_copy_has_what_cannot_be_made_anew(tmp_path, puzzle, kept):
    with training(tmp_path) as trainer:
        trainer.add([puzzle])
    os.utime(tmp_path / COPY, (1.0, 1.0))
    with training(tmp_path):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / COPY)) as base:
        assert base.execute("SELECT count(*) FROM puzzles").fetchone() == (kept,)


# ---- files that are left as they are -------------------------------------------------------------

FOREIGN = {
    "a number for a table": "CREATE VIEW puzzles AS SELECT 5",
    "columns that are gone": "CREATE TABLE puzzles (key TEXT PRIMARY KEY, due REAL, rating REAL)",
    "a standing of words": "CREATE TABLE person (rating, deviation, volatility, streak, longest); "
    "INSERT INTO person VALUES ('high', 1, 1, 1, 1)",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_version_is_left_as_it_is(tmp_path, name):
    """Puzzles can be solved, and the person is told that nothing is kept."""
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as base:
        base.executescript(FOREIGN[name])
    with training(tmp_path) as trainer:
        assert f"Puzzles are not kept: {tmp_path / FILE}" in trainer.problem
        assert trainer.add([MATE]) == 1
        assert trainer.answer(MATE, True).streak == 1
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as base:
        found = base.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('puzzles', 'person')"
        )
        assert found.fetchone() != (0,)


def test_puzzles_of_a_newer_version_with_more_columns_are_answered(tmp_path):
    """It was an error that table person has 6 columns."""
    with training(tmp_path) as trainer:
        trainer.add([MATE])
        trainer.answer(MATE, True)
        for table in ("puzzles", "person", "drawn"):
            trainer._base.execute(f"ALTER TABLE {table} ADD COLUMN hint TEXT")
    with training(tmp_path) as trainer:
        trainer.add_own()
        assert (trainer.problem, trainer.answer(MATE, True).streak) == ("", 2)


@pytest.fixture
def unlocked(trained, monkeypatch):
    """A folder on a drive without locks."""
    connect = sqlite3.connect

    class Locked(sqlite3.Connection):
        def execute(self, *words):
            raise sqlite3.OperationalError("database is locked")

    def refuse(path, *given, **named):
        is_free = str(path) == ":memory:" or "immutable" in str(path)
        return connect(path, *given, **named, **{} if is_free else {"factory": Locked})

    if sys.platform != "win32":
        monkeypatch.setattr(
            "fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "No locks"))
        )
    monkeypatch.setattr("sqlite3.connect", refuse)
    return trained


def test_where_nothing_can_be_locked_the_person_is_told(unlocked):
    with training(unlocked) as trainer:
        assert "Puzzles are not kept" in trainer.problem


def test_where_nothing_can_be_written_ones_standing_is_shown(unlocked):
    """A player of 1623 was one of 1500."""
    with training(unlocked) as trainer:
        assert trainer.standing.streak == 1


# ---- what version 1.0 wrote ----------------------------------------------------------------------


@pytest.fixture
def of_1_0(tmp_path, monkeypatch):
    monkeypatch.setattr("uci.library.training.read_set", lambda: iter(()))
    rows = [
        [MATE.key, MATE.fen, MATE.moves[0], "mine", 1600.0, 90.0, 0.06, 2, 1.0],
        ["x", "6k1/5p1p/6p1/8/8/8/r7/R5K1 w - - 0 1", "a1a2", "lichess", -1_199_871.0, 350.0, 570.0, 0, 1.0],
    ]  # fmt: skip
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as base:
        base.executescript("""
            CREATE TABLE puzzles (key TEXT PRIMARY KEY, fen TEXT, moves TEXT, source TEXT,
                rating REAL, deviation REAL, volatility REAL, box INTEGER DEFAULT -1, due REAL);
            CREATE TABLE drawn (review TEXT PRIMARY KEY);
            CREATE TABLE person (rating REAL, deviation REAL, volatility REAL,
                streak INTEGER, longest INTEGER);
            INSERT INTO person VALUES (1623.5, 265.0, 0.06, 3, 5);
        """)
        base.executemany("INSERT INTO drawn VALUES (?)", [["a" * 24], [SET]])
        base.executemany("INSERT INTO puzzles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        base.commit()
    (tmp_path / REVIEWS).mkdir()
    kept = {
        "game": '[White "Anna"]\n\n1. e4 *',
        "puzzles": [{"fen": MATE.fen, "moves": list(MATE.moves)}],
    }
    (tmp_path / REVIEWS / f"{'a' * 24}.json").write_text(json.dumps(kept), encoding="utf-8")
    with training(tmp_path) as trainer:
        assert (trainer.problem, trainer.add_own()) == ("", 0)
        yield trainer


def test_the_standing_of_version_1_is_kept(of_1_0):
    standing = of_1_0.standing
    assert (standing.rating.points, standing.streak, standing.longest) == (1623.5, 3, 5)


def test_a_puzzle_of_version_1_learns_where_it_comes_from(of_1_0):
    found = of_1_0.next(theme="mateIn1")
    assert (found.origin, found.rating) == ("From Anna – ?, move 1.", 1600.0)


def test_a_puzzle_that_was_spoilt_comes_again(of_1_0):
    """After an upset, it never did."""
    assert of_1_0.next(source="others").rating == 1500.0
