"""What the author of a game wrote stays, is shown, and is told apart from Aino's reviews."""

import functools
import re

import chess.pgn
import pytest

from engine.board.pgn.annotations import (
    author_text,
    drawn_by,
    game_name,
    glyphs_of,
    with_author_text,
    with_drawing,
    with_review,
    without_review,
)
from engine.board.pgn.game_reader import read_game_file, read_games
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.boards import moves_in
from tests.uci.annotate.scripted_reviews import section_of, steps_of
from uci.annotate.comments import add_comments, forget_review
from uci.annotate.game_page import game_section
from uci.annotate.review import review_game
from uci.main import main
from uci.web.board_game import BoardGame
from uci.web.new_games import loaded_game
from uci.web.saver import record_of
from uci.web.snapshot import snapshot

FAST = "--evaluator material --threads 1 --hash-mib 16 --nodes 30".split()
# As Lichess exports a chapter of a study, with a clock, a drawn arrow, nested variations, and marks
# of the author's.
STUDY = """\
[Event "My openings: The trap"]
[Site "https://lichess.org/study/abc/def"]
[Result "*"]
[Annotator "https://lichess.org/@/somebody"]
[StudyName "My openings"]
[ChapterName "The trap"]

{ This line is [%csl Gf7] old. [%cal Rd1h5] }
1. e4 { [%clk 0:05:00] } 1... e5 2. Qh5?! { Early. [%cal Gh5f7,Yh5e5][%csl Rf7] } 2... Nc6
( 2... Nf6?! { gives a pawn } 3. Qxe5+ ( 3. Qf3 { is timid } 3... Nc6 ) 3... Be7 )
3. Bc4 Nf6?? { The trap. } ( 3... g6 ) 4. Qxf7# *
"""
WITH_EVALUATIONS = """\
[White "A"]
[Black "B"]
[Annotator "Aino Kukk"]

1. f3 { [%eval -0.5] [%clk 0:03:00] } 1... e5 { [%eval -0.4,22] } 2. g4?? { [%eval #-1] B wins now. } 2... Qh4# 0-1
"""


def read(text):
    return next(read_games(text)).game


@functools.cache
def engine():
    return Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16))


def review_of(text):
    return review_game(engine(), read(text), Limits(nodes=100))


@pytest.mark.parametrize(
    "text", [STUDY, WITH_EVALUATIONS, "1. e4 (1. d4 {mine}) e5 $10 2. Ke2 $4 $14 {hm} 2... Ke7 *\n"]
)
def test_a_review_can_be_taken_out_of_its_game(text):
    before = str(read(text))
    annotator = read(text).headers.get("Annotator")
    written = str(add_comments(review_of(text)))
    assert "[%aino" in written
    again = read(written)
    assert annotator in (None, again.headers["Annotator"])
    forget_review(again)
    if annotator is None:
        del again.headers["Annotator"]
    assert str(again) == before


def test_evaluations_of_another_program_are_not_doubled():
    written = str(add_comments(review_of(WITH_EVALUATIONS)))
    assert re.findall(r"\[%eval ([^]]*)\]", written) == ["-0.5", "-0.4,22", "#-1"]
    assert "[%clk 0:03:00]" in written
    own = str(add_comments(review_of(STUDY)))
    assert own.count("[%eval") == 6, "all but the mate"


@pytest.mark.parametrize("comment", ["", "mine", "mine\nand more", "[%clk 0:01:00] mine"])
@pytest.mark.parametrize("facts", ["", "evals", "4", "4 2 6"])
def test_words_of_a_review_are_told_from_the_authors(comment, facts):
    words = "Blunder: loses a pawn. Better was e4."
    written = with_review(comment, words, facts)
    assert without_review(written) == (comment, facts)
    assert without_review(f"{written} added later") == (f"{comment} added later".strip(), facts)
    broken = written.replace("loses a", "loses\na").replace("%aino ", "%aino\n")
    assert without_review(broken) == (comment, facts)
    # As many words as the review has were taken, whose ever they were.
    among = written.replace("was e4.", "was e4. I was tired.")
    assert without_review(among) == (f"{comment} I was tired.".strip(), facts)
    assert "his pawn" in without_review(written.replace("a pawn", "his pawn"))[0]
    assert author_text(written) == comment.removeprefix("[%clk 0:01:00] ")
    rewritten = with_author_text(written, "other {words}")
    assert author_text(rewritten) == "other (words)"
    assert without_review(rewritten)[1] == facts
    assert ("[%clk" in rewritten) == ("[%clk" in comment)


@pytest.mark.parametrize("line", ["2. e4 {Mine.} Nf6", "2. e4 $1 Nf6", "2. e4 Nf6 (2... d5)",
                                  "2. e4 Nf6 3. d4", "{Mine.} 2. e4 Nf6"])  # fmt: skip
def test_a_variation_of_a_review_stays_with_what_is_added(line):
    """It went with all that was written into it."""
    game = read(f"1. f3 e5 2. g4 ({{[%aino 2 plies]}} {line}) 2... Qh4# 0-1")
    forget_review(game)
    assert "2. e4" in str(game)


@pytest.mark.parametrize(
    "comment",
    ["[%aino]", "[%aino 0]", "[%aino 3 x]", "[%aino 99999999999]", "[%aino -1]", "aino 4"],
)
def test_a_comment_that_is_no_reviews_is_left_alone(comment):
    assert without_review(comment) == (comment, None)


def test_a_file_that_is_reviewed_again_is_the_same(tmp_path):
    first, second = tmp_path / "study.pgn", tmp_path / "study.annotated.pgn"
    first.write_text(f"{STUDY}\n{WITH_EVALUATIONS}")
    assert main(["annotate", str(first), *FAST]) == 0
    once = second.read_text(encoding="utf-8")
    (tmp_path / "folder").mkdir()
    outs = {
        "again": "again.pgn",
        "more.pgn": "more.pgn",
        "folder": "folder/study.annotated.annotated.pgn",
    }
    for out, written in outs.items():
        assert main(["annotate", str(second), "--out", str(tmp_path / out), *FAST]) == 0
        assert (tmp_path / written).read_text(encoding="utf-8") == once
    assert not any(game.faults for game in read_game_file(second))


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"ChapterName": "Game 6", "White": "Fischer", "Black": "Spassky"}, "Game 6"),
        ({"Event": "My openings: The trap", "White": "?", "Black": "?"}, "My openings: The trap"),
        ({"Event": "Rated blitz game", "White": "A", "Black": "B"}, "A – B"),
        ({"Event": "?", "White": "A"}, "A – ?"),
        ({}, "? – ?"),
    ],
)
def test_chapters_of_studies_have_names(tags, name):
    assert game_name(tags) == name


def test_the_page_shows_what_the_author_wrote():
    review = review_of(STUDY)
    add_comments(review)
    assert game_section(review, 1, "")[0] == "The trap, *"
    steps = steps_of(review)
    assert steps[0]["note"] == "This line is old."
    assert steps[0]["drawn"] == [[chess.F7, chess.F7, "green"], [chess.D1, chess.H5, "red"]]
    assert "note" not in steps[1], "a clock time is no note"
    variation, inner = (steps[4]["lines"][name] for name in ("Variation", "Variation 2"))
    assert [move["text"] for move in variation] == ["2... Nf6", "3. Qxe5+", "Be7"]
    assert [move["text"] for move in inner] == ["3. Qf3", "Nc6"]
    assert steps[4]["forks"] == {"Variation 2": ["Variation", 1]}
    assert variation[0]["note"] == "gives a pawn"
    assert inner[0]["note"] == "is timid"
    assert "expected" not in variation[0], "nobody has judged it"
    assert "Variation 2" not in steps[6]["lines"], "Aino's own line is the better one"


def test_the_board_shows_what_the_author_of_a_loaded_game_wrote():
    setup, names, fault = loaded_game(f"{STUDY}\n{WITH_EVALUATIONS}", 1)
    assert names == ["The trap, *", "A – B, 0-1"]
    assert fault == ""
    table = BoardGame(setup)
    nodes = snapshot(table, is_new=True)["nodes"]
    assert nodes[3]["note"] == "Early."
    _main, first = nodes[3]["next"]
    assert nodes[first]["note"] == "gives a pawn"
    inner = nodes[first]["next"][1]
    assert nodes[inner]["san"] == "Qf3"
    assert nodes[inner]["note"] == "is timid"
    table.study.look(table.study.node(3))
    table.study.explore(moves_in("g8f6 h5f3 b8c6"))
    assert table.study.changes == 0, "they were in the game"
    record = record_of(table)
    assert record.headers["Annotator"] == "https://lichess.org/@/somebody"
    assert str(record) == str(read(STUDY))


def test_moves_behind_a_loaded_game_are_kept_with_its_notes():
    table = BoardGame(loaded_game("1. e4 {mine} (1. d4) e5 *", 1)[0])
    table.study.look(table.study.node(2))
    table.study.explore(moves_in("g1f3"))
    record = record_of(table)
    assert [node.san() for node in record.mainline()] == ["e4", "e5", "Nf3"]
    assert record.next().comment == "mine"


DRAWN = {
    "[%csl Rd4][%cal Ge2e4]": "d4d4 red, e2e4 green",  # Lichess, ChessBase
    "[%cal Ge2e4, Yd7d5,\nBa1h8] then": "e2e4 green, d7d5 yellow, a1h8 blue",  # a line was wrapped
    "[%cal Ge2e4,Xa1a2,Rd2d4]": "e2e4 green, d2d4 red",
    **dict.fromkeys(
        ["[%csl Rd9]", "[%csl ]", "[%cal Ge2e4", "[%CAL Ge2e4]", "[%draw arrow,e2,e4,red]", "[%cal]",
         "[%c_arrow e2e4;keyPressed;none;from;e2]", "no command: csl Rd4"], "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("comment", "drawn"), DRAWN.items())
def test_drawings_of_other_programs_are_read(comment, drawn):
    """A list with a space, a line break or one bad shape in it was not shown."""
    node = chess.pgn.Game().add_variation(chess.Move.from_uci("e2e4"), comment=comment)
    shapes = [f"{chess.square_name(source)}{chess.square_name(target)} {colour}"
              for source, target, colour in drawn_by(node)]  # fmt: skip
    assert ", ".join(shapes) == drawn


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "[%csl Rd4][%cal Bg1f3]"), ("Good. [%clk 0:01:00]", "Good. [%clk 0:01:00] [%csl Rd4][%cal Bg1f3]"),
     ("[%cal Ge2e4,Xa1a2] so", "[%cal Xa1a2] so [%csl Rd4][%cal Bg1f3]"),
     ("[%csl Rd9][%cal Ge2e4]", "[%csl Rd9] [%csl Rd4][%cal Bg1f3]"),
     ("a [%draw x] Blunder: bad. [%aino 2 4] b", "a [%draw x] [%csl Rd4][%cal Bg1f3] Blunder: bad. [%aino 2 4] b")],
)  # fmt: skip
def test_what_is_drawn_leaves_everything_else(before, after):
    shapes = [(chess.D4, chess.D4, "red"), (chess.G1, chess.F3, "blue")]
    assert with_drawing(before, shapes) == after


def test_words_leave_what_is_drawn():
    comment = with_author_text("old [%csl Rd4] words [%cal Ge2e4]", "new")
    assert comment == "new [%csl Rd4] [%cal Ge2e4]"


GLYPHS = "1. e4! $14 e5 $6 2. Qh5?! (2. Nf3! $146) Nc6 $999 3. Bc4 Nf6?? 4. Qxf7# *"


def test_the_page_shows_the_authors_glyphs():
    """It had Aino's mark only."""
    review = review_of(GLYPHS)
    add_comments(review)
    steps = steps_of(review)
    glyphs = [step.get("glyphs", "") for step in steps[1:]]
    assert glyphs == ["! ⩲", "?!", "?!", "$999", "", "??", ""]
    assert steps[3]["lines"]["Variation"][0]["glyphs"] == "! N"
    assert '<span class="own">! ⩲</span>' in section_of(review)


def test_a_glyph_that_a_review_replaced_is_still_the_authors():
    game = add_comments(review_of("1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6!! 4. Qxf7# *"))
    node = list(game.mainline())[5]
    assert node.nags == {4}
    assert glyphs_of(node) == [3]
