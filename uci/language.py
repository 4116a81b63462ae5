"""The sentences that people see, in their language, by gettext catalogues; in English where a
catalogue lacks one.

`_` translates a sentence, `several` one that has a number, and `later` marks one that is translated
where it is shown. A terminal speaks the system's language, as LANGUAGE, LC_ALL, LC_MESSAGES or LANG
name it; the board in the browser speaks the browser's, or the one that is chosen there. Moves keep
their international letters unless someone wants their language's own, and days the order of ISO
8601. Headers of games and messages of the engine are in English.
"""

from __future__ import annotations

import functools
import gettext
import locale
import os
import re
import struct
from collections.abc import Iterator
from contextvars import ContextVar
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_DOMAIN = "aino"
_FOLDER = resources.files("uci").joinpath("languages")
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_spoken: ContextVar[str] = ContextVar("language", default="")
# Of the spoken language, for pieces.
shows_own_letters: ContextVar[bool] = ContextVar("letters", default=False)


@functools.cache
def spoken_languages() -> dict[str, str]:
    """Return the name that each language with a catalogue has for itself, by its code; English
    comes first.
    """
    codes = sorted(
        folder.name
        for folder in _FOLDER.iterdir()
        if folder.joinpath("LC_MESSAGES/aino.mo").is_file()
    )
    return {"en": "English"} | {
        code: _catalogue(code).pgettext("this language", "English") for code in codes
    }


def _(sentence: str, context: str = "", **values: object) -> str:
    """Return a sentence in the language that is spoken here, with values for its {names}.

    The same English words may stand in several contexts, which ask for other words elsewhere.
    """
    catalogue = _catalogue(spoken())
    text = catalogue.pgettext(context, sentence) if context else catalogue.gettext(sentence)
    return text.format(**values) if values else text


def several(one: str, many: str, count: int, **values: object) -> str:
    """Return the sentence for one thing or for many, with their {count}."""
    return _catalogue(spoken()).ngettext(one, many, count).format(count=counted(count), **values)


def counted(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}".replace(",", _(",", "between thousands"))


def later(sentence: str) -> str:
    """Return a sentence as it is; who shows it translates it."""
    return sentence


def spoken() -> str:
    """Return the code of the language that is spoken here: what `speak` set in this context, else
    the system's.
    """
    return _spoken.get() or _system()


def speak(*wishes: str) -> None:
    """Speak the first known language of some lists, such as an Accept-Language header, in this
    context.
    """
    _spoken.set(_known(",".join(wishes)))


def own_letters() -> dict[str, str]:
    """Return what each letter for a piece in the language that is spoken here is in English."""
    return dict(zip(_("K Q R B N P", "pieces").split(), "KQRBNP", strict=True))


def shown_moves(san: str, is_own: bool | None = None) -> str:
    """Return moves in SAN with the letters for pieces that are shown here; files and copies keep
    SAN's.
    """
    is_own = shows_own_letters.get() if is_own is None else is_own
    return (
        san.translate({ord(letter): own for own, letter in own_letters().items()})
        if is_own
        else san
    )


def translated(message: str) -> str:
    """Return what the engine says of a position or a PGN in the language that is spoken here.

    The catalogues know such messages by the context "engine". A text that is none of them stays as
    it is.
    """
    values = getattr(message, "values", {})
    text = _catalogue(spoken()).pgettext("engine", getattr(message, "template", message))
    return (
        text.format(**{name: translated(str(value)) for name, value in values.items()})
        if values
        else text
    )


@functools.cache
def page_language(language: str) -> dict[str, object]:
    """Return what a page needs: its language, its script's catalogue, and which plural form a
    number `n` takes there.

    A sentence for one thing or many has a list of forms in the catalogue.
    """
    catalogue = _catalogue(language)
    found = dict[str, str | list[str]]()
    for name, text in _entries(language):
        one, *many = name.split("\0")
        found[one] = text.split("\0") if many else text
    rule = catalogue.info().get("plural-forms", "plural=n != 1").partition("plural=")[2].strip("; ")
    return {"language": language, "catalogue": found, "plural_rule": rule}


def _entries(language: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a catalogue and their translations; forms for one and for many have
    \\0 between them.

    A .mo file has its magic number, revision, number of sentences, and the places of two tables
    with the length and the place of each text (GNU gettext's manual, The Format of GNU MO Files).
    """
    path = gettext.find(_DOMAIN, str(_FOLDER), [language])
    data = Path(path).read_bytes() if path else struct.pack("5I", 0, 0, 0, 0, 0)
    _magic, _revision, count, names, texts = struct.unpack_from("=5I", data)
    for index in range(count):
        pair = (struct.unpack_from("=2I", data, table + 8 * index) for table in (names, texts))
        name, text = (data[place : place + length].decode() for length, place in pair)
        if name:
            yield name, text


def translate_help(parser: argparse.ArgumentParser) -> None:
    """Let a command's help speak the system's language, with the word that argparse puts before
    it.
    """
    gettext.bindtextdomain(_DOMAIN, str(_FOLDER))
    gettext.textdomain(_DOMAIN)
    groups = [(group, "title") for group in parser._action_groups]
    helps = [(action, "help") for action in parser._actions]
    for part, name in (
        *groups,
        *helps,
        (parser, "usage"),
        (parser, "description"),
        (parser, "epilog"),
    ):
        if text := getattr(part, name):
            setattr(part, name, _(text))


@functools.cache
def _system() -> str:
    # Windows' name.
    names = [*map(os.environ.get, _VARIABLES), locale.normalize(locale.setlocale(locale.LC_CTYPE))]
    return _known(re.sub(r"\b(C|POSIX)\b", "en", next(filter(None, names), "")))


def _known(wishes: str) -> str:
    codes = (re.split("[-_.;]", wish.strip())[0].lower() for wish in re.split("[,:]", wishes))
    return next((code for code in codes if code in spoken_languages()), "en")


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(_DOMAIN, str(_FOLDER), [language])
