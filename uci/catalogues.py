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
    codes = sorted(
        folder.name
        for folder in CATALOGUES_FOLDER.iterdir()
        if folder.joinpath("LC_MESSAGES/aino.mo").is_file()
    )
    return {"en": "English"} | {
        code: catalogue(code).pgettext("this language", "English") for code in codes
    }


@functools.cache
def catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(GETTEXT_DOMAIN, str(CATALOGUES_FOLDER), [language])


def sentences_of(language: str) -> Iterator[tuple[str, str]]:
    """Yield the sentences of a catalogue and their translations; forms for one and for many have
    \\0 between them.

    A .mo file has its magic number, revision, number of sentences, and the places of two tables
    with the length and the place of each text (GNU gettext's manual, The Format of GNU MO Files).
    """
    path = gettext.find(GETTEXT_DOMAIN, str(CATALOGUES_FOLDER), [language])
    data = Path(path).read_bytes() if path else struct.pack("5I", 0, 0, 0, 0, 0)
    _magic, _revision, count, names, texts = struct.unpack_from("=5I", data)
    for index in range(count):
        pair = (struct.unpack_from("=2I", data, table + 8 * index) for table in (names, texts))
        name, text = (data[place : place + length].decode() for length, place in pair)
        if name:
            yield name, text
