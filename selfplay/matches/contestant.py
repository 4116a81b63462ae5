"""An engine in a match, described on the command line as `name=... cmd="..." option.NAME=VALUE
...`.
"""

import asyncio
import concurrent.futures
import contextlib
import hashlib
import logging
import os
import re
import shlex
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile
from os.path import isfile
from pathlib import Path
from typing import IO, Any, TypeVar

import chess
import chess.engine

from engine.errors import ConfigError, did_you_mean
from engine.native.uptime import uptime_s
from selfplay.interrupt import Stopped, stopped, stopping
from selfplay.matches.control import TimeControl

ENGINE_HELP = (
    "a command, or words name=NAME cmd=COMMAND option.NAME=VALUE nodes=N movetime=SECONDS tc=BASE+INC nodes-per-ms=N; "
    "the command `aino` is this installation's engine"
)
# Limit for `uci`, `isready` and a first search: the engine may have to compile kernels.
START_TIMEOUT_S = 300.0
POLL_S = 0.2  # time between two looks at what ends a wait
ENGINE_QUIT_TIMEOUT_S = 2.0  # wait this long after `quit`, then kill the process
# Limit for the answer to a first search that was stopped after START_TIMEOUT_S.
STOP_TIMEOUT_S = 30.0
LONGEST_ANSWER = 1 << 16  # bytes of a line of an engine; a longer one is dropped
_OPTION = re.compile(
    r"\s*option\s+name\s+(.+?)\s+type\s+(check|spin|combo|button|string)(?!\S)\s*(.*?)\s*$"
)
# Of those that an engine writes during a search: the last ones, which have its judgement.
KEPT_LINES = 10_000
_WORDS = {"cmd", "name", "tc", "movetime", "nodes", "nodes-per-ms"}
_VIRTUAL_TIME = ("NodesTime", "nodestime")  # options for it: Aino's, and Stockfish's

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


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
        return replace(control, nodes_per_ms=speed) if control.is_timed else control

    def marks(self) -> list[str]:
        """Return marks of what is in an engine's program, network and book; other files, such as
        logs, may change.
        """
        nets = (
            value
            for name, value in self.options
            if re.search("weights|eval|net|book", name, re.IGNORECASE)
        )
        words = {*takewhile(lambda word: word[:1] != "-", self.command), *nets} - {sys.executable}
        return [
            hashlib.sha256(Path(word).read_bytes()).hexdigest()[:16]
            for word in sorted(words)
            if isfile(word)
        ]


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
    if not any(word.startswith(("cmd=", "name=", "option.")) for word in words):
        return Contestant(Path(words[0]).name, engine_command(words))
    found: dict[str, str] = {}
    options = []
    for word in words:
        key, equals, value = word.partition("=")
        if key.startswith("option.") and equals:
            options.append((key.removeprefix("option."), value))
        elif key in _WORDS - set(found) and equals:
            found[key] = value
        else:
            raise ConfigError(
                f"engine {text!r}: expected option.NAME=, or once {'=, '.join(sorted(_WORDS))}=, found {word!r}"
            )
    command = split_words("cmd", found.get("cmd", ""))
    if not command:
        raise ConfigError(f"engine {text!r}: cmd= is missing")
    control = TimeControl.of(found.get("tc"), found.get("movetime"), found.get("nodes"), margin_ms)
    speed = found.get("nodes-per-ms", "0")
    if not speed.isdecimal():
        raise ConfigError(f"engine {text!r}: nodes-per-ms: expected a whole number, got {speed!r}")
    name = found.get("name") or Path(command[0]).name
    return Contestant(name, engine_command(command), tuple(options), control, int(speed))


def engine_command(words: list[str]) -> tuple[str, ...]:
    """Return the words, with this installation's engine for `aino`.

    -P keeps Python from running the modules in the working folder instead: in a folder with Aino's
    sources those would be another copy of the engine, which compiles its kernels anew and may be of
    another version.
    """
    return (sys.executable, "-P", "-m", "uci", *words[1:]) if words[0] == "aino" else tuple(words)


class _UciDriver(chess.engine.UciProtocol):
    """Also takes engines with options whose defaults are missing or not allowed, as those of Lc0
    0.31.

    An option without name or known type is skipped, as GUIs do, and so is what never becomes a
    line. Where `told` takes up the lines of searches, the driver reads no `info`, of which some
    engines send 100,000 a move.
    """

    told: deque[str] | None = None

    def pipe_data_received(self, fd: int, data: Any) -> None:
        *lines, rest = (self.buffer[fd] + data).split(b"\n")
        self.buffer[fd].clear()
        if self.told is not None and fd == 1:
            self.told.extend(line.decode(errors="replace") for line in lines)
            lines = [line for line in lines if not line.startswith(b"info ")]
        super().pipe_data_received(
            fd, b"\n".join([*lines, rest if len(rest) <= LONGEST_ANSWER else b""])
        )

    def _line_received(self, line: str) -> None:
        if not re.match(r"\s*option\b", line):
            super()._line_received(line)
        elif found := _OPTION.match(line):
            name, kind, rest = found.groups()
            numbers = {
                word: int(number)
                for word, number in re.findall(r"\b(default|min|max)\s+(-?\d+)(?!\S)", rest)
            }
            number = numbers.get("default", 0)
            nearest = sorted((numbers.get("min", number), number, numbers.get("max", number)))[1]
            text, *choices = re.split(r"(?:^|\s+)var\s+", re.sub(r"^default\b\s*", "", rest))
            text = text or (choices or [""])[0]
            usual = {"check": text.lower() == "true", "spin": nearest}.get(kind, text)
            bounds = (numbers.get("min"), numbers.get("max"))
            choices = list(dict.fromkeys([text, *choices]))
            self.options.setdefault(name, chess.engine.Option(name, kind, usual, *bounds, choices))
            self.config.setdefault(name, usual)


def open_engine(contestant: Contestant, errors: Path | None = None) -> chess.engine.SimpleEngine:
    """Start the engine's process, set its options and let it search once. Its stderr is appended to
    the file `errors`.

    An engine may load or compile for its first search, which no clock shall count; whatever else
    goes wrong in that search is left to the games to find. The process gets its own process group,
    so that Ctrl-C reaches only the referee. Raises ConfigError when the engine does not start, does
    not answer its first search, even when that is stopped, lacks an option, rejects a value, or is
    given an option that the referee sets; Stopped.
    """
    command = list(contestant.command)
    engine = None
    try:
        with open(errors or os.devnull, "ab") as stream:
            engine = _started(command, stream)
        ask_engine(engine, engine.protocol.initialize(), START_TIMEOUT_S)
        # A field of UciProtocol: whoever asks announces new games, as the driver would do it on the
        # engine's clock.
        engine.protocol.first_game = False  # type: ignore[attr-defined]
        set_options(engine, contestant, contestant.options)
        _search_once(engine, contestant)
    except BaseException as error:
        if engine is not None:
            close_engine(engine, force=True)
        if isinstance(error, Stopped):
            _log.warning("%s: stopped before it had answered at its start", contestant.name)
        if isinstance(error, (OSError, chess.engine.EngineError)):
            raise ConfigError(
                f"{contestant.name}: {' '.join(command)!r} does not start: {_cause(error)}"
            ) from error
        raise
    return engine


def _search_once(engine: chess.engine.SimpleEngine, contestant: Contestant) -> None:
    """Wait for a first search. When its time is up, the driver stops it and asks no more before its
    answer.
    """
    with contextlib.suppress(chess.engine.EngineError):
        try:
            limit = chess.engine.Limit(nodes=1, depth=1)  # Fruit's descendants know no nodes.
            ask_engine(engine, engine.protocol.play(chess.Board(), limit), START_TIMEOUT_S)
        except TimeoutError:
            try:
                ask_engine(engine, engine.protocol.ping(), STOP_TIMEOUT_S)
            except TimeoutError:
                text = f"does not answer `go` within {START_TIMEOUT_S:g} s, and then `stop` within {STOP_TIMEOUT_S:g} s"
                raise ConfigError(
                    f"{contestant.name}: {' '.join(contestant.command)!r} {text}"
                ) from None


def _started(command: list[str], errors: IO[bytes]) -> chess.engine.SimpleEngine:
    """Start the process, without a word of UCI yet, and its driver's thread, which ends with it."""

    async def drive(started: concurrent.futures.Future[chess.engine.SimpleEngine]) -> None:
        # Whoever waits for an answer hears what went wrong; the loop would also print it of those
        # who wait no more.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        transport, protocol = await _UciDriver.popen(command, setpgrp=True, stderr=errors)
        engine = chess.engine.SimpleEngine(transport, protocol)
        started.set_result(engine)
        engine.returncode.set_result(await protocol.returncode)
        engine.close()
        await engine.shutdown_event.wait()

    # It would log each line that it does not expect.
    logging.getLogger("chess.engine").setLevel(logging.CRITICAL)
    return chess.engine.run_in_background(drive)


def set_options(
    engine: chess.engine.SimpleEngine, contestant: Contestant, options: Iterable[tuple[str, str]]
) -> None:
    """Set options of a running engine, pairs (name, value), and wait until it is ready.

    Raises ConfigError when the engine lacks an option, rejects a value, or the referee sets the
    option itself.
    """
    try:
        known = engine.protocol.options
        for name, value in options:
            if name not in known:
                raise ConfigError(
                    f"{contestant.name} has no UCI option {name!r}{did_you_mean(known, name)}"
                )
            option = known[name]
            if option.is_managed():
                raise ConfigError(f"{contestant.name}: the referee sets UCI option {name!r} itself")
            if option.type == "check" and (value := value.lower()) not in ("true", "false"):
                raise ConfigError(
                    f"{contestant.name}: UCI option {name!r}: expected true or false, got {value!r}"
                )
            # The driver sends no value that it takes for the default, and before each move what it
            # gets for a button.
            engine.protocol.config.pop(option.name, None)  # type: ignore[attr-defined]
            sent = None if option.type == "button" else value
            ask_engine(engine, engine.protocol.configure({option.name: sent}), START_TIMEOUT_S)
        ask_engine(engine, engine.protocol.ping(), START_TIMEOUT_S)
    except (chess.engine.EngineError, TimeoutError) as error:
        raise ConfigError(f"{contestant.name}: cannot set its options: {_cause(error)}") from error


def set_virtual_time(
    engine: chess.engine.SimpleEngine, contestant: Contestant, nodes_per_ms: int
) -> None:
    """Let the engine's own clock run on its nodes. Raises ConfigError where it has no such
    option.
    """
    known = [name for name in _VIRTUAL_TIME if name in engine.protocol.options]
    if not known:
        wanted = " or ".join(_VIRTUAL_TIME)
        raise ConfigError(f"{contestant.name} has no time in nodes: no UCI option {wanted}")
    set_options(engine, contestant, [(known[0], str(nodes_per_ms))])


def _cause(error: Exception) -> str:
    """Return what to print of an error at the start; python-chess's TimeoutError says nothing."""
    if isinstance(error, FileNotFoundError):
        is_network = Path(str(error.filename)).suffix in (".dit", ".gz", ".pb")
        advice = (
            "a network plays as cmd=aino option.WeightsFile=FILE"
            if is_network
            else "install it, or give cmd=PATH"
        )
        return f"no such program ({advice})"
    return (
        f"no answer within {START_TIMEOUT_S:g} s" if isinstance(error, TimeoutError) else str(error)
    )


def ask_engine(
    engine: chess.engine.SimpleEngine, request: Coroutine[Any, Any, _Answer], timeout_s: float
) -> _Answer:
    """Send a request to the engine's driver and wait at most `timeout_s` seconds; the driver itself
    has no limit.

    Raises TimeoutError; Stopped; and EngineTerminatedError even when the process ended before the
    request.
    """
    try:
        if engine.returncode.done():
            raise RuntimeError(f"it ended with exit code {engine.returncode.result()}")
        future = asyncio.run_coroutine_threadsafe(request, engine.protocol.loop)
    except RuntimeError as error:  # a closed event loop raises this too
        request.close()
        raise chess.engine.EngineTerminatedError(
            f"the engine's process is gone: {error}"
        ) from error
    # The driver's own limits would also count the time in which the referee was stopped.
    begun = uptime_s()
    while not concurrent.futures.wait([future], POLL_S).done:
        if stopped():
            raise Stopped
        if uptime_s() - begun > timeout_s:
            future.cancel()
            raise TimeoutError
    try:
        return future.result(0)
    except concurrent.futures.CancelledError as error:
        raise chess.engine.EngineTerminatedError("the engine's process ended") from error


def close_engine(engine: chess.engine.SimpleEngine, force: bool = False) -> None:
    """End the process. Sends `quit` first unless `force`; then kills the engine and every process
    it started.
    """
    if not force:
        with contextlib.suppress(chess.engine.EngineError, TimeoutError), stopping(lambda: False):
            ask_engine(engine, engine.protocol.quit(), ENGINE_QUIT_TIMEOUT_S)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(engine.transport.get_pid(), signal.SIGKILL)
        # Closing first would take its exit code.
        concurrent.futures.wait([engine.returncode], ENGINE_QUIT_TIMEOUT_S)
    engine.close()
