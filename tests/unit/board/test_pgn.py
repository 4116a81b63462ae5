"""The reader of PGN: every character accounted for, in every form that people and programs write;
and the writer.
"""

import io
import random
import re
import tracemalloc
from collections import Counter

import chess
import chess.pgn
import pytest

from engine.board.convert import codes_of
from engine.board.pgn.game_reader import GameText, read_games
from engine.board.pgn.game_writer import game_text
from engine.board.pgn.main_lines import main_lines
from engine.board.pgn.token_kernels import cut_text
from tests.boards import table
from tests.unit.board import pgn_forms
from tests.unit.board.pgn_changes import changes, lines_of
from tests.unit.board.pgn_forms import long_san, numbered, played_game, san, whole, words_of
from tests.unit.test_walk import counted

SEEDS = (210, 333)  # of games that castle to both sides, promote to three pieces, take in passing
FORMS = (
    {
        name: lambda words, form=form: whole(numbered(form(words)))
        for name, form in pgn_forms.WORDS.items()
    }
    | pgn_forms.TEXTS
    | pgn_forms.WRAPPED
)


def moves_of(read):
    return [node.san() for node in read.game.mainline()]


def read(text):
    """(moves, whether there is a fault) of the games of a text; the two speeds must agree."""
    games = list(read_games(text))
    lines = lines_of(text)
    assert [game.is_game for game in games] == [line.is_game for line in lines]
    for game, line in zip(games, lines, strict=True):
        assert codes(game.game.mainline_moves(), game.game.board()) == line.moves.tolist()
        assert not line.fault or line.fault in map(str, game.faults)
    return [(" ".join(moves_of(game)), bool(game.faults)) for game in games if game.number]


def codes(moves, board=None):
    return list(codes_of(board or chess.Board(), moves))


def faults_of(text):
    return [str(fault) for game in read_games(text) for fault in game.faults]


# ---- what went wrong -----------------------------------------------------------------------------


EMPTY_LINES = '[White "A"]\n[Result "1-0"]\n\n\n1. e4 e5\n\n\n2. Nf3 1-0\n\n\n'
WITH_CHESS960 = '[FEN "r5kr/pppppppp/8/8/8/8/PPPPPPPP/R5KR w HAha - 0 1"]\n\n1. O-O O-O-O *'
LINES = [("e4 e5", False), ("d4 d5 c4", False), ("c4", False)]
UNCLOSED = '[Event "a"]\n\n1. e4 {no end\n\n[Event "b"]\n\n1. d4 {good} d5 1-0\n'
COMMENTS = "1. e4 {a {b} c} e5 {:{ } 2. Nf3 ; Nc3 is better, (1-0)\n2... Nc6\n% 9. Nf3\n3. Bb5 ; the end\n1-0 ; 1-0\n"
# What must hold: a text, and its games.
READ = {
    "two empty lines end nothing": (EMPTY_LINES * 2, [("e4 e5 Nf3", False)] * 2),
    "nor do ends of three characters": (
        EMPTY_LINES.replace("\n", "\r\r\n") * 2, [("e4 e5 Nf3", False)] * 2),
    "nor do lines of blanks": (
        EMPTY_LINES.replace("\n\n", "\n\xa0\t\f\n") * 2, [("e4 e5 Nf3", False)] * 2),
    "bytes of zeros are blank": (
        '\0[White "A"]\n\n1. e4\0 e5 1-0\n\n\0\0\0[White "B"]\n\n1. d4 *\n\0\0',
        [("e4 e5", False), ("d4", False)]),
    "lines without tags are games of their own": ("1. e4 e5\n1. d4 d5\n2. c4\n\n1. c4", LINES),
    "without numbers, too": ("e4 e5 *\nd4 d5 c4 *\nc4 *", LINES),
    "two games without a line between them are two": (
        '[White "A"]\n1. e4 e5 1-0 [White "B"]\n1. d4 0-1 1. c4 *',
        [("e4 e5", False), ("d4", False), ("c4", False)]),
    "lines of one game are not": ("1. e4\n1... e5\n2. Nf3", [("e4 e5 Nf3", False)]),
    "a bishop of capitals is not two pawns": (
        "1. e4 e5 2. Bd3 b5 3. B5d3 d6", [("e4 e5 Bd3 b5", True)]),
    "capital files are pawns where nothing else is legal": (
        "1. E4 E5 2. Nf3", [("e4 e5 Nf3", False)]),
    "a Chess960 game without its tag is one": (WITH_CHESS960, [("O-O O-O-O", False)]),
    "a pawn with its letter takes": (
        "1. Pe4 Pe5 2. Pd4 Pxd4 3. Nf3", [("e4 e5 d4 exd4 Nf3", False)]),
    "an unclosed comment costs one game": (UNCLOSED, [("e4", True), ("d4 d5", False)]),
    "without tags, too": (
        "1. e4 {no end\n\n1. d4 d5 1-0\n", [("e4", True), ("d4 d5", False)]),
    "a comment may hold tags": (
        '[Event "a"]\n\n1. e4 {as in\n\n[Event "b"]\n\n1. d4} e5 1-0\n', [("e4 e5", False)]),
    "comments that hide nothing are read": (COMMENTS, [("e4 e5 Nf3 Nc6 Bb5", False)]),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_games_are_read_as_they_are_meant(name):
    text, games = READ[name]
    assert read(text) == games


DEFAULT_TAGS = "".join(f'[{name} "{value}"]\n' for name, value in chess.pgn.Game().headers.items())


@pytest.mark.parametrize("between", ["{a comment of its own}", "*", f"{DEFAULT_TAGS}\n*"])
def test_what_stands_between_games_does_not_end_the_file(between):
    first, second = "1. e4 e5 1-0\n\n", "1. d4 d5 0-1\n"
    games = [moves for moves, fault in read(f"{first}{between}\n\n{second}") if moves and not fault]
    assert games == ["e4 e5", "d4 d5"]
    assert [moves for moves, _ in read(f"{between}\n\n{second}") if moves] == ["d4 d5"]


@pytest.mark.parametrize("tag", ["[", "[[Event", "[Even t", '[Event "y', "[9)"])
def test_a_cut_tag_behind_a_result_is_a_fault_in_both_speeds(tag):
    text = f'1. e4 e5 1-0\n\n{tag}\n[White "B"]\n\n1. d4 1-0\n'
    assert next(moves for moves, _ in read(text)) == "e4 e5"
    assert len({fault.split(": ")[0] for fault in faults_of(text)}) == 1


CUT = """[Event "a"]\n[White "A"]\n[Result "1-0"]\n\n1. e4 {[%clk 0:01:00] good} e5 {x} (1... c5 2. Nf3) 1-0\n"""
WHOLE = [
    f'[Event "{name}"]\n[White "W{name}"]\n\n1. d4 {{[%clk 0:01:00]}} d5 2. c4 0-1\n\n'
    for name in "bc"
]


@pytest.mark.parametrize("between", ["", "\n", "\n\n"])
def test_a_text_cut_anywhere_joins_no_other_behind_it(between):
    """A header cut in its middle, without a line end, took the next game's Event for its player's
    name.
    """
    for place in range(len(CUT)):
        text = CUT[:place] + between + "".join(WHOLE)
        read(text)
        games = [game for game in read_games(text) if game.number][-2:]
        assert [game.game.headers["White"] for game in games] == ["Wb", "Wc"]
        assert [(moves_of(game), game.result, game.faults) for game in games] == [
            (["d4", "d5", "c4"], "0-1", [])
        ] * 2


def test_two_players_of_a_broken_header_are_two_games():
    first, second = read_games('[White "A"]\n[Black "B\n[White "C"]\n[Black "D"]\n\n1. e4 *\n')
    assert (first.game.headers["White"], second.game.headers["White"]) == ("A", "C")
    assert moves_of(second) == ["e4"]
    assert read('[Event "x"]\n[White.Team "T"]\n[White "A"]\n\n1. e4 *') == [("e4", True)]


def test_columns_are_those_of_the_line_where_a_game_begins_inside_it():
    text = '1. e4 1-0 [White "é"] 1. e9 *\n\t x'
    assert [fault.split(": ")[0] for fault in faults_of(text)] == ["1:26", "2:3"]


def test_prose_between_games_hides_none():
    text = "Dear reader,\n\nhere is a game, e4 it began:\n1. e4 e5 1-0\n\nAnd another 1-0\n1. d4 d5 *\n"
    assert read(text) == [("e4 e5", False), ("d4 d5", False)]
    assert [fault.split(": neither")[0] for fault in faults_of(text)] == [
        "1:1: 'Dear'",
        "3:1: 'here'",
        "6:1: 'And'",
    ]


WITH_LETTERS = """
1. e4 e5 2. Sf3 (2. Sf9)  | e4 e5 Nf3 | German or Swedish | Sf9
1. e4 e5 (1... Sf6) 2. d4 | e4 e5 d4  | German or Swedish |
1. e4 e5 2. Nf3 (2. Sf9)  | e4 e5 Nf3 | English           | Sf9
1. e4 e5 (1... Sf9)       | e4 e5     | English           | Sf9
"""


@pytest.mark.parametrize(("moves", "main_line", "letters", "faults"), table(WITH_LETTERS))
def test_the_main_line_decides_on_the_letters(moves, main_line, letters, faults):
    """A game was in the list of My games and could not be opened: its variation was no German."""
    text = f'[White "A"]\n\n{moves} *\n'
    (game,), (line,) = read_games(text), lines_of(text)
    assert moves_of(game) == main_line.split()
    assert len(line.moves) == len(main_line.split())
    assert ([fault.word for fault in game.faults], game.letters) == (faults.split(), letters)


@pytest.mark.parametrize("tag", ["{fen}\\n w - - 0 1", "{fen} w - -\\n0 1", "{fen} w\\n- - 0 1"])
@pytest.mark.parametrize("before", ["", '[White "A"]\n'])
@pytest.mark.parametrize("behind", ["", '[Black "B"]\n'])
def test_a_position_over_two_lines_gives_no_game_from_the_usual_start(tag, before, behind):
    """A nameless game from there was read, and trained on."""
    fen = tag.replace("\\n", "\n").format(fen="4k3/8/8/8/8/8/4P3/4K3")
    text = f'{before}[FEN "{fen}"]\n{behind}\n1. e4 e5 *\n\n[White "C"]\n\n1. d4 *\n'
    lines = lines_of(text)
    assert ([len(line.moves) for line in lines], "FEN" in lines[0].fault) == ([0, 1], True)


FAULTS = r"""
1. e4 e9 | e4 | 1:7: 'e9'
# letters of two languages
1. d4 d5 2. Sf3 Cc6 * | d4 d5 | 1:13: 'Sf3'
1. e4 e5\n2. Nf3 xyz Nc6 | e4 e5 Nf3 | 2:8: 'xyz'
1. e4 e5;good\n2. Nf3 * | e4 e5 | 1:9: ';good': a comment that begins inside a word
1. e4 e5 [2. Nf3 Nc6] | e4 e5 | 1:10: '[2.'
1. e4 e5 } 2. Nf3 | e4 e5 | 1:10: '}'
1. e4 e5 ) 2. Nf3 | e4 e5 | 1:10: ')'
1. e4 (1. d4 d5 1-0 | e4 | 1:7: '('
1. e4 {no end 1-0 | e4 | 1:7: '{no'
(1. d4) 1. e4 e5 |  | 1:1: '('
1. Nf3 Nf6 2. Nc3 Nc6 3. Nb3 * | Nf3 Nf6 Nc3 Nc6 | 1:26: 'Nb3'
1. f3 e5 2. g4 Qh4# 3. a3 | f3 e5 g4 Qh4# | 1:24: 'a3'
1. e4 e5 2. N f3 Nc6 * | e4 e5 | 1:13: 'N'
1. e4 e5 1-0 2. Nf3 * | e4 e5 | 1:14: '2.'
1. e4 e5 2. Nf3 5 1-0 | e4 e5 Nf3 | 1:17: '5'
1. e4 e5 2. $3 a4 1-0 | e4 e5 | 1:10: '2.'
[White "A"]\n*\n1. e4 e5 1-0 |  | 3:1: '1.'
1. e4 e5 0-1{x} 1-0 | e4 e5 | 1:17: '1-0'
1. e4 e5 1Z0 | e4 e5 | 1:10: '1Z0'
1. e4 e5 1$0 | e4 e5 | 1:10: '1'
1. e4 e5 2. Xf3 | e4 e5 | 1:13: 'Xf3': does not say which piece
1. e4 d5 2. xd5 Nf6 | e4 d5 | 1:13: 'xd5': does not say which piece
1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. Kh1 | e4 e5 Nf3 Nf6 Bc4 Bc5 | 1:35: 'Kh1': illegal move
1. P-K4 P-K4 |  | 1:4: 'P-K4': descriptive notation
1. e4 QKtxPch | e4 | 1:7: 'QKtxPch': descriptive notation
1. e4=Q e5 |  | 1:4: 'e4=Q': a promotion of a piece that is not promoted there
[Event "x\n\n1. e4 * | e4 | 1:1: '[Event "x'
[White "A"]\n[Event Date "2001"]\n\n1. e4 e5 2. Nf6 * | e4 e5 | 2:1: '[Event Date
[FEN 8/8/8/8/8/8/8/8 w - - 0 1]\n\n1. e4 * |  | 1:1: '[FEN
[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n1. e4 * |  | 1:1: '8/8/8/8/8/8/8/8 w
[Variant "Atomic"]\n\n1. e4 * |  | 1:1: 'Atomic'
[Event "x"]\n[SetUp "1"]\n\n1. e4 * |  | 2:1: '1'
"""


@pytest.mark.parametrize(
    ("text", "moves", "place"),
    [*table(FAULTS), ("1. e4 e5 \x01\x01", "e4 e5", "1:10: '\\x01\\x01'")],
)
def test_what_is_no_token_is_a_fault_with_its_place(text, moves, place):
    assert read(text)[0] == (moves, True)
    assert faults_of(text)[0].startswith(place)


@pytest.mark.parametrize("word", "O-O 0-0 e1g1 Ke1-g1 e1h1 O-O! 0-0+/-".split())
def test_castling_as_the_last_word_does_not_vanish(word):
    assert read(f"1. e4 e5 2. Nf3 Nf6 3. Bc4 Bc5 4. {word}") == [
        ("e4 e5 Nf3 Nf6 Bc4 Bc5 O-O", False)
    ]


@pytest.mark.parametrize("second", ['[White "B"]\n', '[Event "x"]\n[White "B"]\n', '[Black "C"]\n'])
def test_tags_without_moves_lend_nothing_to_the_next_game(second):
    start = '[White "A"][FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"][SetUp "1"]\n\n'
    first, following = read_games(f"{start}{second}\n1. Nf3 Nf6 *")
    assert first.game.board().fen() == "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"
    assert (moves_of(following), "FEN" in following.game.headers) == (["Nf3", "Nf6"], False)
    assert following.game.headers["White"] != "A"


@pytest.mark.parametrize(
    "text",
    [
        "1. e4 e5 2. Nf3 {swallows 2... Nc6 {clock} 3. Bb5 a6 1-0",
        "1. e4 e5 2. Nf3;Nc6 3. Bb5\n3... a6 1-0",
        "1. e4 e5 2. Nf3 ;Nc6 3. Bb5 a6 1-0\n",
        "1. e4 e5 2. Nf3 {x}; 1-0\n",
        "1. e4 e5\n%. Nf3 Nc6\n3. Bb5 a6 1-0",
        "1. e4 e5 2. Nf3 ;c6 3. Bb5 a6\n4. Ba4 Nf6 1-0",
    ],
)
def test_a_comment_that_hides_moves_is_a_fault(text):
    assert read(text)[0][1]


def test_marks_become_numbers():
    (game,) = read_games(
        "1. e4± c5∓ 2. Nf3 ⩲ d6 +- 3. d4!? N cxd4?! □ 4. Nxd4 (D) Nf6 ∞ -+ 5. Nc3 = a6 ⇆ $7 *"
    )
    nags = [sorted(node.nags) for node in game.game.mainline()]
    assert nags == [[16], [17], [14], [18], [5, 146], [6, 7], [220], [13, 19], [10], [7, 133]]


def test_results_are_read_where_they_are_results():
    assert [game.game.headers["Result"] for game in read_games("1. e4 *{x} 1-0")] == ["1-0"]
    text = "1. e4 {1-0} (1. d4 0-1) e5 1–0\n1. d4 ½-½\n1. c4 1/2\n1. f4 1:0\n1. e4 0—1\n"
    results = [game.game.headers["Result"] for game in read_games(text)]
    assert results == "1-0 1/2-1/2 1/2-1/2 1-0 0-1".split()


@pytest.mark.parametrize(
    ("text", "result"), [("1. e4 e51-0\n", "1-0"), ("1. e4 (1. d41-0\n) *", "*")]
)
def test_a_result_that_is_glued_to_the_last_move_is_the_games(text, result):
    (game,) = read_games(text)
    assert (game.game.headers["Result"], game.faults) == (result, [])


def test_words_in_a_variation_without_moves_belong_to_the_move_before():
    """They were lost where the game was written."""
    (game,) = read_games("1. e4 e5 {a} ({b} {c}) 2. Nf3 *")
    assert (game.game.next().next().comment, game.faults) == ("a b c", [])


def test_a_tag_that_is_repeated_has_both_values():
    text = '[Annotator "A"]\n[White "A"]\n[Annotator "B"]\n[White "B"]\n\n1. e4 *\n'
    (game,), (line,) = read_games(text), lines_of(text)
    for tags in (game.game.headers, line.read_tags()):
        assert (tags["Annotator"], tags["White"]) == ("A; B", "B")


def test_a_comment_without_a_game_is_told():
    _, rest = read_games("1. e4 1-0\n\n{my words} 1-0\n\n% e4\n")
    assert [(fault.line, fault.reason) for fault in rest.faults] == [
        (3, "neither a tag nor a move, so Aino skips this line")
    ]


NAMES_OF_CHESS960 = (
    "Freestyle, Fischer-Random, Chess 960 (Fischer random), FRC, 960, wild/fr, 960 Chess"
)


@pytest.mark.parametrize("name", NAMES_OF_CHESS960.split(", "))
def test_every_name_of_chess960_is_one(name):
    text = f'[Variant "{name}"]\n[FEN "r5kr/pppppppp/8/8/8/8/PPPPPPPP/R5KR w KQkq - 0 1"]\n\n1. O-O O-O-O *'
    assert read(text) == [("O-O O-O-O", False)]


@pytest.mark.parametrize(
    "tag",
    [
        *(f'Variant "{name}"' for name in ("", "?", "-", "fromPosition", "chess (normal)")),
        *(f'FEN "{name}"' for name in ("", "?", "-", "startpos")),
    ],
)
def test_what_a_tag_does_not_tell_is_the_usual(tag):
    """It was a variant that is not played, or a position that cannot be."""
    assert read(f"[{tag}]\n\n1. e4 e5 *") == [("e4 e5", False)]


@pytest.mark.parametrize("word", ["<>", "null", "pass", "--!?"])
def test_passes_of_other_programs_are_read(word):
    (game,) = read_games(f"1. e4 {word} 2. d4 e5 *")
    assert (moves_of(game), game.faults) == ("e4 -- d4 e5".split(), [])


def test_an_offer_of_a_draw_is_a_comment():
    (game,) = read_games("1. e4 e5 (=) 2. Nf3 (2. f4 (=) exf4) Nc6(=) *")
    assert (moves_of(game), game.faults) == ("e4 e5 Nf3 Nc6".split(), [])
    assert [node.comment for node in game.game.mainline()] == ["", "(=)", "", "(=)"]


SPELLED_RESULTS = """
0.5-0.5     | 1/2-1/2
½:½         | 1/2-1/2
1/2         | 1/2-1/2
1/2 - 1/2   | 1/2-1/2
1 - 0       | 1-0
0:1         | 0-1
1.0-0.0     | 1-0
+/-         | 1-0
-:+         | 0-1
=-=         | 1/2-1/2
1-0 forfeit | 1-0
0.4-0.6     |
draw        |
"""


@pytest.mark.parametrize(("spelled", "meant"), table(SPELLED_RESULTS))
def test_results_that_the_tag_spells_alike_end_a_game(spelled, meant):
    for gap in ("\n", " "):
        text = (
            f'[White "A"]\n[Result "{spelled}"]\n\n1. e4{gap}{spelled}\n\n[White "B"]\n\n1. d4 *\n'
        )
        assert read(text) == [("e4", False), ("d4", False)]
        first, _ = read_games(text)
        assert first.game.headers["Result"] == (meant or spelled)
        line, _ = lines_of(text)
        assert (line.tag_result, line.result) == (meant, meant or "*")


@pytest.mark.parametrize("tag", ["1/2-x/2", "1-0 forfeit", "1!0", "0.5"])
def test_a_result_that_the_tag_tells_otherwise_is_one(tag):
    for result in ("1-0", "1/2-1/2", "0.5-0.5", "*"):
        assert read(f'[Result "{tag}"]\n\n1. e4 {result}\n\n[White "B"]\n\n1. d4 *\n') == [
            ("e4", False),
            ("d4", False),
        ]


@pytest.mark.parametrize(
    "comment",
    ["{TAG}", "{\nTAG\n}", "; TAG\n", "{ {TAG} }", "\n% TAG\n"],
    ids="braces lines line nested escape".split(),
)
@pytest.mark.parametrize(
    "tag", ['[FEN "B"]', '[White "X"]', '[Result "0-1"]', '[Variant "Atomic"]', '[SetUp "1"]']
)
def test_tags_in_comments_are_none(comment, tag):
    written = comment.replace("TAG", tag)
    for text in (
        f'[White "A"]\n{written}\n1. e4 e5 1-0\n',
        f'[White "A"]\n1. e4 {written} 1... e5 1-0\n',
        f"{written}\n1. e4 e5 1-0\n",
    ):
        assert read(text) == [("e4 e5", False)]
        (line,) = lines_of(text)
        tags = dict(line.read_tags())
        assert (tags.get("White", "?"), line.result, line.tag_result in ("", "1-0")) == (
            "A" if "A" in text[:10] else "?", "1-0", True,
        )  # fmt: skip


def test_a_huge_game_takes_a_third_of_the_memory():
    """Tokens that were Python's objects took 200 bytes for each byte of text; the tree of moves
    itself takes 60.
    """
    text = numbered("Nf3 Nf6 Ng1 Ng8".split() * 5_000) + " *\n"
    list(read_games(text[:100]))
    tracemalloc.start()
    (game,) = read_games(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (game.faults, game.game.end().ply()) == ([], 20_000)
    assert peak < 100 * len(text)


@pytest.mark.parametrize("result", ["0-0", "1/2-0", "0-1/2", "½-0"])
def test_a_result_that_costs_both_sides_is_no_castling(result):
    castles = "1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. 0-0 Nf6"
    text = f'[Result "{result}"]\n\n{castles} {result}\n\n[Result "{result}"]\n\n{result}\n'
    assert read(text) == [("e4 e5 Nf3 Nc6 Bc4 Bc5 O-O Nf6", False), ("", False)]
    assert read(f'[Result "1-0"]\n\n1. e4 {result}')[0][1]


RATINGS = """
2500?     | 2500
FIDE 900  | 900
2,500     | -1
12345     | -1
1.5 or 80 | 1
.5 or 80  | 80
-         | -1
"""


@pytest.mark.parametrize(("rating", "elo"), table(RATINGS))
@pytest.mark.parametrize("moves", ["1. e4", "1. e4 e5 2. Sf3"])
def test_a_rating_is_a_number_of_one_to_four_digits(rating, elo, moves):
    """Those of games that all tokens tell, too."""
    text = f'[WhiteElo "1"]\n[whiteelo "{rating}"]\n[BlackElo "7"]\n\n{moves} *\n'
    (line,) = lines_of(text)
    assert line.elo == (int(elo), 7)


def test_main_lines_stay_what_they_are_when_later_games_are_read():
    words = ("e4", "d4", "c4")
    games = [f'[White "{number}"]\n\n1. {words[number % 3]} *\n\n' for number in range(2500)]
    lines = lines_of("".join(games))
    first_moves = [chess.Board().parse_san(word) for word in words]
    for number, line in enumerate(lines):
        assert line.read_tags() == {"White": str(number)}
        assert line.moves.tolist() == codes([first_moves[number % 3]])


def test_a_main_line_takes_three_calls():
    text = GameText(io.BytesIO(b'[WhiteElo "2000"]\n\n1. e4 e5 1-0\n\n' * 200))
    lines_of("1. e4 1-0")  # Kernels are loaded.
    calls = Counter()
    with counted(calls):
        assert [line.elo for line in main_lines(text)] == [(2000, -1)] * 200
    assert calls.total() < 3 * 200, calls


# ---- every form ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FORMS, "long", "UCI"])
def test_games_in_every_form_are_the_same_games(name):
    """Both speeds, and python-chess where it reads the form rightly."""
    writer = {"long": long_san, "UCI": lambda board, move: move.uci()}.get(name, san)
    for seed in SEEDS:
        moves = played_game(seed)
        text = FORMS.get(name, FORMS["one line"])(words_of(moves, writer)) * 2
        games = list(read_games(text))
        assert [tuple(game.game.mainline_moves()) for game in games] == [moves] * 2
        assert [str(fault) for game in games for fault in game.faults] == []
        assert {game.letters == "English" for game in games} == {
            name not in pgn_forms.LETTERS or "figurines" in name
        }
        assert name != "German" or games[0].letters == "German or Swedish"
        lines = lines_of(text)
        assert [line.moves.tolist() for line in lines] == [codes(moves)] * 2
        assert {line.fault for line in lines} == {""}
        assert {line.result or line.tag_result for line in lines} == {"1-0"}
        if name in pgn_forms.PLAIN + pgn_forms.PLAIN_TEXTS:
            stream = io.StringIO(text)
            for game in games:
                assert without_spaces(chess.pgn.read_game(stream)) == without_spaces(game.game)


def without_spaces(game):
    return re.sub(r"\s+", " ", str(game))


def random_tree(seed):
    """A game with variations in variations, comments at every place, and marks."""
    rng = random.Random(seed)
    game = chess.pgn.Game()
    nodes = [game]
    while len(nodes) < 120:
        node = rng.choice(nodes[-9:])
        moves = [move for move in node.board().legal_moves if not node.has_variation(move)]
        if moves:
            child = node.add_variation(
                rng.choice(moves), nags=rng.choice(([], [], [1], [6, 14], [220]))
            )
            child.comment = rng.choice(("", "", "why (not) 1. e4?", "[%clk 0:01:00]", "ü 1-0 *"))
            child.starting_comment = (
                "or" if node.variations[0] is not child and rng.random() < 0.3 else ""
            )
            nodes.append(child)
    return game


def test_whole_games_are_the_trees_that_python_chess_reads():
    text = "".join(f"{random_tree(seed)}\n\n" for seed in range(12))
    stream = io.StringIO(text)
    games = list(read_games(text))
    assert [game.faults for game in games] == [[]] * 12
    for game in games:
        assert str(game.game) == str(chess.pgn.read_game(stream))


def test_the_kernel_of_the_reader_is_compiled_once():
    """Arrays that may be written are another kind: the text before the first piece was one, and
    positions of tags.
    """
    assert len(list(read_games(f'1. e4 e5 1-0\n\n[FEN "{chess.STARTING_FEN}"]\n\n1. d4 *'))) == 2
    assert len(getattr(cut_text, "signatures", "1")) == 1  # without a compiler there are none


@pytest.fixture(scope="module")
def text_in_all_forms():
    return "".join(
        pgn_forms.TEXTS[name](words_of(played_game(seed), san))
        for seed in SEEDS
        for name in sorted(pgn_forms.TEXTS)
    ).encode()


def facts_of(lines):
    return [(line.line, line.end, line.fault, line.moves.tolist()) for line in lines]


def test_pieces_of_any_size_give_the_same_games(text_in_all_forms):
    expected = facts_of(main_lines(GameText(io.BytesIO(text_in_all_forms))))
    for size in (97, 1009, 20_011):
        assert facts_of(main_lines(GameText(io.BytesIO(text_in_all_forms), size))) == expected


def test_a_game_is_found_again_at_its_place(text_in_all_forms):
    lines = list(main_lines(GameText(io.BytesIO(text_in_all_forms), 1000)))
    for number in (0, 7, len(lines) - 1):
        text = GameText(io.BytesIO(text_in_all_forms), 1000)
        text.skip_to(lines[number].end)
        assert facts_of(main_lines(text)) == facts_of(lines[number + 1 :])


def test_a_changed_character_is_a_fault_or_changes_nothing():
    """A million changes were tried with `python -m tests.unit.board.pgn_changes`."""
    for kind, text in changes(seed=62, count=400):
        assert not kind.startswith("WRONG"), text


NAMES = [
    'The "Rocket"',
    "back\\slash",
    'both \\" of them',
    "trailing\\",
    "Müller M\x81ller 王 ♔ علی\u200cرضا \u202f\U0001f468\u200d\U0001f469\U0001fae8",
    "two\nlines\r\nand\ta tab\0",
    '"]',
]


def game_of(name):
    game = chess.pgn.Game()
    game.headers.update(White=name, Event=name)
    node = game.add_main_variation(
        chess.Move.from_uci("e2e4"), comment='a {brace}, a "quote" \\ and Müller'
    )
    node.add_main_variation(chess.Move.from_uci("e7e5"))
    return game


def test_what_would_end_a_tag_is_escaped():
    """Games in a row stay games of their own, too."""
    text = "".join(map(game_text, map(game_of, NAMES)))
    stream = io.StringIO(text)
    for name in NAMES:
        shown = re.sub(r"[\n\r\t\0]", " ", name)
        escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
        assert f'[White "{escaped}"]\n' in text
        game = chess.pgn.read_game(stream)
        assert re.sub(r'\\(["\\])', r"\1", game.headers["White"]) == shown
        assert [move.uci() for move in game.mainline_moves()] == ["e2e4", "e7e5"]
        assert game.next().comment == 'a (brace), a "quote" \\ and Müller'
    assert chess.pgn.read_game(stream) is None


@pytest.mark.parametrize("result", ["0-0", "?", "(null)", "1-0 forfeit"])
def test_a_result_that_is_none_is_not_written_behind_the_moves(result):
    game = game_of("x")
    game.headers["Result"] = result
    text = game_text(game)
    assert f'[Result "{result}"]' in text
    assert text.endswith(" *\n\n")
