"""`aino uci`: a conversation with a GUI on stdin and stdout."""

import argparse
import contextlib
import io
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO

from engine.cli.option_forms import add_flags, changes, load_toml, options_from_flags
from engine.errors import ConfigError
from engine.files.text import decode_line
from engine.files.user_folder import user_folder
from engine.options import EngineOptions
from uci import __version__
from uci.protocol.session import Session
from uci.protocol.words import Writer

LONGEST_LINE = 1 << 22  # bytes; a game of 10,000 moves takes 100,000
MOST_WAITING = 1_000  # that wait for the session; more stay in the pipe
TOGETHER_S = 0.2  # a command that follows another within this time was sent with it; set by hand
# On Windows no signal ends a wait, and Ctrl-C has to.
_POLL_S = None if os.name == "posix" else 0.1
# Around lines: the marks with which .NET's streams begin in UTF-8 and UTF-16.
NO_TEXT = "\ufeff\xff\xfe\udcff\udcfe\r\n"

# What a person sees who starts the engine in a terminal; a GUI does not get it.
GREETING = f"Aino {__version__}, UCI engine; for a game: aino play (help lists the commands here, quit leaves)"
EXAMPLES = """
In a chess program (Cute Chess, Arena, En Croissant, Nibbler ...) give the full path of this `aino` as the engine's
command; it needs no arguments. A flag of the engine options sets the default of the UCI option of the same name.

examples:
  aino                                      what a GUI starts; type `uci` to see the options, `quit` to leave
  aino uci --threads 2 --log-file talk.txt  also writes the conversation to a file
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flags(parser)
    parser.usage = "aino [uci] [options]"
    parser.epilog = EXAMPLES
    if place := default_config():
        note = f"Without --config the options are read from {place}, if it exists.\n"
        parser.epilog = note + EXAMPLES


def run(arguments: argparse.Namespace) -> NoReturn:
    """Serve until `quit` or the end of input, then end the process.

    All other printing goes to stderr, because stdout belongs to UCI.
    """
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    writer = Writer(_own_stdout())
    base = EngineOptions()
    place = default_config()
    if arguments.config is None and place and place.is_file():
        try:
            base = load_toml(place)
        except ConfigError as error:  # A GUI does not show stderr.
            writer.info(f"{error}; ignoring the file")
    options = options_from_flags(arguments, base)
    if is_terminal:
        writer.line(GREETING)
    with contextlib.redirect_stdout(sys.stderr):
        session = Session(writer, options, demanded=changes(base, options))
        commands = CommandsAhead(sys.stdin.buffer, session, lambda: os._exit(0))
        status = session.run(commands)
    if session.refusal:
        print(f"aino uci: {session.refusal}", file=sys.stderr)
    _leave(status)


def _own_stdout() -> TextIO:
    """Stdout for UCI alone. What C libraries and other processes print there, such as those of
    somebody's evaluator, goes to stderr like all other printing.

    GUIs read UTF-8 whatever the console's encoding, and an invalid character must not end the game.
    """
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return sys.stdout
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        own = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):  # There is no stderr.
        return sys.stdout
    return os.fdopen(own, "w", encoding="utf-8", errors="backslashreplace")


def _leave(status: int) -> NoReturn:
    """End the process without shutting the interpreter down. With all kernels loaded, a shutdown
    takes longer than GUIs wait, and all output is written by now.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the reader is gone
            stream.flush()
    os._exit(status)


def default_config() -> Path | None:
    """Return the user's file of `aino uci` options: aino/aino.toml in the system's folder for
    settings, if any.
    """
    folder = user_folder("config")
    return folder and folder / "aino" / "aino.toml"


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """Yield lines as they arrive, in UTF-8 or UTF-16, other bytes as in the names of files
    (`words.line_text` makes text of them). Of one too long for any command that can be carried out,
    such as a `position`, yield the first word and why there is no more: so it is answered, and
    refused.
    """
    decode = os.fsdecode if os.name == "posix" else decode_line
    while line := stream.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield decode(line.replace(b"\0", b"")).strip(NO_TEXT)
            continue
        word = decode_line(line[:20]).partition(" ")[0]
        while line and not line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE)
        yield f"{word} (a line of more than {LONGEST_LINE} bytes)"


class CommandsAhead:
    """The lines of a stream, read ahead on a thread of its own: so `stop` and `quit` are heard
    while the session works on another command, as loading the engine or writing to a GUI that does
    not read.

    `leave` ends the process at once, at `quit` or where the GUI is gone. What comes together, as
    from a script, is still carried out in order.
    """

    def __init__(self, stream: BinaryIO, session: Session, leave: Callable[[], object]) -> None:
        self._session, self._leave = session, leave
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._taken_s = math.inf  # when the command was taken that is worked on
        threading.Thread(target=self._read, args=(stream,), name="commands", daemon=True).start()

    def _read(self, stream: BinaryIO) -> None:
        for line in chain(read_lines(stream), [None]):
            word = "quit"
            if line is not None:
                word = line.strip()
            if word in ("quit", "stop"):
                self._session.stop()
            if word == "quit" and time.perf_counter() - self._taken_s > TOGETHER_S:
                self._leave()
            self._lines.put(line)

    def __iter__(self) -> Iterator[str]:
        while (line := self._next()) is not None:
            self._taken_s = time.perf_counter()
            yield line
            self._taken_s = math.inf

    def _next(self) -> str | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=_POLL_S)
