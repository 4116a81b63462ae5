"""The catalogues: every sentence that the page and the terminal show has a translation, and none is
left over.
"""

import argparse
import ast
import importlib
import itertools
import pickle
import re
import shutil

import chess
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.board.fen import parse_fen
from engine.board.pgn.game_reader import read_games
from engine.cli.command_line import make_parser
from engine.errors import DataError, FenError, message
from tests.new_process import ROOT
from uci import catalogues, language
from uci.annotate.material import ON_SQUARE, ONE_PIECE
from uci.language import (
    _,
    page_language,
    several,
    show_own_letters,
    shown_moves,
    speak,
    spoken_languages,
    translated,
)
from uci.main import SUBCOMMANDS
from uci.play.typed_commands import TYPED_COMMANDS, typed_words

FOLDER = ROOT / "uci/languages"
OTHERS = sorted(set(spoken_languages()) - {"en"})
_STRING = r'"((?:[^"\\]|\\.)*)"'


def marked():
    """The sentences that are marked in the sources, and those that are put together from few words."""
    sentences = {command.help for command in TYPED_COMMANDS.values()} | help_of_play()
    endings = (ending.name.lower().replace("_", " ") for ending in chess.Termination)
    sentences |= {ending for ending in endings if not ending.startswith("variant")}
    sides = ("", "white ", "black ")
    sentences |= {side + piece for side in sides for piece in chess.PIECE_NAMES[1:]}
    # The players, kinds of lines, and what argparse says.
    sentences |= {"You", "White", "Black", "Better:", "Variation:", "usage: "}
    sentences |= {f"command\4{name}" for name in TYPED_COMMANDS if name != "?"}
    sentences |= {f"subject\4{name}" for name in (*ON_SQUARE[1:], *ONE_PIECE[1:])}
    sentences |= {f"of\4{name}" for name in ON_SQUARE[1:]} | {"this language\4English"}
    for path in (ROOT / "uci").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            mark = getattr(node.func, "id", "")
            texts = [word.value for word in node.args if isinstance(word, ast.Constant)]
            if mark == "_" and len(texts) == 2:
                sentences.add(f"{texts[1]}\4{texts[0]}")
            elif mark in ("_", "later", "several"):
                sentences |= set(texts) - {"subject", "of", "command"}
    for folder in ("uci/pages/templates", "engine/pages/templates"):
        for path in (ROOT / folder).iterdir():
            page = path.read_text(encoding="utf-8")
            mark = r"\b(?:t|_|several)\((?:is_black \? )?" + _STRING + rf"(?:(?:, | : ){_STRING})?"
            texts = filter(None, itertools.chain.from_iterable(re.findall(mark, page)))
            sentences.update(map(unescaped, texts))
    return sentences


def unescaped(text):
    """The text that stands between quotes in a source."""
    return ast.literal_eval(f'"{text}"')


def help_of_play():
    """What the help of the one command says that speaks other languages."""
    name, summary = SUBCOMMANDS["play"]
    parser = make_parser("aino", "play", summary, importlib.import_module(name), is_brief=True)
    sentences = {action.help for action in parser._actions}
    sentences |= {group.title for group in parser._action_groups}
    sentences |= {summary, parser.usage, parser.epilog}
    return sentences - {None, "", argparse.SUPPRESS, "positional arguments"}


def catalogue_of(code):
    """The sentences of a catalogue, with those for many as names of their own, and their
    translations.
    """
    catalogue = {}
    for forms, translation in catalogues.sentences_of(code):
        catalogue |= dict.fromkeys(forms.split("\0"), translation.split("\0"))
    return catalogue


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_the_sentences_that_are_shown(code):
    catalogue = catalogue_of(code)
    messages = {name for name in catalogue if name.startswith("engine\4")}
    assert set(catalogue) - messages == marked()
    paths = [*(ROOT / "engine").rglob("*.py"), *(ROOT / "uci/loading").rglob("*.py")]
    sources = "".join(path.read_text(encoding="utf-8") for path in paths)
    english = " ".join(name.partition("\4")[2] for name in messages)
    words = set(re.findall(r"\b[a-z]+\b(?!\})", english))
    assert not [word for word in words if word.rstrip("s") not in sources]
    for name, texts in catalogue.items():
        assert all(texts), name
        for text in texts:
            assert values_in(text) == values_in(name), name


def values_in(text):
    return set(re.findall(r"\{.*?\}|%\(\w+\)s", text))


@pytest.mark.parametrize("code", OTHERS)
def test_the_compiled_catalogue_is_the_text(code):
    """Made by `msgfmt --no-hash -o aino.mo aino.po` in the folder of each."""
    source = (FOLDER / code / "LC_MESSAGES/aino.po").read_text(encoding="utf-8").replace('"\n"', "")
    _header, *texts = map(unescaped, re.findall(rf"^msgstr\S* {_STRING}", source, re.M))
    compiled = "\0".join(translation for _name, translation in catalogues.sentences_of(code))
    assert sorted(texts) == sorted(compiled.split("\0"))


def test_a_folder_with_a_catalogue_is_a_language(tmp_path, monkeypatch):
    """To add one, its code, its name, and what stands between thousands had to be written into the
    program, too.
    """
    shutil.copytree(FOLDER / "es", tmp_path / "xx")
    (tmp_path / "__pycache__").mkdir()
    monkeypatch.setattr(catalogues, "CATALOGUES_FOLDER", tmp_path)
    assert spoken_languages.__wrapped__() == {"en": "English", "xx": "Español"}


@pytest.mark.parametrize("code", OTHERS)
def test_buttons_of_the_board_differ(code):
    """Two buttons beside each other were called "Analyser", and did different things."""
    catalogue = catalogue_of(code)
    template = (ROOT / "uci/pages/templates/web.html.j2").read_text(encoding="utf-8")
    names = set(re.findall(rf"(?:<button[^>]*>{{{{ |button\([^)]*)_\({_STRING}", template))
    assert len(names) > 30
    assert len({text for name in names for text in catalogue[name]}) == len(names)


# What the {names} of sentences stand for. A new one belongs to one of these.
NOUNS = set(
    """attacked attacker better deed first guard guarded kind last lost mate material motif other
    piece pieces state text why won""".split()
)
NAMES = set("""evaluator file folder game maker name names page path pgn url""".split())
# Numbers, moves and squares, which no word before them changes for, and whole sentences behind a
# colon or alone.
OTHER_VALUES = set(
    """0 1 2 accuracy after before black chances column command comment character count day deeper default depth
    deviation done draw encoding error example fault fen forms found gained games hours how least left
    letter level limits line longest loss most move moves nodes nps number own passed pawns
    plies ply points position progress rank rating ratings readers reason result saved scale
    score seconds shown side square squares streak summary themes title told total tried
    value version wanted white win word""".split()
)
# What cannot stand at the seam of a sentence and what is put into it: words that contract or lose
# their vowel, and German words that ask for another case than that of these nouns. Whose turn it is
# has no masculine word in Spanish: it is White's, "las blancas", or Black's.
_VOWEL = "[aeiouyhâàéèêëîïôöùûœAEIOUYHÂÀÉÈÊÎÔ]"
SEAMS = {
    "fr": rf"\b([Qq]ue|[DdLlJjNnSsCc]e|la|(jus|lors|puis)que|si(?= il)) {_VOWEL}|\b(de|à) les? |\bqu'(?!{_VOWEL})",
    "es": r"(?<!turno )\b(de|a) el |\by h?i(?!e)|\bo h?o",
    "de": r"\b(mit|von|bei|nach|aus|zu|seit|ab|gegenüber|statt|wegen|trotz|während) (ein|d(er|ie|as|en) )",
}


@pytest.mark.parametrize("code", OTHERS)
def test_whatever_is_put_into_a_sentence_fits_the_word_before_it(code):
    """A review said "que un cavalier au lieu de un pion" and "einen Bauern statt einen Turm"."""
    catalogue = catalogue_of(code)
    begun = re.compile("(subject\4|of\4)?" r"(a|an|the|two|three|which|mate|queen|bishops)\b")
    nouns = [text for name, texts in catalogue.items() if begun.match(name) for text in texts]
    names = ["Anand – Ivantchouk", "iberia.pgn", "el.pgn", "Élodie", "hou.pgn", "orlando"]
    values = dict.fromkeys(NOUNS, nouns) | dict.fromkeys(NAMES, names)
    assert len(nouns) > 40
    seam = re.compile(SEAMS[code])
    for name, texts in catalogue.items():
        for before, value in re.findall(r"([^{}]*)\{(\w+)[^}]*\}", "\n".join(texts)):
            assert value in values or value in OTHER_VALUES, name
            for word in values.get(value, ()):
                begin, end = max(0, len(before) - 12), len(before) + 6
                assert not seam.search(before + word, begin, end), before + word


@pytest.mark.parametrize("code", OTHERS)
def test_one_thing_has_one_name(code):
    """A review was "Bewertung" on buttons, as scores are, and "Analyse" in messages."""
    things = {"review": "aus(ge|zu)?wert|bilan|revis", "(?<!aino )puzzle": "aufgabe|problème|ejercicio",
              "hint": "tipp|indice|pista", "(?<!type )(?<!--)level|(?<!full )strength": "spielstärke|niveau|nivel",
              "offer a draw|draw d": "remis|nulle|tablas",
              "undo|move to take back": "zurücknehm|reprendre|deshacer"}  # fmt: skip
    for name, texts in catalogue_of(code).items():
        for thing, words in things.items():
            if re.search(rf"\b({thing})", name.lower()):
                assert not [text for text in texts if not re.search(words, text.lower())], name


@pytest.mark.parametrize(
    ("wishes", "spoken"),
    [(("", "de-CH,de;q=0.9,en;q=0.8"), "Deutsch"), (("", "en-GB,de;q=0.5"), "English"), (("", "xx,fr"), "Français"),
     (("", "es-MX"), "Español"), (("de", "fr"), "Deutsch"), (("", ""), "English"), (("", "desert"), "English"),
     (("../de", "fr"), "Français")],
)  # fmt: skip
def test_a_page_speaks_the_first_known_language(wishes, spoken):
    speak(*wishes)
    assert spoken_languages()[language.spoken()] == spoken


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [({"LANG": "de_AT"}, "de"), ({"LANGUAGE": "fr:de", "LANG": "x"}, "fr"), ({"LC_ALL": "C", "LANG": "fr"}, "en"),
     ({"LANGUAGE": "C:de"}, "en"), ({}, "en"), ({"x": ""}, "de")],
)  # fmt: skip
def test_a_terminal_speaks_the_systems_language(variables, spoken, monkeypatch):
    monkeypatch.setattr(
        "locale._setlocale", lambda *_: "German_Germany.1252" if "x" in variables else "sah_RU"
    )
    for name in language._VARIABLES:
        monkeypatch.setenv(name, variables.get(name, ""))
    assert language._system.__wrapped__() == spoken


def refused(fen):
    with pytest.raises(FenError) as error:
        parse_fen(fen)
    return str(error.value)


def test_messages_of_the_engine_are_understood():
    """A board in German refused a FEN in English."""
    speak("de")
    fen = "4k3/4R3/8/8/8/8/8/4K3 w"
    refusal = refused(fen)
    assert translated(refusal) == (
        "FEN '4k3/4R3/8/8/8/8/8/4K3 w': Zugrecht: Der König von Schwarz steht im Schach, und Schwarz ist nicht am Zug"
    )
    (fault,) = next(read_games("1. e4 e5 2. Ke3 *")).faults
    assert translated(str(fault)).startswith("1:13: 'Ke3': unerlaubter Zug in rnbq")
    assert translated("another {text}") == "another {text}"
    speak("en")
    english = f"FEN {fen!r}: side: Black's king is attacked and it is not Black's move"
    assert translated(refusal) == refusal == english


@given(st.text(max_size=30), st.sampled_from(OTHERS))
@example("x: a pawn on {reason}", "de")
def test_every_refused_text_is_quoted_whole_in_any_language(text, code):
    """A text was cut where a part of it looked like the sentence around it."""
    speak("en")
    refusal = refused(f"{text}/x w")
    speak(code)
    assert repr(f"{text}/x w") in translated(refusal)


def test_messages_keep_their_parts_between_processes():
    error = DataError(message("{letter}, but there is no rook to castle with", letter="'K'"))
    speak("de")
    text = str(pickle.loads(pickle.dumps(error)))
    assert translated(text) == "'K', aber es gibt keinen Turm dafür"


@pytest.mark.parametrize(
    ("code", "count", "games"),
    [("de", 0, "0 Partien"), ("fr", 0, "0 partie"), ("en", 0, "0 games"), ("de", 2421, "2.421 Partien")],
)  # fmt: skip
def test_numbers_stand_in_sentences_as_the_language_has_them(code, count, games):
    speak(code)
    assert several("{count} game", "{count} games", count) == games


@pytest.mark.parametrize(("code", "knight"), [("de", "Sf3"), ("fr", "Nf3"), ("en", "Nf3")])
def test_moves_have_the_letters_that_a_language_wants_from_the_start(code, knight):
    speak(code)
    show_own_letters(None)
    assert shown_moves("Nf3") == knight


@pytest.mark.parametrize(
    ("code", "word", "meant"),
    [("de", "hilfe", "help"), ("de", "tipp", "hint"), ("de", "undo", "undo"),
     ("fr", "nulle", "draw"), ("es", "salir", "quit"), ("en", "help", "help")],
)  # fmt: skip
def test_a_terminal_takes_commands_in_its_language(code, word, meant):
    """It answered "Type 'help'" in German, and did not know "hilfe"."""
    speak(code)
    assert typed_words()[word] is TYPED_COMMANDS[meant]


@pytest.mark.parametrize(
    ("code", "english", "shown"),
    [
        ("de", "Aino plays {move}", "Aino spielt c4"),
        ("en", "Aino plays {move}", "Aino plays c4"),
        ("fr", ", nobody plays {move}", ", personne ne joue c4"),
        ("fr", "{move}: {comment}", "c4 : bon"),
        ("de", "runs into {move}, {deed}", "lässt c4 zu, gut"),
        ("de", "analyses", "Analysen"),
    ],
)
def test_sentences_are_what_people_say(code, english, shown):
    speak(code)
    assert _(english, move="c4", comment="bon", deed="gut") == shown


def test_a_page_gets_the_catalogue_of_its_language():
    assert page_language("de")["catalogue"]["Your move."] == "Sie sind am Zug."
    assert page_language("en")["catalogue"] == {}
