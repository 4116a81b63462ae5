"""The sentences that people see, in their language, by gettext catalogues; in English where a catalogue lacks one.

`_` translates a sentence, and `later` marks one that is translated where it is shown. A terminal speaks the system's
language, as LANGUAGE, LC_ALL, LC_MESSAGES or LANG name it; the board in the browser speaks the browser's, or the one
that is chosen there. Games, reviews and messages of the engine are in English.
"""

from __future__ import annotations

import functools
import gettext
import locale
import os
import re
from contextvars import ContextVar
from importlib import resources

SPOKEN_LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français"}
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_spoken: ContextVar[str] = ContextVar("language", default="")


def _(sentence: str, **values: object) -> str:
    """Return a sentence in the language that is spoken here, with values for its {names}."""
    text = _catalogue(spoken()).gettext(sentence)
    return text.format(**values) if values else text


def later(sentence: str) -> str:
    """Return a sentence as it is; who shows it translates it."""
    return sentence


def spoken() -> str:
    """Return the code of the language that is spoken here: what `speak` set in this context, else the system's."""
    return _spoken.get() or _system()


def speak(*wishes: str) -> None:
    """Speak the first known language of some lists, such as an Accept-Language header, in this context."""
    _spoken.set(_known(",".join(wishes)))


def sentences() -> dict[str, str]:
    """Return the catalogue of the language that is spoken here, for a page's script."""
    return {name: text for name, text in vars(_catalogue(spoken())).get("_catalog", {}).items() if name}


@functools.cache
def _system() -> str:
    names = (os.environ.get(name) for name in _VARIABLES)
    return _known(next(filter(None, names), locale.getlocale()[0] or ""))


def _known(wishes: str) -> str:
    codes = (re.split("[-_.;]", wish.strip())[0].lower() for wish in re.split("[,:]", wishes))
    return next((code for code in codes if code in SPOKEN_LANGUAGES), "en")


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    with resources.files("uci").joinpath("languages", f"{language}.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
