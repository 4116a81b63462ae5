"""The process of a UCI engine: start it, set its options, ask it, and end it."""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import chess
import chess.engine

from engine.errors import ConfigError, did_you_mean
from engine.native.uptime import uptime_s
from selfplay.interrupt import Stopped, stopped, stopping
from selfplay.matches.contestant import Contestant
from selfplay.matches.uci_driver import drive, driver_of

# Limit for `uci`, `isready` and a first search: the engine may have to compile kernels.
START_TIMEOUT_S = 300.0
POLL_S = 0.2  # time between two looks at what ends a wait
ENGINE_QUIT_TIMEOUT_S = 2.0  # wait this long after `quit`, then kill the process
# Limit for the answer to a first search that was stopped after START_TIMEOUT_S.
STOP_TIMEOUT_S = 30.0
_VIRTUAL_TIME = ("NodesTime", "nodestime")  # options for it: Aino's, and Stockfish's

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


def open_engine(contestant: Contestant, errors: Path | None = None) -> chess.engine.SimpleEngine:
    """Start the engine's process, set its options and let it search once. Its stderr is appended to
    the file `errors`.

    An engine may load or compile for its first search, which no clock shall count; whatever else
    goes wrong in that search is left to the games to find. The process gets its own process group,
    so that Ctrl-C reaches only the referee. Raises ConfigError when the engine does not start, does
    not answer its first search, even when that is stopped, lacks an option, rejects a value, or is
    given an option that the referee sets; Stopped.
    """
    with _errors_at_start(contestant):
        with open(errors or os.devnull, "ab") as stream:
            engine = _started(list(contestant.command), stream)
        with _closed_on_error(engine):
            ask_engine(engine, engine.protocol.initialize(), START_TIMEOUT_S)
            driver_of(engine).announce_no_game()
            set_options(engine, contestant, contestant.options)
            _search_once(engine, contestant)
    return engine


@contextmanager
def _errors_at_start(contestant: Contestant) -> Iterator[None]:
    """Say of which engine the block's error is."""
    try:
        yield
    except Stopped:
        _log.warning("%s: stopped before it had answered at its start", contestant.name)
        raise
    except (OSError, chess.engine.EngineError) as error:
        raise ConfigError(
            f"{contestant.name}: {' '.join(contestant.command)!r} does not start: {_cause(error)}"
        ) from error


@contextmanager
def _closed_on_error(engine: chess.engine.SimpleEngine) -> Iterator[None]:
    """End the process where the block ends with an error, such as Ctrl-C."""
    try:
        yield
    except BaseException:
        close_engine(engine, force=True)
        raise


def _search_once(engine: chess.engine.SimpleEngine, contestant: Contestant) -> None:
    """Wait for a first search. When its time is up, the driver stops it and asks no more before its
    answer.
    """
    limit = chess.engine.Limit(nodes=1, depth=1)  # Fruit's descendants know no nodes.
    with contextlib.suppress(chess.engine.EngineError):
        try:
            ask_engine(engine, engine.protocol.play(chess.Board(), limit), START_TIMEOUT_S)
        except TimeoutError:
            _wait_for_stop(engine, contestant)


def _wait_for_stop(engine: chess.engine.SimpleEngine, contestant: Contestant) -> None:
    try:
        ask_engine(engine, engine.protocol.ping(), STOP_TIMEOUT_S)
    except TimeoutError:
        mute = f"does not answer `go` within {START_TIMEOUT_S:g} s, and then `stop` within {STOP_TIMEOUT_S:g} s"
        raise ConfigError(f"{contestant.name}: {' '.join(contestant.command)!r} {mute}") from None


def _started(command: list[str], errors: IO[bytes]) -> chess.engine.SimpleEngine:
    """Start the process, without a word of UCI yet, and its driver's thread, which ends with it."""
    # It would log each line that it does not expect.
    logging.getLogger("chess.engine").setLevel(logging.CRITICAL)
    return chess.engine.run_in_background(partial(drive, command, errors))


def set_options(
    engine: chess.engine.SimpleEngine, contestant: Contestant, options: Iterable[tuple[str, str]]
) -> None:
    """Set options of a running engine, pairs (name, value), and wait until it is ready.

    Raises ConfigError when the engine lacks an option, rejects a value, or the referee sets the
    option itself.
    """
    try:
        for name, value in options:
            _set_option(engine, contestant, name, value)
        ask_engine(engine, engine.protocol.ping(), START_TIMEOUT_S)
    except (chess.engine.EngineError, TimeoutError) as error:
        raise ConfigError(f"{contestant.name}: cannot set its options: {_cause(error)}") from error


def _set_option(
    engine: chess.engine.SimpleEngine, contestant: Contestant, name: str, value: str
) -> None:
    options = engine.protocol.options
    if name not in options:
        raise ConfigError(
            f"{contestant.name} has no UCI option {name!r}{did_you_mean(options, name)}"
        )
    option = options[name]
    if option.is_managed():
        raise ConfigError(f"{contestant.name}: the referee sets UCI option {name!r} itself")
    if option.type == "check":
        value = value.lower()
        if value not in ("true", "false"):
            raise ConfigError(
                f"{contestant.name}: UCI option {name!r}: expected true or false, got {value!r}"
            )
    driver_of(engine).forget_value(option.name)
    sent = None if option.type == "button" else value
    ask_engine(engine, engine.protocol.configure({option.name: sent}), START_TIMEOUT_S)


def set_virtual_time(
    engine: chess.engine.SimpleEngine, contestant: Contestant, nodes_per_ms: int
) -> None:
    """Let the engine's own clock run on its nodes. Raises ConfigError where it has no such
    option.
    """
    for name in _VIRTUAL_TIME:
        if name in engine.protocol.options:
            set_options(engine, contestant, [(name, str(nodes_per_ms))])
            return
    names = " or ".join(_VIRTUAL_TIME)
    raise ConfigError(f"{contestant.name} has no time in nodes: no UCI option {names}")


def _cause(error: Exception) -> str:
    """Return what to print of an error at the start; python-chess's TimeoutError says nothing."""
    if isinstance(error, TimeoutError):
        return f"no answer within {START_TIMEOUT_S:g} s"
    if not isinstance(error, FileNotFoundError):
        return str(error)
    if Path(str(error.filename)).suffix in (".dit", ".gz", ".pb"):
        return "no such program (a network plays as cmd=aino option.WeightsFile=FILE)"
    return "no such program (install it, or give cmd=PATH)"


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
