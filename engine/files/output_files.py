"""Where commands may write: never onto what they are given, nor onto what Aino keeps in folders of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.errors import ConfigError

# What a folder of Aino's may be, and what it keeps there; the first file tells which it is.
FOLDERS = {
    "a self-play run": "config.toml ledger.sqlite nets replay fit anchors".split(),
    "a pretraining": "config.json checkpoint.npz log.jsonl latest.dit cache".split(),
    "a match": "match.json games.jsonl games.pgn result.json stderr.log".split(),
    "a label folder": "settings.json journal values.rows scored.rows cache".split(),
    "a sweep": "sweep.toml matches".split(),
}


def output_file(text: str) -> Path:
    """Return a path; the type of flags that name a file to write, which `CommandParser` checks."""
    return Path(text)


def check_output(path: Path, given: Iterable[Any]) -> None:
    """Raise ConfigError where a file to write is one that texts, paths or lists of them name, or is Aino's own.

    Other spellings and links count as what they lead to.
    """
    place = Path(os.path.realpath(path))
    values = [one for value in given for one in (value if isinstance(value, list) else [value])]
    for text in (str(one) for one in values if isinstance(one, str | Path)):
        for name in (text, *re.split(r"[\s=]+", text)):  # as in games.pgn=0.5
            if str(place) == os.path.realpath(name) or (path.exists() and os.path.exists(name) and path.samefile(name)):
                raise ConfigError(f"{path} would replace {name}: give the output another name")
    for folder in place.parents:
        for kind, names in FOLDERS.items():
            if place.relative_to(folder).parts[0] in names and (folder / names[0]).is_file():
                raise ConfigError(f"{path} belongs to {kind}, {folder}: give the output another name")
