"""Puzzles: drawn from reviews, read from Lichess's file, come back after days, and are rated."""

import gzip
import io
import itertools
import json
import re
import sqlite3
import sys
import time
from collections import Counter
from dataclasses import replace
from unittest.mock import Mock

import chess
import pytest

from engine.board.notation import board_after as played
from engine.errors import DataError
from engine.search.result import SearchInfo, SearchResult
from tests.boards import board_after
from tests.browser.test_games import PUZZLE
from tests.new_process import ROOT
from tests.uci.annotate.scripted_reviews import ScriptedEngine, epd, read, review
from tests.unit.files.test_text import ZSTD
from uci.annotate.judge import BLUNDER
from uci.game.game_file import REVIEWS, games_folder
from uci.library.cooperative import finish
from uci.library.glicko import Rating
from uci.library.puzzles import SET, Puzzle, puzzles_of, read_lichess, read_set, themes_of
from uci.library.solving import Attempt
from uci.library.training import BOXES_DAYS, Trainer
from uci.main import main

DAY_S = 86_400.0
MATE = Puzzle("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", ("g6g7",))
TWO_MOVES = Puzzle("6k1/5p1p/6p1/8/8/8/r7/R5K1 w - - 0 1", ("a1a2", "h7h6", "a2a8"))


class Clock:
    now = 1.7e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def trainer(tmp_path, clock):
    made = Trainer(tmp_path, clock)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("others", "drawn"), [({}, True), ({"g1f3": 0.49}, False), ({"g1f3": 0.25}, False)]
)
def test_only_a_missed_move_without_an_equal_becomes_a_puzzle(others, drawn):
    game = read("1. h4 *")
    values = {"d2d4": 0.5, "h2h4": -0.6, **others}
    script = {game.board().epd(): values}
    script |= {
        epd(game, move): {next(iter(board_after(move).legal_moves)).uci(): -q}
        for move, q in values.items()
    }
    found = review(game, ScriptedEngine(script))
    assert found.moves[0].judgement == BLUNDER
    row = {"fen": chess.STARTING_FEN, "before": "", "moves": ["d2d4"]}
    assert puzzles_of(found, chess.WHITE) == [row][:drawn]
    assert puzzles_of(found, chess.BLACK) == puzzles_of(found, None) == []


@pytest.fixture
def no_set(monkeypatch):
    monkeypatch.setattr("uci.library.training.read_set", lambda: iter(()))


def keep_review(folder, stem, puzzles=(MATE,)):
    game = '[White "Anna"]\n[Black "Ben"]\n[Date "2024.01.02"]\n\n1. e4 *'
    rows = [{"fen": puzzle.fen, "moves": list(puzzle.moves)} for puzzle in puzzles]
    (folder / REVIEWS).mkdir(exist_ok=True)
    (folder / REVIEWS / f"{stem}.json").write_text(json.dumps({"game": game, "puzzles": rows}))


@pytest.mark.usefixtures("no_set")
def test_puzzles_of_reviews_are_taken_up_once(trainer, tmp_path):
    keep_review(tmp_path, f"line-{'a' * 24}")
    (tmp_path / REVIEWS / f"line-{'b' * 24}.json").write_text("broken")
    assert [trainer.add_own(), trainer.add_own()] == [1, 0]


@pytest.mark.usefixtures("no_set")
def test_puzzles_of_a_review_that_was_made_again_are_taken_up(trainer, tmp_path):
    """Only those of the first one were."""
    keep_review(tmp_path, f"line-{'a' * 24}")
    trainer.add_own()
    keep_review(tmp_path, f"line-{'a' * 24}", [MATE, TWO_MOVES])
    assert trainer.add_own() == 1


@pytest.mark.usefixtures("no_set")
def test_a_puzzle_of_ones_own_tells_where_it_comes_from(trainer, tmp_path):
    keep_review(tmp_path, f"line-{'a' * 24}")
    trainer.add_own()
    found = trainer.next()
    assert found.origin == "From Anna – Ben, 2024.01.02, move 1."
    assert (found.game.split(" ")[0], found.themes) == (
        "a" * 24,
        ("endgame", "queenEndgame", "mate", "mateIn1"),
    )


@pytest.mark.usefixtures("no_set")
def test_a_puzzle_whose_game_was_deleted_belongs_to_the_other_that_has_it(trainer, tmp_path):
    for letter in "ab":
        keep_review(tmp_path, f"line-{letter * 24}")
    trainer.add_own()
    for letter in "ab":
        (tmp_path / REVIEWS / f"line-{letter * 24}.json").unlink()
        trainer.forget([])
        keep_review(tmp_path, f"line-{'c' * 24}")
        trainer.add_own()
    assert trainer.next().game.split(" ")[0] == "c" * 24


def test_the_puzzles_that_ship_are_of_every_kind():
    """2,426 of 3,000 were below 1200, each had one move, and 24 themes of the page had none."""
    puzzles = list(read_set())
    bands = Counter(int(puzzle.rating) // 100 for puzzle in puzzles)
    assert set(bands) == set(range(6, 24))
    assert max(bands.values()) - min(bands.values()) <= 1
    assert sum(len(puzzle.moves) > 1 for puzzle in puzzles) > 0.7 * len(puzzles)
    page = (ROOT / "uci/pages/templates/puzzles.js").read_text(encoding="utf-8")
    shown = re.findall(r"(\w+): t\(", page.partition("const THEMES")[2].partition("};")[0])
    themes = Counter(theme for puzzle in puzzles for theme in puzzle.themes)
    assert {theme for theme in shown if themes[theme] < 10} == set()
    assert all(puzzle.before for puzzle in puzzles)


def test_what_was_solved_of_the_earlier_set_stays(trainer):
    """The new set takes the place of what nobody tried."""
    solved, new = (replace(one, source="aino") for one in (MATE, TWO_MOVES))
    trainer.add([solved, new])
    standing = trainer.answer(solved, True)
    trainer.add_own()
    assert trainer.standing == standing
    rows = trainer._base.execute("SELECT key FROM puzzles WHERE source = 'aino'").fetchall()
    assert rows == [(solved.key,)]


def test_ainos_own_set_is_taken_up_once(trainer):
    puzzles = list(read_set())
    assert len({puzzle.key for puzzle in puzzles}) == len(puzzles) > 15
    for _ in range(2):
        trainer.add_own()
        assert trainer._base.execute("SELECT count(*) FROM puzzles").fetchone() == (len(puzzles),)
        trainer.answer(trainer.next(), False)


def test_puzzles_that_are_passed_by_come_again_last(trainer):
    """Two alternated for ever."""
    puzzles = [replace(MATE, fen=MATE.fen.replace("0 1", f"0 {number}")) for number in range(1, 5)]
    trainer.add(puzzles)
    first, second = ([trainer.next().key for _ in puzzles] for _ in range(2))
    assert {*first} == {puzzle.key for puzzle in puzzles}
    assert second == first


def test_a_puzzle_is_not_shown_twice_running(trainer):
    trainer.add([MATE, TWO_MOVES])
    shown = [trainer.next().key for _ in range(6)]
    assert all(one != other for one, other in itertools.pairwise(shown))


def test_a_puzzle_answered_while_the_clock_was_ahead_comes_again(trainer, clock):
    trainer.add([MATE])
    for ahead in (400.0, 5.0, 0.0):
        clock.now += ahead * DAY_S
        trainer.answer(MATE, True)
        clock.now -= ahead * DAY_S
        assert (trainer.next() is not None) == (trainer.standing.due == 1) == (ahead > 0)


@pytest.mark.parametrize("rating", ["nan", "inf", "1e9,100", "-3", "1500,nan"])
def test_a_puzzle_with_a_wrong_rating_is_refused(tmp_path, rating):
    """It made one's own rating no number, for good."""
    (tmp_path / "p.csv").write_text(
        PUZZLE.replace("1400,80" if "," in rating else "1400", rating), encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"p\.csv:1: a rating of"):
        list(read_lichess(tmp_path / "p.csv"))


def test_a_full_disk_is_told_by_the_puzzles(monkeypatch, capsys):
    monkeypatch.setattr(
        Trainer, "add_own", Mock(side_effect=sqlite3.OperationalError("database or disk is full"))
    )
    assert main(["puzzles"]) == 1
    assert "database or disk is full" in capsys.readouterr().err


def test_a_puzzle_comes_back_later_each_time_it_is_solved(trainer, clock):
    """One solved at 20:00 was due at 19:30 of the next day, too, and not in the morning."""
    clock.now = time.mktime((2026, 1, 5, 20, 0, 0, 0, 0, -1))
    evening = 20 / 24
    trainer.add([MATE])
    for days in (*BOXES_DAYS, BOXES_DAYS[-1]):
        trainer.answer(MATE, True)
        clock.now += (days - evening - 0.1) * DAY_S
        assert trainer.next() is None
        clock.now += 0.2 * DAY_S
        assert trainer.next() is not None
        clock.now += (evening - 0.1) * DAY_S
    assert trainer.standing.streak == trainer.standing.longest == len(BOXES_DAYS) + 1
    trainer.answer(MATE, False)
    clock.now += 1.1 * DAY_S
    assert (trainer.standing.streak, trainer.next() is None) == (0, False)


def test_due_puzzles_come_first(trainer, clock):
    near = Puzzle("k7/8/8/8/8/8/8/KQ6 w - - 0 1", ("b1b2",), "lichess", 1450.0, 80.0)
    far = TWO_MOVES
    trainer.add([replace(far, source="lichess", rating=2500.0), near])
    assert trainer.next().fen == near.fen
    trainer.add([MATE])
    assert trainer.next() == MATE
    trainer.answer(near, False)
    clock.now += 2 * DAY_S
    assert trainer.next().fen == near.fen


def attempt_at(trainer, puzzle, *moves):
    """An attempt in which these moves were tried."""
    attempt = Attempt(trainer, puzzle)
    for move in moves:
        attempt.play(chess.Move.from_uci(move))
    return attempt


def test_the_second_try_does_not_count(trainer):
    trainer.add([MATE])
    attempt = attempt_at(trainer, MATE, "f6f7")
    assert "Try again" in attempt.says
    attempt.play(chess.Move.from_uci("g6g7"))
    assert (attempt.is_over, trainer.standing.streak) == (True, 0)
    assert attempt.says == "Solved, at a later try. It is mate in 1."


def test_the_first_try_counts(trainer):
    trainer.add([MATE])
    attempt_at(trainer, MATE, "g6g7")
    assert trainer.standing.streak == 1


def test_a_check_that_is_no_mate_is_another_move(trainer):
    puzzle = replace(TWO_MOVES, moves=("a1a2", "h7h6", "a2a7"))
    trainer.add([puzzle])
    attempt = attempt_at(trainer, puzzle, "a1a2")
    assert attempt.says == "Right. The answer is h6. Go on."
    attempt.play(chess.Move.from_uci("a2a8"))
    assert not attempt.is_over, "Kg7 answers the check"
    attempt.give_up()
    assert attempt.says == "The answer: 2. Ra7. It wins a rook: the rook on a2 is unguarded."


def test_the_move_before_is_told(trainer):
    """Nobody knew what the opponent had just done."""
    before = chess.Board("3qk3/8/8/3P4/8/2N5/8/4K3 b - - 0 1")
    puzzle = Puzzle(
        played(before, chess.Move.from_uci("d8d5")).fen(), ("c3d5",), before=f"{before.fen()} d8d5"
    )
    attempt = Attempt(trainer, puzzle)
    told = "The last move was Qxd5. White to move. Find the only good move."
    assert (attempt.says, attempt.board.peek().uci()) == (told, "d8d5")
    attempt.play(chess.Move.from_uci("c3d5"))
    assert attempt.says == "Solved! It wins the queen: the queen on d5 is unguarded."


FORK = Puzzle("r3k3/8/8/1N6/8/8/8/4K3 w q - 0 1", ("b5c7", "e8d7", "c7a8"))


def test_a_line_is_explained_behind_its_end(trainer):
    attempt = attempt_at(trainer, FORK, "b5c7", "c7a8")
    told = "Solved! It wins a rook: a fork of king and rook by the knight on c7."
    assert (attempt.is_over, attempt.says) == (True, told)


def test_a_puzzle_that_no_rule_explains_ends_with_words(trainer):
    """It ended with "Solved!", as if something were missing."""
    attempt = Attempt(trainer, Puzzle("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", ("e2e4",)))
    attempt.play(chess.Move.from_uci("e2e4"))
    assert attempt.says == "Solved! Every other move is much worse."


def test_a_promotion_is_a_reason(trainer):
    attempt = Attempt(trainer, Puzzle("8/P6k/8/8/8/8/8/K7 w - - 0 1", ("a7a8q",)))
    attempt.give_up()
    assert attempt.says == "The answer: 1. a8=Q. A pawn is promoted."


THEMES = {
    FORK: ("endgame", "fork"),
    MATE: ("endgame", "queenEndgame", "mate", "mateIn1"),
    Puzzle("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", ("a1a8",)): (
        "endgame", "rookEndgame", "mate", "mateIn1", "backRankMate",
    ),
    Puzzle("8/P6k/8/8/8/8/8/K7 w - - 0 1", ("a7a8q",)): ("endgame", "pawnEndgame", "promotion"),
    Puzzle("4k3/8/8/3q4/8/2N5/8/4K3 w - - 0 1", ("c3d5",)): ("endgame", "hangingPiece"),
}  # fmt: skip


@pytest.mark.parametrize("puzzle", THEMES, ids=[" ".join(themes) for themes in THEMES.values()])
def test_the_themes_of_ones_own_puzzles_follow_from_rules(puzzle):
    """They were phase and mate alone."""
    moves = [chess.Move.from_uci(move) for move in puzzle.moves]
    assert themes_of(puzzle.start, moves) == THEMES[puzzle]


def test_themes_are_counted_among_what_is_wanted(trainer):
    fork = replace(TWO_MOVES, source="lichess", rating=1450.0, themes=("fork", "pin"))
    trainer.add([fork, replace(FORK, themes=("fork",))])
    assert trainer.themes() == {"fork": 2, "pin": 1}
    assert trainer.themes("others", 1400, 1500) == {"fork": 1, "pin": 1}
    assert trainer.themes("mine")["pin"] == 0


@pytest.mark.usefixtures("no_set")
def test_a_puzzle_that_was_solved_with_one_move_gets_its_whole_line(trainer, tmp_path):
    """A review that is made again knows more of it; what was trained stays."""
    keep_review(tmp_path, f"line-{'a' * 24}", [replace(FORK, moves=FORK.moves[:1])])
    trainer.add_own()
    streak = trainer.answer(trainer.next(), True).streak
    keep_review(tmp_path, f"line-{'b' * 24}", [FORK])
    assert trainer.add_own() == 0
    found = trainer._base.execute("SELECT moves, box FROM puzzles").fetchall()
    assert (found, trainer.standing.streak) == ([(" ".join(FORK.moves), 0)], streak)


def test_castling_in_chess960_solves_a_puzzle(trainer):
    for rank, king in (("4K2R", "e1"), ("5K1R", "f1")):  # the first looks like standard chess
        trainer.add([puzzle := Puzzle(f"4k3/8/8/8/8/8/8/{rank} w K - 0 1", (f"{king}h1",))])
        (attempt := Attempt(trainer, puzzle)).play(attempt.board.parse_san("O-O"))
        assert attempt.says.startswith("Solved!")


def test_ratings_move_as_the_papers_formulas_say():
    """Glickman 2012, steps 3 to 8, with the new volatility found by bisection of the condition in
    step 5.
    """
    mine, other = Rating(1500.0, 200.0, 0.06), Rating(1400.0, 30.0, 0.06)
    after = mine.after(1.0, other)
    # 1563.6 in the paper's example, after its first game
    exact = (1563.5641943, 175.4026559, 0.0599986573)
    assert (after.points, after.deviation, after.volatility) == pytest.approx(exact, rel=1e-8)
    assert mine.after(0.0, other).points < 1500 < after.points
    upset = Rating().after(1.0, Rating(3200.0, 80.0))
    assert upset.points == pytest.approx(2184.0, abs=1.0), "it was 2,331,994"


FEN, MOVES = PUZZLE.split(",")[1:3]
HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\n"
FROM_THE_WORLD = {
    "as Lichess has it": HEADER + PUZZLE,
    "without names": PUZZLE,
    "by Excel in German": f"\ufeff{HEADER}{PUZZLE}".replace(",", ";").replace("1400", "1400,0"),
    "with what tells Excel the separator": "sep=;\n" + (HEADER + PUZZLE).replace(",", ";"),
    "as Unicode text by Excel": (HEADER + PUZZLE).replace(",", "\t").encode("utf-16"),
    "of lines of DOS": (HEADER + PUZZLE).replace("\n", "\r\n"),
    "quoted": "".join(
        '"' + line.replace(",", '","') + '"\n' for line in (HEADER + PUZZLE).splitlines()
    ),
    "with empty lines": f"\n,,,,\n{HEADER}\n\n{PUZZLE}\n\n",
    "of other names in another order": f"rating_deviation|Rating|Moves|fen\n80|1400.0|{MOVES}|{FEN}\n",
    "with short positions": HEADER + PUZZLE.replace(" - - 0 1", " - -"),
    "with moves in words": HEADER + PUZZLE.replace(MOVES, "h6 Ra8#"),
    "put together": (HEADER + PUZZLE) * 2,
}


@pytest.mark.parametrize("name", FROM_THE_WORLD)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, ZSTD.compress])
def test_puzzles_are_read_from_what_the_world_sends(tmp_path, trainer, name, pack):
    """Of most of these, only a wrong column was told."""
    text = FROM_THE_WORLD[name]
    (tmp_path / "p.csv").write_bytes(pack(text if isinstance(text, bytes) else text.encode()))
    assert finish(trainer.adding(tmp_path / "p.csv", "p.csv")) == "1 new puzzle."
    found = trainer.next()
    assert (found.moves, found.rating, found.deviation) == (("a1a8",), 1400.0, 80.0)
    assert chess.Board(found.fen) == chess.Board("6k1/5p2/6pp/8/8/8/8/R5K1 w - - 0 2")


def test_a_puzzle_without_a_rating_is_as_uncertain_as_a_new_player(tmp_path):
    (tmp_path / "p.csv").write_text(
        "FEN,Moves\n8/P6k/8/8/8/8/8/K7 b - - 0 1,h7h6 a7a8Q\n", encoding="utf-8"
    )
    (found,) = read_lichess(tmp_path / "p.csv")
    assert (found.moves, found.rating, found.deviation) == (("a7a8q",), 1500.0, 350.0)


@pytest.mark.parametrize(
    ("row", "fault"),
    [(PUZZLE.replace("a1a8", "a1b8"), "'a1b8' is no legal move"), (PUZZLE.replace("8/R5K1", ""), "placement"),
     (PUZZLE.replace(" a1a8", ""), "an odd number"), (PUZZLE.replace("a1a8", "a1a8 g8g7"), "an odd number"),
     (PUZZLE.replace("1400", "high"), "a rating of 'high'"), ('x,"' + "8" * 200_000 + "\n", "placement"),
     ("\n\n\0\n", "placement")],
    ids=["move", "position", "no solution", "no last move", "rating", "quote", "nothing"],
)  # fmt: skip
def test_one_bad_row_is_skipped(tmp_path, trainer, row, fault):
    path = tmp_path / "puzzles.csv"
    path.write_text(HEADER + row + PUZZLE + row, encoding="utf-8")
    says = finish(trainer.adding(path, "mine.csv"))
    assert says.startswith("1 new puzzle. Skipped 2 rows that are no puzzles, first mine.csv:")
    assert fault in says
    path.write_text(row, encoding="utf-8")
    with pytest.raises(
        DataError, match=rf"mine\.csv: no puzzle in Lichess's format \(mine.*{fault}"
    ):
        finish(trainer.adding(path, "mine.csv"))


@pytest.mark.skipif(sys.platform == "win32", reason="folders as on Unix")
def test_puzzles_are_solved_in_the_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    trainer = Trainer(games_folder())
    with trainer._base:  # as if Aino's set had been taken up, and were empty
        trainer._base.execute("INSERT INTO drawn VALUES (?)", [SET])
    trainer.close()
    (tmp_path / "p.csv").write_text(PUZZLE, encoding="utf-8")
    assert main(["puzzles", "--import", str(tmp_path / "p.csv")]) == 0
    assert "1 new puzzle." in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("Zz9\nRb1\nZz9\nRa8\n"))
    assert main(["puzzles", "--ascii"]) == 0
    shown = capsys.readouterr().out
    assert "White to move" in shown
    refuted = re.findall(
        r"Rb1 is not the move: [^.]+\. 2\.\.\..+? follows\.", " ".join(shown.split())
    )
    assert len(refuted) == 2, "told again after a word that is no move"
    assert "Solved, at a later try." in shown
    assert main(["puzzles", "--list"]) == 0
    assert "In a row: 0" in capsys.readouterr().out


def test_the_list_tells_what_puzzles_there_are(trainer):
    """Of 3,000, it said nothing."""
    fork = replace(
        TWO_MOVES, source="lichess", rating=1500.0, deviation=30.0, themes=("fork", "pin")
    )
    trainer.add([replace(MATE, rating=900.0, themes=("fork",)), fork])
    trainer.answer(fork, True)
    assert trainer.stock().splitlines() == [
        "Puzzles: 2, of which 1 are of your own games. You have tried 1.",
        "Ratings: 800 to 999: 1, 1400 to 1599: 1",
        "Themes: fork 2, pin 1",
    ]


@pytest.mark.parametrize(
    ("wanted", "rating"),
    [
        ({}, None),  # one's own
        ({"theme": "fork"}, 1450.0),
        ({"source": "others", "most": 1500}, 1450.0),
        ({"theme": "pin"}, 2100.0),
        ({"least": 2000}, 2100.0),
        ({"theme": "skew"}, 0),
        ({"theme": "fork", "source": "mine"}, 0),
        ({"least": 2200}, 0),
    ],
)
def test_puzzles_are_chosen_by_what_is_wanted(trainer, wanted, rating):
    fork = replace(TWO_MOVES, source="lichess", rating=1450.0, themes=("fork", "middlegame"))
    pin = Puzzle(
        "k7/8/8/8/8/8/8/KQ6 w - - 0 1", ("b1b2",), "lichess", 2100.0, 80.0, themes=("pin", "skewer")
    )
    trainer.add([MATE, fork, pin])
    assert trainer.next(**wanted) == {None: MATE, 1450.0: fork, 2100.0: pin}.get(rating)


@pytest.mark.parametrize(
    ("puzzle", "tried", "line", "mate", "says"),
    [
        (MATE, "g6f7", [], None, "Qf7 is not the move: it is stalemate. Try again."),
        (
            TWO_MOVES,
            "a1b1",
            ["g8g7", "b1b8"],
            None,
            "another move is better. 1...Kg7 2. Rb8 follows. Try again.",
        ),
        (
            TWO_MOVES,
            "g1f1",
            ["a2a1"],
            None,
            "Kf1 is not the move: loses a rook. 1...Rxa1+ follows. Try again.",
        ),
        (
            TWO_MOVES,
            "g1h1",
            ["a2a1"],
            1,
            "Kh1 is not the move: allows mate in 1. 1...Rxa1+ follows.",
        ),
    ],
)
def test_a_wrong_try_is_refuted_in_words(trainer, puzzle, tried, line, mate, says):
    trainer.add([puzzle])
    attempt = attempt_at(trainer, puzzle, tried)
    moves = [chess.Move.from_uci(move) for move in line]
    info = SearchInfo(1, 1, 1, 1, 1, 0, 1, 0, mate, (0, 0, 1000), moves)
    assert attempt.refute(SearchResult(None, None, [info], [], 1, 1) if line else None) == moves
    assert says in attempt.says
    attempt.give_up()
    assert attempt.failed is None
