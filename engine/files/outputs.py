"""Where commands may write: never onto what they read, nor onto what Aino keeps in folders of its own."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Iterator
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
    """Return a path; the type of flags that name a file to write, which `check_outputs` looks for."""
    return Path(text)


def check_outputs(actions: Iterable[argparse.Action], given: argparse.Namespace) -> None:
    """Compare the files that flags let a command write with all else that it is given, and with each other.

    Raises ConfigError as `check_output`.
    """
    values = {one.dest: (one.type is output_file, getattr(given, one.dest, None)) for one in actions}
    for dest, (is_output, path) in values.items():
        if is_output and path is not None:
            check_output(path, (file for name, one in values.items() if name != dest for file in _files(*one)))


def check_output(path: Path, inputs: Iterable[Path]) -> None:
    """Raise ConfigError where a file to write is one of the inputs, is in a folder of these, or is Aino's own.

    Other spellings and links count as what they lead to.
    """
    place = Path(os.path.realpath(path))
    for one in inputs:
        is_same = place == Path(os.path.realpath(one)) or (path.exists() and one.exists() and path.samefile(one))
        if is_same or (one.is_dir() and place.is_file() and one.resolve() in place.parents):
            raise ConfigError(f"{path} would replace {one}: give the output another name")
    for folder in place.parents:
        for kind, names in FOLDERS.items():
            if place.relative_to(folder).parts[0] in names and (folder / names[0]).is_file():
                raise ConfigError(f"{path} belongs to {kind}, {folder}: give the output another name")


def _files(is_output: bool, value: Any) -> Iterator[Path]:
    """Yield the files that a flag's value names, in whatever words; folders are for the command to judge."""
    for one in value if isinstance(value, list) else [value]:
        names = [os.fspath(one), *re.split(r"[\s=]+", os.fspath(one))] if isinstance(one, str | Path) else []
        yield from (Path(name) for name in names if name and (is_output or os.path.isfile(name)))
