"""An engine in a match, described on the command line as `name=... cmd="..." option.NAME=VALUE ...`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import chess.engine

from engine.errors import ConfigError

__all__ = ["Contestant", "open_engine", "parse_contestant"]

START_TIMEOUT_S = 120.0  # for the first `uci` and `isready`: kernels may have to be compiled


@dataclass(frozen=True)
class Contestant:
    """Name, command words and UCI options of an engine."""

    name: str
    command: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()


def parse_contestant(text: str) -> Contestant:
    """From `aino`, a command, or `key=value` words with the keys cmd, name and option.NAME.

    `aino` (alone, or as cmd) is this installation's engine. Raises ConfigError for other keys or a missing command.
    """
    words = shlex.split(text)
    if not words:
        raise ConfigError("an engine needs a command")
    if not any(word.startswith(("cmd=", "name=", "option.")) for word in words):
        return Contestant(Path(words[0]).name, _command(words))
    command, name, options = "", "", []
    for word in words:
        key, equals, value = word.partition("=")
        if key == "cmd" and equals:
            command = value
        elif key == "name" and equals:
            name = value
        elif key.startswith("option.") and equals:
            options.append((key.removeprefix("option."), value))
        else:
            raise ConfigError(f"engine {text!r}: expected cmd=, name= or option.NAME=, found {word!r}")
    if not command:
        raise ConfigError(f"engine {text!r}: cmd= is missing")
    return Contestant(name or Path(shlex.split(command)[0]).name, _command(shlex.split(command)), tuple(options))


def _command(words: list[str]) -> tuple[str, ...]:
    return (sys.executable, "-m", "uci", *words[1:]) if words[0] == "aino" else tuple(words)


def open_engine(contestant: Contestant) -> chess.engine.SimpleEngine:
    """Start the engine's process and set its options.

    Raises ConfigError where it does not start, for an option it does not have, or one that the referee sets.
    """
    try:
        engine = chess.engine.SimpleEngine.popen_uci(list(contestant.command), timeout=START_TIMEOUT_S)
    except (OSError, chess.engine.EngineError, TimeoutError) as error:
        raise ConfigError(f"{contestant.name}: {' '.join(contestant.command)!r} does not start: {error!r}") from error
    try:
        for name, value in contestant.options:
            if name not in engine.options:
                raise ConfigError(f"{contestant.name} has no UCI option {name!r}")
            if engine.options[name].is_managed():
                raise ConfigError(f"{contestant.name}: the referee sets UCI option {name!r} itself")
            engine.configure({name: value})
        engine.ping()
    except BaseException:
        engine.close()
        raise
    return engine
