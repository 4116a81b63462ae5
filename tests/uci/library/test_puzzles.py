"""Puzzles: drawn from reviews, read from Lichess's file, come back after days, and are rated."""

import gzip
import re
import time
from collections import Counter
from dataclasses import replace

import chess
import pytest

from engine.board.notation import board_after as played
from engine.errors import DataError
from engine.search.result import SearchInfo, SearchResult
from tests.boards import moves_in
from tests.browser.test_games import PUZZLE
from tests.new_process import ROOT
from tests.uci.annotate.scripted_reviews import ScriptedEngine, read, review, valued
from tests.unit.files.test_text import ZSTD
from uci.library.cooperative import finish
from uci.library.glicko import Rating
from uci.library.puzzle_stock import PuzzleStock
from uci.library.puzzles import Puzzle, puzzles_of, read_lichess, read_set, themes_of
from uci.library.solving import PuzzleAttempt
from uci.library.training import BOXES_DAYS, PuzzleQuery, PuzzleTraining

DAY_S = 86_400.0
MATE = Puzzle("7k/8/5KQ1/8/8/8/8/8 w - - 0 1", ("g6g7",))
TWO_MOVES = Puzzle("6k1/5p1p/6p1/8/8/8/r7/R5K1 w - - 0 1", ("a1a2", "h7h6", "a2a8"))
FORK = Puzzle("r3k3/8/8/1N6/8/8/8/4K3 w q - 0 1", ("b5c7", "e8d7", "c7a8"))


class Clock:
    now = 1.7e9

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class Stock:
    """Puzzles that a test puts there, the latest last."""

    def __init__(self):
        self._puzzles = []

    def add(self, *puzzles):
        self._puzzles += puzzles

    def puzzles(self):
        return {puzzle.key: puzzle for puzzle in reversed(self._puzzles)}


@pytest.fixture
def stock():
    return Stock()


@pytest.fixture
def training(tmp_path, clock, stock):
    training = PuzzleTraining(tmp_path, clock)
    training.stock = stock
    return training


def missed(knight=-0.9, find=0.5):
    """The review of 1. h4, a blunder, where 1. d4 was found by this share of people; and the value
    of 1. Nf3.
    """
    game = read("1. h4 *")
    engine = ScriptedEngine(valued(game, {"d2d4": 0.5, "h2h4": -0.6, "g1f3": knight}))
    engine.shares = {"d2d4": find}
    return review(game, engine)


@pytest.mark.parametrize(("find", "rating"), [(0.5, 1500), (0.1, 1882), (0.9, 1118)])
def test_a_missed_move_becomes_a_puzzle_that_is_hard_where_few_find_it(find, rating):
    """All of one's own puzzles were rated 1500."""
    themes = themes_of(chess.Board(), moves_in("d2d4"))
    row = {"fen": chess.STARTING_FEN, "before": "", "moves": ["d2d4"], "themes": themes, "rating": rating}  # fmt: skip
    assert puzzles_of(missed(find=find), chess.WHITE) == [row]


@pytest.mark.parametrize(
    ("knight", "side"), [(0.49, chess.WHITE), (0.25, chess.WHITE), (0.0, chess.BLACK), (0.0, None)]
)
def test_a_move_with_an_equal_and_another_sides_become_none(knight, side):
    assert not puzzles_of(missed(knight), side)


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
    assert not {theme for theme in shown if themes[theme] < 10}
    assert all(puzzle.before for puzzle in puzzles)


def test_puzzles_that_are_passed_by_come_again_last(training, stock):
    """Two alternated for ever."""
    puzzles = [replace(MATE, fen=MATE.fen.replace("0 1", f"0 {number}")) for number in range(1, 5)]
    stock.add(*puzzles)
    first, second = ([training.next().key for _ in puzzles] for _ in range(2))
    assert {*first} == {puzzle.key for puzzle in puzzles}
    assert second == first


def test_a_puzzle_answered_while_the_clock_was_ahead_comes_again(training, clock, stock):
    stock.add(MATE)
    for ahead in (400.0, 5.0, 0.0):
        clock.now += ahead * DAY_S
        training.answer(MATE, True)
        clock.now -= ahead * DAY_S
        assert (training.next() is not None) == (training.standing.due == 1) == (ahead > 0)


def test_a_puzzle_comes_back_later_each_time_it_is_solved(training, clock, stock):
    """One solved at 20:00 was due at 19:30 of the next day, too, and not in the morning."""
    clock.now = time.mktime((2026, 1, 5, 20, 0, 0, 0, 0, -1))
    evening = 20 / 24
    stock.add(MATE)
    for days in (*BOXES_DAYS, BOXES_DAYS[-1]):
        training.answer(MATE, True)
        clock.now += (days - evening - 0.1) * DAY_S
        assert training.next() is None
        clock.now += 0.2 * DAY_S
        assert training.next() is not None
        clock.now += (evening - 0.1) * DAY_S
    assert training.standing.streak == training.standing.longest == len(BOXES_DAYS) + 1
    training.answer(MATE, False)
    clock.now += 1.1 * DAY_S
    assert training.standing.streak == 0
    assert training.next() is not None


def test_due_puzzles_come_first(training, clock, stock):
    near = replace(FORK, source="lichess", rating=1450.0)
    stock.add(replace(TWO_MOVES, source="lichess", rating=2500.0), near)
    assert training.next() == near
    stock.add(MATE)
    assert training.next() == MATE
    training.answer(near, False)
    clock.now += 2 * DAY_S
    assert training.next() == near


def attempt_at(training, puzzle, *moves):
    """An attempt in which these moves were tried."""
    attempt = PuzzleAttempt(training, puzzle)
    for move in moves:
        attempt.play(chess.Move.from_uci(move))
    return attempt


@pytest.mark.parametrize(("tries", "streak"), [(["g6g7"], 1), (["f6f7", "g6g7"], 0)])
def test_only_the_first_try_counts(training, stock, tries, streak):
    stock.add(MATE)
    attempt_at(training, MATE, *tries)
    assert training.standing.streak == streak


def test_a_check_that_is_no_mate_is_another_move(training, stock):
    puzzle = replace(TWO_MOVES, moves=("a1a2", "h7h6", "a2a7"))
    stock.add(puzzle)
    attempt = attempt_at(training, puzzle, "a1a2")
    assert attempt.says == "Right. The answer is h6. Go on."
    attempt.play(chess.Move.from_uci("a2a8"))
    assert not attempt.is_over, "Kg7 answers the check"
    attempt.give_up()
    assert attempt.says == "The answer: 2. Ra7. It wins a rook: the rook on a2 is unguarded."


def test_the_move_before_is_told(training):
    """Nobody knew what the opponent had just done."""
    before = chess.Board("3qk3/8/8/3P4/8/2N5/8/4K3 b - - 0 1")
    puzzle = Puzzle(
        played(before, chess.Move.from_uci("d8d5")).fen(), ("c3d5",), before=f"{before.fen()} d8d5"
    )
    attempt = PuzzleAttempt(training, puzzle)
    question = "The last move was Qxd5. White to move. Find the only good move."
    assert attempt.says == question
    assert attempt.board.peek().uci() == "d8d5"
    attempt.play(chess.Move.from_uci("c3d5"))
    assert attempt.says == "Solved! It wins the queen: the queen on d5 is unguarded."


PROMOTION = Puzzle("8/P6k/8/8/8/8/8/K7 w - - 0 1", ("a7a8q",))


@pytest.mark.parametrize(
    ("puzzle", "tried", "verdict"),
    [
        (MATE, ["f6f7", "g6g7"], "Solved, but not at the first try. It is mate in 1."),
        (FORK, ["b5c7", "c7a8"], "Solved! It wins a rook: a fork of king and rook by the knight on c7."),
        (PROMOTION, ["a7a8q"], "Solved! A pawn is promoted."),
        # which no rule explains
        (Puzzle("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", ("e2e4",)), ["e2e4"], "Solved! Every other move is much worse."),
    ],
)  # fmt: skip
def test_a_solution_is_explained_behind_its_end(training, puzzle, tried, verdict):
    attempt = attempt_at(training, puzzle, *tried)
    assert attempt.is_over
    assert attempt.says == verdict


THEMES = {
    FORK: ("endgame", "fork"),
    MATE: ("endgame", "queenEndgame", "mate", "mateIn1"),
    Puzzle("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", ("a1a8",)): (
        "endgame", "rookEndgame", "mate", "mateIn1", "backRankMate",
    ),
    PROMOTION: ("endgame", "pawnEndgame", "promotion"),
    Puzzle("4k3/8/8/3q4/8/2N5/8/4K3 w - - 0 1", ("c3d5",)): ("endgame", "hangingPiece"),
}  # fmt: skip


@pytest.mark.parametrize("puzzle", THEMES, ids=[" ".join(themes) for themes in THEMES.values()])
def test_the_themes_of_ones_own_puzzles_follow_from_rules(puzzle):
    """They were phase and mate alone."""
    assert themes_of(puzzle.start, puzzle.line) == THEMES[puzzle]


@pytest.mark.parametrize(
    ("fen", "moves", "is_sacrifice"),
    [
        ("3qk3/6p1/8/8/4N3/8/8/3RK3 w - - 0 1", "e4f6 g7f6 d1d8", False),
        ("6k1/R4ppp/8/8/8/8/5PPP/6K1 w - - 0 1", "a7f7 g8f7 g1f1", True),
    ],
)
def test_a_piece_that_comes_back_is_no_sacrifice(fen, moves, is_sacrifice):
    line = moves_in(moves)
    assert ("sacrifice" in themes_of(chess.Board(fen), line)) == is_sacrifice


def test_themes_are_counted_among_what_is_wanted(training, stock):
    fork = replace(TWO_MOVES, source="lichess", rating=1450.0, themes=("fork", "pin"))
    stock.add(fork, replace(FORK, themes=("fork",)))
    assert training.themes() == {"fork": 2, "pin": 1}
    assert training.themes(PuzzleQuery("others", least=1400, most=1500)) == {"fork": 1, "pin": 1}
    assert training.themes(PuzzleQuery("mine"))["pin"] == 0


def test_castling_in_chess960_solves_a_puzzle(training, stock):
    for rank, king in (("4K2R", "e1"), ("5K1R", "f1")):  # the first looks like standard chess
        stock.add(puzzle := Puzzle(f"4k3/8/8/8/8/8/8/{rank} w K - 0 1", (f"{king}h1",)))
        (attempt := PuzzleAttempt(training, puzzle)).play(attempt.board.parse_san("O-O"))
        assert attempt.says.startswith("Solved!")


def test_ratings_move_as_the_papers_formulas_say():
    """Glickman 2012, steps 3 to 8, with the new volatility found by bisection of the condition in
    step 5.
    """
    mine, opponent = Rating(1500.0, 200.0, 0.06), Rating(1400.0, 30.0, 0.06)
    after = mine.after(1.0, opponent)
    # 1563.6 in the paper's example, after its first game
    exact = (1563.5641943, 175.4026559, 0.0599986573)
    assert (after.points, after.deviation, after.volatility) == pytest.approx(exact, rel=1e-8)
    assert mine.after(0.0, opponent).points < 1500 < after.points
    upset = Rating().after(1.0, Rating(3200.0, 80.0))
    assert upset.points == pytest.approx(2184.0, abs=1.0), "it was 2,331,994"


HEADER = "PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\n"


LICHESS = {
    "with names": HEADER + PUZZLE,
    "without": PUZZLE,
    "of DOS": (HEADER + PUZZLE).replace("\n", "\r\n"),
    "put together": (HEADER + PUZZLE) * 2,
}


@pytest.mark.parametrize("text", LICHESS.values(), ids=LICHESS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, ZSTD.compress])
def test_lichess_own_file_is_read(tmp_path, text, pack):
    (tmp_path / "p.csv").write_bytes(pack(text.encode()))
    puzzle, *_ = read_lichess(tmp_path / "p.csv")
    assert puzzle.moves == ("a1a8",)
    assert puzzle.rating == 1400.0
    assert puzzle.deviation == 80.0
    assert puzzle.fen == "6k1/5p2/6pp/8/8/8/8/R5K1 w - - 0 2"


def test_a_puzzle_without_a_rating_is_as_uncertain_as_a_new_player(tmp_path):
    (tmp_path / "p.csv").write_text("x,8/P6k/8/8/8/8/8/K7 b - - 0 1,h7h6 a7a8q\n")
    (puzzle,) = read_lichess(tmp_path / "p.csv")
    assert puzzle.moves == ("a7a8q",)
    assert puzzle.rating == 1500.0
    assert puzzle.deviation == 350.0


BAD_ROWS = {
    "move": (PUZZLE.replace("a1a8", "a1b8"), "'a1b8' is no legal move"),
    "position": (PUZZLE.replace("8/R5K1", ""), "placement"),
    "no solution": (PUZZLE.replace(" a1a8", ""), "an odd number"),
    "no last move": (PUZZLE.replace("a1a8", "a1a8 g8g7"), "an odd number"),
    "rating": (PUZZLE.replace("1400", "high"), "a rating of 'high'"),
    # It made one's own rating no number, for good.
    "no number": (PUZZLE.replace("1400", "nan"), "a rating of"),
    "too high": (PUZZLE.replace("1400", "1e9"), "a rating of"),
    "negative": (PUZZLE.replace("1400", "-3"), "a rating of"),
    "no deviation": (PUZZLE.replace("1400,80", "1500,nan"), "a rating of"),
    "length": ("x," + "8" * 200_000 + "\n", "placement"),
    "nothing": ("\n\n\0\n", "placement"),
}


@pytest.mark.usefixtures("no_shipped_puzzles")
@pytest.mark.parametrize(("row", "fault"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_one_bad_row_is_skipped(tmp_path, row, fault):
    stock = PuzzleStock(tmp_path)
    path = tmp_path / "puzzles.csv"
    path.write_text(HEADER + row + PUZZLE + row)
    sentence = finish(stock.adding(path, "mine.csv"))
    assert sentence.startswith("1 new puzzle. Skipped 2 rows that are no puzzles, first mine.csv:")
    assert fault in sentence


@pytest.mark.usefixtures("no_shipped_puzzles")
def test_a_file_without_a_puzzle_is_refused(tmp_path):
    (path := tmp_path / "puzzles.csv").write_text("x\n")
    with pytest.raises(
        DataError, match=r"mine\.csv: no puzzle in Lichess's format \(mine.*placement"
    ):
        finish(PuzzleStock(tmp_path).adding(path, "mine.csv"))


CHOSEN = [
    ({}, "mine"),
    ({"theme": "fork"}, "fork"),
    ({"source": "others", "most": 1500}, "fork"),
    ({"theme": "pin"}, "pin"),
    ({"least": 2000}, "pin"),
    ({"theme": "skew"}, ""),
    ({"theme": "fork", "source": "mine"}, ""),
    ({"least": 2200}, ""),
]


@pytest.mark.parametrize(("query", "chosen"), CHOSEN, ids=repr)
def test_puzzles_are_chosen_by_what_is_wanted(training, query, chosen, stock):
    fork = replace(TWO_MOVES, source="lichess", rating=1450.0, themes=("fork", "middlegame"))
    pin = replace(FORK, source="lichess", rating=2100.0, themes=("pin", "skewer"))
    stock.add(MATE, fork, pin)
    puzzles = {"mine": MATE, "fork": fork, "pin": pin}
    assert training.next(PuzzleQuery(**query)) == puzzles.get(chosen)


# A puzzle, what is tried, what follows, and what is said; a check that follows is mate.
REFUTED = [
    (MATE, "g6f7", "", "Qf7 is not the move: it is stalemate. Try again."),
    (TWO_MOVES, "a1b1", "g8g7 b1b8", "another move is better. 1...Kg7 2. Rb8 follows. Try again."),
    (TWO_MOVES, "g1f1", "a2a1", "Kf1 is not the move: loses a rook. 1...Rxa1+ follows. Try again."),
    (TWO_MOVES, "g1h1", "a2a1 mate", "Kh1 is not the move: allows mate in 1. 1...Rxa1+ follows."),
]


@pytest.mark.parametrize(("puzzle", "tried", "line", "sentence"), REFUTED)
def test_a_wrong_try_is_refuted_in_words(training, puzzle, tried, line, sentence, stock):
    stock.add(puzzle)
    attempt = attempt_at(training, puzzle, tried)
    mate = 1 if "mate" in line else None
    moves = moves_in(line.removesuffix(" mate"))
    info = SearchInfo(1, 1, 1, 1, 1, 0, 1, 0, mate, (0, 0, 1000), moves)
    assert attempt.refute(SearchResult(None, None, [info], [], 1, 1) if line else None) == moves
    assert sentence in attempt.says
    attempt.give_up()
    assert attempt.failed is None
