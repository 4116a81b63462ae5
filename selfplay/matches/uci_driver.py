"""A driver for UCI engines that is more patient with their lines than python-chess's."""

import asyncio
import re
from collections import deque
from typing import Any

import chess.engine

LONGEST_ANSWER = 1 << 16  # bytes of a line of an engine; a longer one is dropped
# Of those that an engine writes during a search: the last ones, which have its judgement.
KEPT_LINES = 10_000
_STDOUT = 1
_OPTION_LINE = re.compile(
    r"\s*option\s+name\s+(?P<name>.+?)\s+type\s+(?P<kind>check|spin|combo|button|string)(?!\S)\s*(?P<details>.*?)\s*$"
)


class TolerantUci(chess.engine.UciProtocol):
    """Also takes engines with options whose defaults are missing or not allowed, as those of Lc0
    0.31.

    An option without name or known type is skipped, as GUIs do, and so is what never becomes a
    line. Where `search_lines` takes up the lines of searches, the driver reads no `info`, of which
    some engines send 100,000 a move.
    """

    search_lines: deque[str] | None = None

    def pipe_data_received(self, fd: int, data: Any) -> None:
        *lines, beginning = (self.buffer[fd] + data).split(b"\n")
        self.buffer[fd].clear()
        if self.search_lines is not None and fd == _STDOUT:
            self.search_lines.extend(line.decode(errors="replace") for line in lines)
            lines = [line for line in lines if not line.startswith(b"info ")]
        if len(beginning) > LONGEST_ANSWER:
            beginning = b""
        super().pipe_data_received(fd, b"\n".join([*lines, beginning]))

    def announce_no_game(self) -> None:
        """Leave it to those who ask to announce new games, which the driver would do on the
        engine's clock.
        """
        self.first_game = False

    def forget_value(self, name: str) -> None:
        """Send an option's next value even where the driver takes it for the one that is set. It
        sends none that it takes for the default, and before each move what it gets for a button.
        """
        self.config.pop(name, None)

    def _line_received(self, line: str) -> None:
        if not re.match(r"\s*option\b", line):
            super()._line_received(line)
        elif (option := read_option(line)) is not None:
            self.options.setdefault(option.name, option)
            self.config.setdefault(option.name, option.default)


def read_option(line: str) -> chess.engine.Option | None:
    """Read `option name X type spin default 1 min 0 max 9`; None for one without name or known
    type. A default that is missing or not allowed becomes the nearest that is.
    """
    option = _OPTION_LINE.match(line)
    if option is None:
        return None
    details = option["details"]
    least = _number_after("min", details)
    most = _number_after("max", details)
    text, *choices = re.split(r"(?:^|\s+)var\s+", re.sub(r"^default\b\s*", "", details))
    if not text and choices:
        text = choices[0]
    default: str | int | bool = text
    if option["kind"] == "check":
        default = text.lower() == "true"
    elif option["kind"] == "spin":
        default = _clamped(_number_after("default", details) or 0, least, most)
    all_choices = list(dict.fromkeys([text, *choices]))
    return chess.engine.Option(option["name"], option["kind"], default, least, most, all_choices)


def _number_after(word: str, details: str) -> int | None:
    number = re.search(rf"\b{word}\s+(-?\d+)(?!\S)", details)
    if number is None:
        return None
    return int(number[1])


def _clamped(number: int, least: int | None, most: int | None) -> int:
    if least is not None and most is not None and least > most:
        return number  # No number is within such bounds.
    if least is not None:
        number = max(number, least)
    if most is not None:
        number = min(number, most)
    return number


def driver_of(engine: chess.engine.SimpleEngine) -> TolerantUci:
    """Return the driver of an engine that `engine_process` started."""
    assert isinstance(engine.protocol, TolerantUci)
    return engine.protocol


async def drive(command: list[str], errors: Any, started: "asyncio.Future[Any] | Any") -> None:
    """Start an engine's process, and work for it until it ends. `started` gets the engine."""
    # Whoever waits for an answer hears what went wrong; the loop would also print it of those who
    # wait no more.
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    transport, protocol = await TolerantUci.popen(command, setpgrp=True, stderr=errors)
    engine = chess.engine.SimpleEngine(transport, protocol)
    started.set_result(engine)
    engine.returncode.set_result(await protocol.returncode)
    engine.close()
    await engine.shutdown_event.wait()
