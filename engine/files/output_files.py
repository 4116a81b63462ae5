"""Where commands may write: never onto what they are given, nor onto what Aino keeps in folders of
its own.

What continues or replaces a file knows it for an earlier one of its kind. Games and pages, into
which people write, replace nothing: they have names that are free.
"""

import argparse
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from engine.errors import ConfigError
from engine.files.atomic import real_path

# What a folder of Aino's may be: bytes of the first of the files it keeps there, which tell it
# from other programs' files of that name, and the names of all.
FOLDERS = {
    "a self-play run": (b"format = ", "config.toml ledger.sqlite nets replay fit anchors".split()),
    "a pretraining": (
        b'"learner": ',
        "config.json checkpoint.npz log.jsonl latest.dit cache".split(),
    ),
    "a match": (b'"openings": ', "match.json games.jsonl games.pgn result.json stderr.log".split()),
    "a label folder": (
        b'"teacher": ',
        "settings.json published.json values.rows scored.rows cache".split(),
    ),
    "a folder of policies": (b'"policy_teachers": ', "settings.json parts cache".split()),
}

# How what may be replaced begins, by the ending that the flag's metavar has, or the name of a
# network. The table of a run without results is an empty line.
FIRST_BYTES = {
    ".html": rb"<!DOCTYPE html>\n<!-- Made by aino-train report",
    ".json": rb'\[\n \{\n  "run": |\{\n "engine": ',
    ".csv": rb"run,group,seed,|\n",
    ".dit": b"\x89",
    ".pb": b"\r",
    ".gz": b"\x1f",
    ".onnx": b"\b",
}


def kind_of_folder(folder: Path) -> str:
    """Return which of FOLDERS a folder is; "" for none, or where that cannot be read."""
    for kind, (mark, names) in FOLDERS.items():
        file = folder / names[0]
        if os.access(file, os.R_OK) and file.is_file() and mark in file.read_bytes():
            return kind
    return ""


def output_file(text: str) -> Path:
    """Return a path; the type of flags that name a file to write, which `CommandParser` checks."""
    # A variable of the shell that is not set: `Path` takes it for the folder that one is in.
    if not text:
        raise argparse.ArgumentTypeError("expected a name, got ''")
    return Path(os.path.expanduser(text))  # as most shells do not behind `--run=`


def check_output(path: Path, inputs: Iterable[Any], ending: str = "") -> None:
    """Raise ConfigError where a file to write is one that texts, paths or lists name, Aino's own,
    packed, or a folder.

    Other spellings and links count as what they lead to. ending: of FIRST_BYTES, what an earlier
    file has to be.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: give the output the name of a file")
    place = real_path(path)
    for text in _texts_of(inputs):
        for name in (text, *re.split(r"[\s=]+", text)):  # as in games.pgn=0.5
            if place == real_path(name) or (
                path.exists() and os.path.exists(name) and path.samefile(name)
            ):
                raise ConfigError(f"{path} would replace {name}: give the output another name")
    for folder in place.parents:
        kind = kind_of_folder(folder)
        if kind and place.relative_to(folder).parts[0] in FOLDERS[kind][1]:
            raise ConfigError(f"{path} belongs to {kind}, {folder}: give the output another name")
    if begin := FIRST_BYTES.get(ending):
        what = f"an earlier {ending} file of Aino's"
        check_earlier(path, lambda stream: re.match(begin, stream.read(99)), what)
    # It would hold what its name does not say.
    if re.search(r"(?<!\.pb)\.(gz|bz2|xz|zst|zip)$", path.name.lower()):
        raise ConfigError(
            f"{path}: {path.suffix} stands for packed files, which Aino does not write: leave it out"
        )


def _texts_of(values: Iterable[Any]) -> Iterator[str]:
    """Yield the texts and paths among values, and those in lists of them."""
    for value in values:
        if isinstance(value, list):
            yield from _texts_of(value)
        elif isinstance(value, str | Path):
            yield str(value)


def check_earlier(path: Path, is_one: Callable[[IO[bytes]], object], what: str) -> None:
    """Raise ConfigError where a file to continue or replace is not `what` such a file is. Devices
    take anything.
    """
    if _holds_something(path):
        with path.open("rb") as stream:
            if not is_one(stream):
                raise ConfigError(f"{path} is not {what}: give the output another name")


def free_names(*paths: Path) -> list[Path]:
    """Return these names of files; where one of them holds something, the first number behind all
    of them under which none does.
    """
    names = list(paths)
    number = 1
    while any(map(_holds_something, names)):
        number += 1
        names = [path.with_stem(f"{path.stem}-{number}") for path in paths]
    return names


def _holds_something(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
