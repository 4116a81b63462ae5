"""All puzzles of a folder, and the log of the answers to them."""

import json
import os
from dataclasses import asdict, replace

import pytest

from tests.browser.test_games import PUZZLE
from tests.uci.library.test_puzzles import FORK, MATE
from uci.game.game_file import REVIEWS
from uci.library import puzzle_stock
from uci.library.cooperative import finish
from uci.library.game_files import review_path
from uci.library.puzzle_log import LOG
from uci.library.puzzle_stock import IMPORTED, PuzzleStock
from uci.library.training import PuzzleTraining

pytestmark = pytest.mark.usefixtures("no_shipped_puzzles")


def keep_review(folder, letter, *puzzles):
    game = '[White "Anna"]\n[Black "Ben"]\n[Date "2024.01.02"]\n\n1. e4 *'
    (folder / REVIEWS).mkdir(exist_ok=True)
    path = review_path(folder, letter * 24)
    path.write_text(json.dumps({"game": game, "puzzles": list(map(asdict, puzzles))}))
    os.utime(path, (ord(letter), ord(letter)))
    return path


# ---- puzzles of reviews --------------------------------------------------------------------------


def test_a_puzzle_of_ones_own_tells_where_it_comes_from(tmp_path):
    keep_review(tmp_path, "a", MATE)
    (puzzle,) = PuzzleStock(tmp_path).puzzles().values()
    assert puzzle.origin == "From Anna – Ben, 2024.01.02, move 1."
    assert puzzle.game.split(" ")[0] == "a" * 24


def test_a_review_that_is_new_brings_its_puzzles_first(tmp_path):
    keep_review(tmp_path, "a", MATE)
    stock = PuzzleStock(tmp_path)
    assert [*stock.puzzles()] == [MATE.key]
    keep_review(tmp_path, "b", FORK)
    assert [*stock.puzzles()] == [FORK.key, MATE.key]


def test_puzzles_go_with_their_review_unless_another_has_them(tmp_path):
    path = keep_review(tmp_path, "a", MATE, FORK)
    keep_review(tmp_path, "b", FORK)
    stock = PuzzleStock(tmp_path)
    assert len(stock.puzzles()) == 2
    path.unlink()
    (puzzle,) = stock.puzzles().values()
    assert puzzle.key == FORK.key
    assert puzzle.game.split(" ")[0] == "b" * 24


def test_of_two_reviews_the_one_that_knows_the_whole_line_counts(tmp_path):
    keep_review(tmp_path, "a", FORK)
    keep_review(tmp_path, "b", replace(FORK, moves=FORK.moves[:1]))
    (puzzle,) = PuzzleStock(tmp_path).puzzles().values()
    assert puzzle.moves == FORK.moves


def test_a_review_that_cannot_be_read_has_no_puzzles(tmp_path):
    keep_review(tmp_path, "a", MATE)
    review_path(tmp_path, "b" * 24).write_text("broken")
    assert len(PuzzleStock(tmp_path).puzzles()) == 1


# ---- puzzles that are imported -------------------------------------------------------------------


def imported(folder, text=PUZZLE):
    stock = PuzzleStock(folder)
    (folder / "p.csv").write_text(text)
    return stock, finish(stock.adding(folder / "p.csv", "p.csv"))


def test_puzzles_are_imported_once(tmp_path):
    imported(tmp_path)
    assert imported(tmp_path)[1] == "0 new puzzles."


def test_no_more_puzzles_are_imported_than_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(puzzle_stock, "MOST_IMPORTED", 2)
    rows = "".join(PUZZLE.replace(" 0 1", f" 0 {number}") for number in range(1, 5))
    imported(tmp_path, rows)
    assert imported(tmp_path, rows)[1] == "0 new puzzles."
    assert len(PuzzleStock(tmp_path).puzzles()) == 2


def test_a_line_of_an_import_that_cannot_be_read_spoils_no_other(tmp_path):
    stock, _ = imported(tmp_path)
    (path,) = (tmp_path / IMPORTED).iterdir()
    path.write_bytes(b'{"fen": 5}\n[1]\nx\n' + path.read_bytes())
    assert PuzzleStock(tmp_path).puzzles() == stock.puzzles() != {}


# ---- the log -------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path):
    """A folder in which two puzzles were solved."""
    keep_review(tmp_path, "a", MATE, FORK)
    training = PuzzleTraining(tmp_path)
    for puzzle in (MATE, FORK):
        training.answer(puzzle, True)
    return tmp_path


def test_a_torn_last_line_loses_one_answer(trained):
    log = trained / LOG
    log.write_bytes(log.read_bytes()[:-5])
    training = PuzzleTraining(trained)
    assert training.standing.streak == 1
    training.answer(FORK, True)
    assert PuzzleTraining(trained).standing.streak == 2


@pytest.mark.parametrize(
    "line", ["[", "5", '["x", true, 1, NaN, 1]', '["x", true, 1, 1e9, 1]', '["x", true, 1, 1, 0]']
)
def test_a_line_that_is_no_answer_is_skipped(trained, line):
    with (trained / LOG).open("a") as stream:
        stream.write(f"{line}\n")
    standing = PuzzleTraining(trained).standing
    assert standing.streak == 2
    assert standing.rating.points > 1500.0


def test_answers_of_two_programs_count_in_both(trained):
    programs = [PuzzleTraining(trained) for _ in range(2)]
    for training in programs:
        training.answer(MATE, True)
    assert {training.standing.streak for training in programs} == {4}


def test_where_nothing_can_be_written_the_person_is_told(trained):
    (trained / LOG).unlink()
    (trained / LOG).mkdir()
    training = PuzzleTraining(trained)
    assert training.answer(MATE, True).streak == 1
    assert training.problem.startswith(f"Puzzles are not kept: {trained / LOG}")
