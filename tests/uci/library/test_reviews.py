"""Kept reviews: all that is in them comes back, and they stay with the moves of their game."""

import json
from dataclasses import fields, replace
from operator import attrgetter
from unittest.mock import Mock

import chess
import pytest

from engine.errors import DataError
from engine.search.limits import Limits
from tests.uci.library.own_games import GAMES, lines_of, row_of, rows_of, text_of
from uci.annotate.move_marks import BLUNDER
from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.people import PeopleShares
from uci.common.evaluation import Evaluation
from uci.common.reading import read_text_games
from uci.language import speak
from uci.library.game_files import line_key, review_files, review_path
from uci.library.reviews import KeptReview

MOVES = chess.Move.from_uci
MOVE = MoveReview(
    ply=1,
    board=chess.Board(),
    move=MOVES("f2f3"),
    before=Evaluation(16, None, (282, 482, 236)),
    after=Evaluation(-1000, -3, (0, 0, 1000)),
    best_line=(MOVES("e2e4"), MOVES("e7e5")),
    mark=BLUNDER,
    reply_line=(MOVES("e7e5"),),
    gap=0.25,
    also_good=(MOVES("d2d4"), MOVES("c2c4")),
    people=PeopleShares(1400, 0.031, 0.62),
    taken=(MOVES("d8h4"), MOVES("g2g3")),
)


def kept_of(text="1. f3 *", moves=(MOVE,)):
    game = next(read_text_games(text, "it")).game
    review = GameReview(game, Evaluation(7, None, (300, 500, 200)), list(moves), chess.WHITE)
    return KeptReview(review, "material", Limits(nodes=50, movetime_ms=70), chess.BLACK)


@pytest.fixture
def again(tmp_path):
    """A review that was kept and read again."""
    (path := tmp_path / "r.json").write_text(kept_of().text())
    return KeptReview.read(path)


@pytest.mark.parametrize("name", [field.name for field in fields(MoveReview) if field.init])
def test_what_is_said_of_a_move_is_kept(again, name):
    """The moves that are also good could be lost without a word."""
    assert getattr(again.review.moves[0], name) == getattr(MOVE, name)


@pytest.mark.parametrize("name", ["review.start", "review.side", "evaluator", "limits", "reader"])
def test_what_is_said_of_a_game_is_kept(again, name):
    assert attrgetter(name)(again) == attrgetter(name)(kept_of())


def test_the_game_is_kept_with_its_words(tmp_path):
    text = '[White "A"]\n[FEN "4k3/8/8/8/8/8/4P3/4K2R b K - 0 1"]\n\n1... Kd7 {!} 2. e4 (2. O-O) Ke6 3. -- *'
    (path := tmp_path / "r.json").write_text(kept_of(text, []).text())
    assert str(KeptReview.read(path).review.game) == str(kept_of(text, []).review.game)


@pytest.mark.parametrize(("side", "mistakes"), [("white", [1, 0, 0]), ("black", [0, 0, 0])])
def test_the_facts_of_a_side_are_kept(side, mistakes):
    review = kept_of()
    facts = json.loads(review.text())["facts"]
    assert facts["mistakes"][side] == mistakes, "by phase"
    assert facts[side] == review.review.accuracy(side == "white")


def test_a_page_of_a_kept_review_speaks_the_language_of_who_asks(again):
    """It was kept in the language in which it was made."""
    speak("fr")
    assert '<p class="muted">1 partie, bilan d' in again.page("")


# ---- whose review it is --------------------------------------------------------------------------


@pytest.fixture
def reviewed(games):
    """A folder in which the game of Cleo and Anna is reviewed."""
    games.add_name("Anna")
    review = kept_of(text_of(GAMES[1:2]))
    games.keep_review(line_key(review.review.game), replace(review, reader=None))
    return games


TAGS = [
    ('"0-1"', '"1-0"'),
    ("Cleo", "Cleopatra"),
    ("2024.01.03", "2020.12.31"),
    ("[Result", '[Event "Cup"]\n[Result'),
]


@pytest.mark.parametrize(("old", "new"), TAGS)
def test_a_corrected_tag_keeps_the_review(reviewed, tmp_path, old, new):
    """Another program had corrected it, and the review was lost."""
    path = tmp_path / "mine.pgn"
    path.write_text(path.read_text().replace(old, new))
    reviewed.refresh()
    (row,) = rows_of(reviewed, text="anna", side="black")
    assert row["accuracy_white"] is not None
    assert len(reviewed.catalogue.reviewed()) == 1


def test_a_review_stays_where_a_later_one_cannot_be_written(reviewed, monkeypatch):
    """On a full disk the older one had gone already."""
    key = row_of(reviewed, "Cleo")["key"]
    review = reviewed.kept_review(key)
    monkeypatch.setattr("uci.library.reviews.write_file", Mock(side_effect=OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        reviewed.keep_review(line_key(review.review.game), review)
    assert reviewed.kept_review(key).text() == review.text()


def test_the_page_of_a_review_shows_the_game_of_today(reviewed, tmp_path):
    """It lacked the words that were written after the review."""
    path = tmp_path / "mine.pgn"
    path.write_text(path.read_text().replace("Cleo", "Cleopatra").replace("c5", "{of Egypt} c5"))
    reviewed.refresh()
    page = reviewed.kept_review(row_of(reviewed, "Cleopatra")["key"]).page("")
    assert "Cleopatra" in page
    assert "of Egypt" in page


def test_a_game_that_is_reviewed_is_not_reviewed_again(reviewed):
    *_, line_of_anna = lines_of(reviewed)
    assert reviewed.catalogue.unreviewed() == [line_of_anna]


def test_a_review_of_a_game_that_is_not_there_is_not_kept(games, tmp_path):
    review = kept_of("1. h4 *", [])
    with pytest.raises(DataError, match="not in the list"):
        games.keep_review(line_key(review.review.game), review)
    assert not review_files(tmp_path)


def test_a_review_that_is_gone_is_not_shown(reviewed, tmp_path):
    (path,) = review_files(tmp_path)
    path.unlink()
    reviewed.refresh()
    assert row_of(reviewed, "Cleo")["accuracy_white"] is None


def test_of_puzzles_only_those_of_no_other_game_go_with_a_review(games, tmp_path):
    mine = replace(MOVE, solution=MOVE.best_line[:1])
    lines = []
    for text in ("1. f3 *", "1. f3 d5 *"):
        (tmp_path / "mine.pgn").write_text(text)
        games.refresh()
        review = kept_of(text, [mine])
        lines.append(line_key(review.review.game))
        games.reviews.keep(lines[-1], replace(review, reader=chess.WHITE))
    assert not games.reviews.remove(lines[0])
    assert games.reviews.remove(lines[1]) == {f"{chess.STARTING_FEN} e2e4"}


# ---- what is no review ---------------------------------------------------------------------------

NO_JSON = ["", "\0\1", '["an', "[" * 100_000, "\ud800"]
JUNK = [
    *NO_JSON,
    *("5", "null", "[1, 2]", '"anna"', '{"names": ["anna"], "version": 9}'),
    *("{}", '{"puzzles": 5, "facts": {}}', '{"facts": {"white": "x", "black": 1}}'),
    '{"facts": {"white": 1, "black": 1, "mistakes": 7}, "puzzles": [{"fen": "x", "moves": 3}]}',
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_a_review_that_is_none_spoils_nothing_else(games, tmp_path, junk):
    line = lines_of(games)[0]
    review_path(tmp_path, line).write_bytes(junk.encode(errors="surrogatepass"))
    assert not games.refresh()
    assert not games.catalogue.reviewed()
    with pytest.raises(DataError, match="no review"):
        games.kept_review(line)
