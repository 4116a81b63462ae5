"""An engine in a match, described on the command line as `name=... cmd="..." option.NAME=VALUE
...`.
"""

import hashlib
import os
import re
import shlex
import sys
from dataclasses import dataclass, replace
from itertools import takewhile
from os.path import isfile
from pathlib import Path

from engine.errors import ConfigError
from selfplay.matches.control import TimeControl

ENGINE_HELP = (
    "a command, or words name=NAME cmd=COMMAND option.NAME=VALUE nodes=N movetime=SECONDS tc=BASE+INC nodes-per-ms=N; "
    "the command `aino` is this installation's engine"
)
_KEYS = ("cmd", "movetime", "name", "nodes", "nodes-per-ms", "tc")
_OPTION_KEY = "option."


@dataclass(frozen=True)
class Contestant:
    """An engine's name, command words and UCI options. `control` is set when its time control is
    its own, `nodes_per_ms` when its speed in virtual time is.
    """

    name: str
    command: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    control: TimeControl | None = None
    nodes_per_ms: int = 0

    def control_in(self, of_all: TimeControl) -> TimeControl:
        """Return its time control where all others have `of_all`."""
        control = self.control or of_all
        speed = self.nodes_per_ms or of_all.nodes_per_ms
        if not control.is_timed:
            return control
        return replace(control, nodes_per_ms=speed)

    def marks(self) -> list[str]:
        """Return marks of what is in an engine's program, network and book; other files, such as
        logs, may change.
        """
        words = set(takewhile(lambda word: word[:1] != "-", self.command))
        for name, value in self.options:
            if re.search("weights|eval|net|book", name, re.IGNORECASE):
                words.add(value)
        words.discard(sys.executable)
        return list(map(_mark_of, filter(isfile, sorted(words))))


def _mark_of(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]


def split_words(what: str, text: str, windows: bool = os.name == "nt") -> list[str]:
    """Return the words of a command line, as a shell splits them; on Windows a backslash is part of
    a path.

    Raises ConfigError, which begins with `what`.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if windows:
        lexer.escape = ""
    try:
        return list(lexer)
    except ValueError as error:  # an unbalanced quote
        raise ConfigError(f"{what} {text!r}: {error}") from error


def parse_contestant(text: str, margin_ms: float = 0.0) -> Contestant:
    """Parse `aino`, a command, or `key=value` words with the keys cmd, name, option.NAME and those
    of a time control.

    `aino` (alone, or as cmd) is this installation's engine. Raises ConfigError for other keys or a
    missing command.
    """
    words = split_words("engine", text)
    if not words:
        raise ConfigError("an engine needs a command")
    if not any(word.startswith(("cmd=", "name=", _OPTION_KEY)) for word in words):
        return Contestant(Path(words[0]).name, engine_command(words))
    values, options = _values_of(words, text)
    command = split_words("cmd", values.get("cmd", ""))
    if not command:
        raise ConfigError(f"engine {text!r}: cmd= is missing")
    speed = values.get("nodes-per-ms", "0")
    if not speed.isdecimal():
        raise ConfigError(f"engine {text!r}: nodes-per-ms: expected a whole number, got {speed!r}")
    return Contestant(
        name=values.get("name") or Path(command[0]).name,
        command=engine_command(command),
        options=tuple(options),
        control=TimeControl.of(
            values.get("tc"), values.get("movetime"), values.get("nodes"), margin_ms
        ),
        nodes_per_ms=int(speed),
    )


def _values_of(words: list[str], text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return (values by key, UCI options) of the `key=value` words of `text`."""
    values: dict[str, str] = {}
    options = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key.startswith(_OPTION_KEY):
            options.append((key.removeprefix(_OPTION_KEY), value))
        elif equals and key in _KEYS and key not in values:
            values[key] = value
        else:
            keys = "=, ".join(_KEYS)
            raise ConfigError(
                f"engine {text!r}: expected {_OPTION_KEY}NAME=, or once {keys}=, found {word!r}"
            )
    return values, options


def engine_command(words: list[str]) -> tuple[str, ...]:
    """Return the words, with this installation's engine for `aino`.

    -P keeps Python from running the modules in the working folder instead: in a folder with Aino's
    sources those would be another copy of the engine, which compiles its kernels anew and may be of
    another version.
    """
    if words[0] != "aino":
        return tuple(words)
    return (sys.executable, "-P", "-m", "uci", *words[1:])
