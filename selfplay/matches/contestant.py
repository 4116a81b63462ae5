"""An engine in a match, described on the command line as `name=... cmd="..." option.NAME=VALUE ...`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import chess.engine

from engine.errors import ConfigError
from selfplay.matches.control import TimeControl

__all__ = ["ENGINE_HELP", "Contestant", "ask", "close_engine", "open_engine", "parse_contestant"]

ENGINE_HELP = (
    "a command, or words name=NAME cmd=COMMAND option.NAME=VALUE nodes=N movetime=SECONDS tc=BASE+INC; "
    "the command `aino` is this installation's engine"
)
START_TIMEOUT_S = 120.0  # for the first `uci` and `isready`: kernels may have to be compiled
LOOP_GRACE_S = 5.0  # a driver whose process ended may stop before it takes a request
QUIT_TIMEOUT_S = 2.0  # between `quit` and the end by force

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Contestant:
    """Name, command words and UCI options of an engine; `control` where it has another one than its opponent."""

    name: str
    command: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    control: TimeControl | None = None


def parse_contestant(text: str, margin_ms: float = 0.0) -> Contestant:
    """From `aino`, a command, or `key=value` words with the keys cmd, name, option.NAME, tc, movetime and nodes.

    `aino` (alone, or as cmd) is this installation's engine. Raises ConfigError for other keys or a missing command.
    """
    words = shlex.split(text)
    if not words:
        raise ConfigError("an engine needs a command")
    if not any(word.startswith(("cmd=", "name=", "option.")) for word in words):
        return Contestant(Path(words[0]).name, _command(words))
    found: dict[str, str] = {}
    options = []
    for word in words:
        key, equals, value = word.partition("=")
        if key.startswith("option.") and equals:
            options.append((key.removeprefix("option."), value))
        elif key in ("cmd", "name", "tc", "movetime", "nodes") and equals:
            found[key] = value
        else:
            raise ConfigError(
                f"engine {text!r}: expected cmd=, name=, option.NAME=, tc=, movetime= or nodes=, found {word!r}"
            )
    if not found.get("cmd"):
        raise ConfigError(f"engine {text!r}: cmd= is missing")
    command = shlex.split(found["cmd"])
    control = TimeControl.of(found.get("tc"), found.get("movetime"), found.get("nodes"), margin_ms)
    return Contestant(found.get("name") or Path(command[0]).name, _command(command), tuple(options), control)


def _command(words: list[str]) -> tuple[str, ...]:
    return (sys.executable, "-m", "uci", *words[1:]) if words[0] == "aino" else tuple(words)


def open_engine(contestant: Contestant, errors: Path | None = None) -> chess.engine.SimpleEngine:
    """Start the engine's process and set its options; what it writes to stderr is added to the file `errors`.

    The process gets a group of its own: Ctrl-C reaches the referee alone. Raises ConfigError where it does not start,
    for an option it does not have, a value it does not take, or an option that the referee sets.
    """
    command = list(contestant.command)
    try:
        with open(errors or os.devnull, "ab") as stream:
            engine = chess.engine.SimpleEngine.popen_uci(command, timeout=START_TIMEOUT_S, setpgrp=True, stderr=stream)
    except (OSError, chess.engine.EngineError, TimeoutError) as error:
        raise ConfigError(f"{contestant.name}: {' '.join(command)!r} does not start: {error!r}") from error
    try:
        for name, value in contestant.options:
            if name not in engine.options:
                raise ConfigError(f"{contestant.name} has no UCI option {name!r}")
            if engine.options[name].is_managed():
                raise ConfigError(f"{contestant.name}: the referee sets UCI option {name!r} itself")
            engine.configure({name: value})
        engine.ping()
    except (chess.engine.EngineError, TimeoutError) as error:
        close_engine(engine, force=True)
        raise ConfigError(f"{contestant.name}: its options cannot be set: {error!r}") from error
    except BaseException:
        close_engine(engine, force=True)
        raise
    return engine


def ask(engine: chess.engine.SimpleEngine, request: Coroutine[Any, Any, Answer], timeout_s: float) -> Answer:
    """The answer to a request of the engine's driver, which itself may wait for ever.

    Raises TimeoutError, and EngineTerminatedError also where the process ended before the request.
    """
    limited = asyncio.wait_for(request, timeout_s)
    try:
        if engine.returncode.done():
            raise RuntimeError(f"it ended with exit code {engine.returncode.result()}")
        future = asyncio.run_coroutine_threadsafe(limited, engine.protocol.loop)
    except RuntimeError as error:  # also of a loop that is closed
        limited.close()
        request.close()
        raise chess.engine.EngineTerminatedError(f"the engine's process is gone: {error}") from error
    try:
        return future.result(timeout_s + LOOP_GRACE_S)
    except concurrent.futures.CancelledError as error:
        raise chess.engine.EngineTerminatedError("the engine's process ended") from error


def close_engine(engine: chess.engine.SimpleEngine, force: bool = False) -> None:
    """End the process: it is asked to quit, unless by force, and soon killed with all that it started."""
    if not force:
        with contextlib.suppress(chess.engine.EngineError, TimeoutError):
            ask(engine, engine.protocol.quit(), QUIT_TIMEOUT_S)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(engine.transport.get_pid(), signal.SIGKILL)
    engine.close()
