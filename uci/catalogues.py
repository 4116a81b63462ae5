"""The catalogues of sentences in other languages than English, by gettext: which ones there are, and
what is in them.
"""

import functools
import gettext
import struct
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

GETTEXT_DOMAIN = "aino"
CATALOGUES_FOLDER = resources.files("uci").joinpath("languages")


@functools.cache
def spoken_languages() -> dict[str, str]:
    """Return the name that each language with a catalogue has for itself, by its code; English
    comes first.
    """
    names = {"en": "English"}
    for folder in sorted(CATALOGUES_FOLDER.iterdir(), key=lambda folder: folder.name):
        if folder.joinpath("LC_MESSAGES/aino.mo").is_file():
            names[folder.name] = catalogue(folder.name).pgettext("this language", "English")
    return names


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(GETTEXT_DOMAIN, str(CATALOGUES_FOLDER), [language])


def sentences_of(language: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a catalogue and their translations; forms for one and for many have
    \\0 between them. English has no catalogue.

    A .mo file has its magic number, revision, number of sentences, and the places of two tables
    with the length and the place of each text (GNU gettext's manual, The Format of GNU MO Files).
    """
    path = gettext.find(GETTEXT_DOMAIN, str(CATALOGUES_FOLDER), [language])
    if path is None:
        return
    data = Path(path).read_bytes()
    _magic, _revision, count, sentences, translations = struct.unpack_from("=5I", data)
    for row in range(0, 8 * count, 8):
        sentence = _text_of(data, sentences + row)
        if sentence:
            yield sentence, _text_of(data, translations + row)


def _text_of(data: bytes, row: int) -> str:
    """Return the text of a row of a table in a .mo file."""
    length, place = struct.unpack_from("=2I", data, row)
    return data[place : place + length].decode()
