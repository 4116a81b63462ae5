"""The catalogues: every sentence that the page and the terminal show has a translation, and none is left over."""

import ast
import gettext
import re
from pathlib import Path

import chess
import pytest

from tests.new_process import ROOT
from uci import language
from uci.language import SPOKEN_LANGUAGES, _, sentences, speak
from uci.play.typed_commands import TYPED_COMMANDS

FOLDER = ROOT / "uci/languages"
OTHERS = sorted(set(SPOKEN_LANGUAGES) - {"en"})
_STRING = r'"((?:[^"\\]|\\.)*)"'


def marked() -> set[str]:
    """The sentences that are marked in the sources, and those that are put together from few words."""
    found = {command.help for command in TYPED_COMMANDS.values()}
    found |= {one.name.lower().replace("_", " ") for one in chess.Termination if not one.name.startswith("VARIANT")}
    found |= {f"{side} {name}".strip() for side in ("", "white", "black") for name in chess.PIECE_NAMES[1:]}
    found |= {"You", "White", "Black"}  # the players
    for path in (ROOT / "uci").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "later"):
                found |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    for folder in ("uci/pages/templates", "engine/pages/templates"):
        for path in (ROOT / folder).iterdir():
            text = path.read_text(encoding="utf-8")
            mark = r"\bt\(" if path.suffix == ".js" else r"\b_\("
            found |= {ast.literal_eval(f'"{one}"') for one in re.findall(mark + _STRING, text)}
    return found


def read_po(path: Path) -> dict[str, str]:
    """The sentences of a catalogue's text: names and strings, each perhaps in several pieces."""
    pieces = re.findall(rf"^(msgid|msgstr)((?:\s*{_STRING})+)", path.read_text(encoding="utf-8"), re.M)
    texts = ["".join(ast.literal_eval(f'"{one}"') for one in re.findall(_STRING, text)) for _kind, text, *_ in pieces]
    return dict(zip(texts[::2], texts[1::2], strict=True))


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_every_sentence_that_is_shown_and_no_other(code: str) -> None:
    catalogue = read_po(FOLDER / f"{code}.po")
    assert marked() - set(catalogue) == set()
    assert set(catalogue) - marked() - {""} == set()
    assert [name for name, text in catalogue.items() if not text] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_values_of_its_sentence(code: str) -> None:
    for name, text in read_po(FOLDER / f"{code}.po").items():
        if name:
            assert sorted(re.findall(r"\{.*?\}", text)) == sorted(re.findall(r"\{.*?\}", name)), name


@pytest.mark.parametrize("code", OTHERS)
def test_the_compiled_catalogue_is_the_text(code: str) -> None:
    """Made by `msgfmt --no-hash -o uci/languages/de.mo uci/languages/de.po`."""
    with (FOLDER / f"{code}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {name: compiled.gettext(name) for name in read_po(FOLDER / f"{code}.po") if name} == {
        name: text for name, text in read_po(FOLDER / f"{code}.po").items() if name}  # fmt: skip


@pytest.mark.parametrize(
    ("wishes", "spoken"),
    [(("", "de-CH,de;q=0.9,en;q=0.8"), "Deutsch"), (("", "en-GB,de;q=0.5"), "English"), (("", "xx,fr"), "Français"),
     (("de", "fr"), "Deutsch"), (("", ""), "English"), (("", "desert"), "English"), (("../de", "fr"), "Français")],
)  # fmt: skip
def test_a_page_speaks_the_first_known_language(wishes: tuple[str, ...], spoken: str) -> None:
    speak(*wishes)
    assert SPOKEN_LANGUAGES[language.spoken()] == spoken
    speak("en")


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [({"LANG": "de_AT"}, "de"), ({"LANGUAGE": "fr:de", "LANG": "x"}, "fr"), ({"LC_ALL": "C", "LANG": "fr"}, "en")],
)  # fmt: skip
def test_a_terminal_speaks_the_systems_language(
    variables: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in language._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language._system.__wrapped__() == spoken


def test_sentences_take_values_in_any_language_and_the_page_gets_all() -> None:
    speak("de")
    assert _("Aino plays {move}", move="1. e4") == "Aino spielt 1. e4"
    assert sentences()["Your move."] == "Sie sind am Zug."
    speak("en")
    assert sentences() == {}
    assert _("Aino plays {move}", move="1. e4") == "Aino plays 1. e4"
