"""Edits of a game are spliced into its text: what is read again is the edited game, and all else
stays as it stood.
"""

import random

import chess
import chess.pgn
import pytest

from engine.board.pgn.game_reader import read_games
from engine.board.pgn.game_splices import game_splices
from engine.errors import DataError
from engine.files.source_text import SourceText, splice
from tests.boards import table
from tests.unit.board.pgn_forms import TEXTS, WORDS, WRAPPED, played_game, san, whole, words_of

GAME = """[White "A"]
[Odd "tag"]

1.e4 {[%clk 0:01]} {good} e5! (1... c5 2. Nf3 (2. c3 d5) 2... d6 $1) 2.  Nf3
% escape
Nc6 ; a line
3. -- a6 *
"""


def game_of(text):
    (read,) = (read for read in read_games(text) if read.number)
    return read.game


def ply(game, number):
    return list(game.mainline())[number - 1]


def edited(text, edit):
    game = game_of(text)
    edit(game)
    return splice(text.encode(), game_splices(text.encode(), game)).decode()


def comment_on(number, words):
    return lambda game: setattr(ply(game, number), "comment", words)


def mark(number, *nags):
    return lambda game: setattr(ply(game, number), "nags", set(nags))


def start_with(words):
    return lambda game: setattr(game, "comment", words)


def vary(number, *moves):
    def edit(game):
        node = ply(game, number).parent
        for move in moves:
            node = node.add_variation(chess.Move.from_uci(move))

    return edit


def sideline(game):
    return game.variations[0].variations[1]


EDITS = {
    "a comment replaces its own words alone": (
        comment_on(1, "[%clk 0:01] better"), "{good}", "{better}"),
    "a new comment stands behind the move and its marks": (
        comment_on(2, "mine"), "e5!", "e5! {mine}"),
    "words that end a comment are changed": (
        comment_on(2, "a {b} c"), "e5!", "e5! {a (b) c}"),
    "a comment that is gone takes its braces along": (
        comment_on(1, "[%clk 0:01]"), " {good}", ""),
    "a line's comment is replaced up to the line's end": (
        comment_on(4, "other"), "; a line", "{other}"),
    "words behind a line's comment have a line of their own": (
        comment_on(4, "a line and more"), "; a line", "; a line\n{and more}"),
    "a comment before all moves stands before the first number": (
        start_with("Hello"), "1.e4", "{Hello} 1.e4"),
    "a glyph is replaced in its own form": (mark(2, 4), "e5!", "e5??"),
    "a glyph that is gone leaves the move": (mark(2), "e5!", "e5"),
    "a new glyph is a number": (mark(3, 3), "Nf3\n", "Nf3 $3\n"),
    "a variation stands behind those before it": (
        vary(2, "d7d5"), "$1)", "$1) (1... d5)"),
    "a variation behind a line's comment has a line of its own": (
        vary(4, "g8f6", "f1c4"), "; a line", "; a line\n(2... Nf6 3. Bc4)"),
    "a longer variation goes on in its brackets": (
        lambda game: sideline(game).end().add_variation(chess.Move.from_uci("d2d4")),
        "$1)", "$1 3. d4)"),
    "a variation that is gone goes with its brackets": (
        lambda game: sideline(game).parent.variations.pop(1),
        " (1... c5 2. Nf3 (2. c3 d5) 2... d6 $1)", ""),
    "a variation in a variation becomes the first": (
        lambda game: sideline(game).variations.reverse(),
        "2. Nf3 (2. c3 d5) 2... d6 $1", "2. c3 ( 2. Nf3 d6 $1 ) 2... d5"),
    "a comment before a variation is replaced": (
        lambda game: setattr(sideline(game), "starting_comment", "why"),
        "(1... c5", "({why} 1... c5"),
}  # fmt: skip


@pytest.mark.parametrize("behind", ["{the end}", "; the end", "{the} {end}"])
def test_a_variation_stands_before_the_result(behind):
    """It followed a comment behind the result, where no move may stand, and so it was refused."""
    text = edited(f"1. e4 e5 1-0 {behind}\n", vary(2, "c7c5"))
    assert text == f"1. e4 e5 (1... c5) 1-0 {behind}\n"


@pytest.mark.parametrize(
    ("text", "edit", "after"),
    [
        ("{Intro.} 1. e4 *", start_with("Mine. Intro."), "{Mine.} {Intro.} 1. e4 *"),
        ("1. e4 ({why} 1. d4) *", lambda game: setattr(game.variations[1], "starting_comment", "Ask why"),
         "1. e4 ({Ask} {why} 1. d4) *"),
        ("1. e4 e5(1...c5)2.Nf3 *", lambda game: game.next().variations.pop(1), "1. e4 e5 2.Nf3 *"),
        ("1. e4 e5!1-0\n", comment_on(2, "Mine"), "1. e4 e5! {Mine} 1-0\n"),
        ("1. e4{x}e5 *", comment_on(1, ""), "1. e4 e5 *"),
        ("1. e4(=) e5 *", comment_on(1, ""), "1. e4 e5 *"),
        ("1. e4 ({why} {now}) e5 *", comment_on(1, "Mine"), "1. e4 {Mine} e5 *"),
        ('[White "A"]\n\n*\n', start_with("Mine"), '[White "A"]\n\n{Mine} *\n'),
        ("1. e4\n{x}\n\ne5 *", comment_on(1, ""), "1. e4\n\ne5 *"),
    ],
)  # fmt: skip
def test_words_that_stand_close_take_edits(text, edit, after):
    assert edited(text, edit) == after


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_replaces_only_what_it_changes(name):
    """The whole game was written anew, in the export format."""
    edit, before, after = EDITS[name]
    assert GAME.count(before) == 1
    assert edited(GAME, edit) == GAME.replace(before, after)


def test_a_game_that_was_not_edited_is_not_written():
    assert game_splices(GAME.encode(), game_of(GAME)) == []


NOT_READ = r"""
1. e4 e5 2. Nf3 Nc6 3. Bb5 Nf6 4. Bxa7 a6 {I was lost here} 5. O-O * | illegal move
1. e4 e5 (1... Ke6 {why} 2. d4) 2. Nf3 * | illegal move
1. e4 e5 (1... c5 2. Nf3 * | this variation is not closed
1. e4 {good e5 * | this comment is not closed
[White "A"]\n[Black B"]\n\n1. e4 * | expected a tag
1. e4 e5 1-0 0-1 | a second result
[FEN "nonsense"]\n\n1. e4 * | nonsense
[Variant "Crazyhouse"]\n\n1. e4 * | Crazyhouse
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    table(NOT_READ),
)
def test_what_was_not_read_wholly_is_not_written_over(text, reason):
    """The end of the game was gone, and nothing was said."""
    game = game_of(text)
    game.comment = "mine"
    with pytest.raises(DataError, match=reason):
        game_splices(text.encode(), game)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda game: game.end().add_variation(chess.Move.from_uci("d2d4")), "main line"),
        (lambda game: game.headers.update(Date="2024.01.02"), "tags"),
    ],
)
def test_a_game_with_another_main_line_or_tags_is_not_written(edit, reason):
    with pytest.raises(DataError, match=reason):
        edited(GAME, edit)


def test_a_variation_has_the_letters_of_its_game():
    """One in English letters in a German game would be no move there."""
    text = "1. e4 e5 2. Sf3 Sc6 3. Lb5 a6 *"
    assert edited(text, vary(5, "f1c4", "g8f6")) == text.replace("Lb5", "Lb5 (3. Lc4 Sf6)")


def nodes_of(game):
    nodes = [game]
    for node in nodes:
        nodes += node.variations
    return nodes


def change(game, rng):
    """An edit of a person: a comment, a glyph, a variation more or less."""
    node = rng.choice(nodes_of(game))
    kind = rng.randrange(5)
    if kind == 0:
        words = ["", "New", 'é {x} 1-0 ; y\n[Event "x"]\n% z', f"{node.comment} more"]
        node.comment = rng.choice(words)
    elif kind == 1 and node.parent is not None:
        node.nags = {nag for nag in node.nags if nag > 6} | {rng.randrange(1, 7)}
    elif kind == 2 and node.variations:
        standing = [child.move for child in node.variations]
        new = [move for move in node.board().legal_moves if move not in standing]
        for move in new[:1]:
            node.add_variation(move, comment="variation", starting_comment="first")
    elif kind == 3 and len(node.variations) > 1:
        node.variations.pop(1)
    elif kind == 4 and not node.is_mainline() and node.variations:
        node.variations.pop(0)


FORMS = (
    {name: write(words_of(played_game(1), san)) for name, write in {**TEXTS, **WRAPPED}.items()}
    | {name: whole(" ".join(write(words_of(played_game(1), san)))) for name, write in WORDS.items()}
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMS.keys() - {"glued moves"}))
def test_a_game_in_any_form_takes_edits(name, tmp_path):
    rng = random.Random(name)
    for _ in range(10):
        game = game_of(FORMS[name])
        (path := tmp_path / "mine.pgn").write_text(FORMS[name])
        source = SourceText(path, 0, 10**9)
        for _ in range(rng.randrange(1, 4)):
            change(game, rng)
        source.spliced(game_splices(source.text, game))
