"""The sentences that people see, in their language, by gettext catalogues; in English where a
catalogue lacks one.

`_` translates a sentence, `several` one that has a number, and `later` marks one that is translated
where it is shown. A terminal speaks the system's language, as LANGUAGE, LC_ALL, LC_MESSAGES or LANG
name it; the board in the browser speaks the browser's, or the one that is chosen there. A catalogue
says whether moves have the language's own letters from the start; days keep the order of ISO 8601.
Headers of games and messages of the engine are in English.
"""

import contextlib
import functools
import locale
import os
import re
from collections.abc import Iterator
from contextvars import ContextVar

from uci.catalogues import catalogue, sentences_of, spoken_languages

_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_spoken: ContextVar[str] = ContextVar("language", default="")
# Whether pieces have the letters of the spoken language; None: as that language has them usually.
_own_letters: ContextVar[bool | None] = ContextVar("letters", default=None)


def _(sentence: str, context: str = "", **values: object) -> str:
    """Return a sentence in the language that is spoken here, with values for its {names}.

    The same English words may stand in several contexts, which ask for other words elsewhere.
    """
    spoken_catalogue = catalogue(spoken())
    if context:
        text = spoken_catalogue.pgettext(context, sentence)
    else:
        text = spoken_catalogue.gettext(sentence)
    if not values:
        return text
    return text.format(**values)


def several(singular: str, plural: str, count: int, **values: object) -> str:
    """Return the sentence for one thing or for many, with their {count}."""
    return (
        catalogue(spoken()).ngettext(singular, plural, count).format(count=counted(count), **values)
    )


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
    _spoken.set(_first_spoken(",".join(wishes)))


def show_own_letters(is_own: bool | None) -> None:
    """Show moves with the letters of the spoken language in this context, or with SAN's; None: as
    people who speak it read them.
    """
    _own_letters.set(is_own)


@contextlib.contextmanager
def letters_shown(is_own: bool) -> Iterator[None]:
    """Show moves with the letters of the spoken language meanwhile, or with SAN's."""
    before = _own_letters.set(is_own)
    try:
        yield
    finally:
        _own_letters.reset(before)


def shows_own_letters() -> bool:
    """Whether moves are shown with the letters of the spoken language."""
    is_own = _own_letters.get()
    if is_own is None:
        return _("off", "own letters from the start") == "on"
    return is_own


def own_letters() -> dict[str, str]:
    """Return what each letter for a piece in the language that is spoken here is in English."""
    return dict(zip(_("K Q R B N P", "pieces").split(), "KQRBNP", strict=True))


def shown_moves(san: str) -> str:
    """Return moves in SAN with the letters for pieces that are shown here; files and copies keep
    SAN's.
    """
    if not shows_own_letters():
        return san
    return san.translate({ord(letter): own for own, letter in own_letters().items()})


def translated(message: str) -> str:
    """Return what the engine says of a position or a PGN in the language that is spoken here.

    The catalogues know such messages by the context "engine". A text that is none of them stays as
    it is.
    """
    values = getattr(message, "values", {})
    text = catalogue(spoken()).pgettext("engine", getattr(message, "template", message))
    if not values:
        return text
    return text.format(**{name: translated(str(value)) for name, value in values.items()})


@functools.cache
def page_language(language: str) -> dict[str, object]:
    """Return what a page needs: its language, its script's catalogue, and which plural form a
    number `n` takes there.

    A sentence for one thing or many has a list of forms in the catalogue.
    """
    sentences = dict[str, str | list[str]]()
    for name, text in sentences_of(language):
        singular, *plural = name.split("\0")
        sentences[singular] = text
        if plural:
            sentences[singular] = text.split("\0")
    forms = catalogue(language).info().get("plural-forms", "plural=n != 1")
    rule = forms.partition("plural=")[2].strip("; ")
    return {"language": language, "catalogue": sentences, "plural_rule": rule}


@functools.cache
def _system() -> str:
    # Windows' name.
    names = [*map(os.environ.get, _VARIABLES), locale.normalize(locale.setlocale(locale.LC_CTYPE))]
    return _first_spoken(re.sub(r"\b(C|POSIX)\b", "en", next(filter(None, names), "")))


def _first_spoken(wishes: str) -> str:
    """Return the first language of a list that has a catalogue, else English."""
    for wish in re.split("[,:]", wishes):
        code = re.split("[-_.;]", wish.strip())[0].lower()
        if code in spoken_languages():
            return code
    return "en"
