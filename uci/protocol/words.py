"""The text of UCI: parses commands into values and formats search results as lines, without an
engine; and the one writer that owns stdout in UCI mode, with the log of the conversation.

Reference: the UCI specification of Kahlen and Meyer-Kahlen (2006), and what GUIs require in
practice.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from engine.errors import ConfigError, FenError
from engine.files.output_files import check_earlier
from engine.files.text import decode_line

if TYPE_CHECKING:
    import chess

    from engine.search.result import SearchInfo

# Maps a UCI word to a field of engine.search.limits.Limits. A number of 0 or less means that the
# limit is not given, as in Stockfish, except that time may be used up: `_without_zeros` says when
# that counts.
_NUMBERS: dict[str, str] = {
    "wtime": "white_time_ms",
    "btime": "black_time_ms",
    "winc": "white_increment_ms",
    "binc": "black_increment_ms",
    "movestogo": "moves_to_go",
    "movetime": "movetime_ms",
    "nodes": "nodes",
    "depth": "depth",
    "mate": "mate",
    "perft": "perft",
}
_CLOCKS = ("white_time_ms", "black_time_ms")
_INCREMENTS = ("white_increment_ms", "black_increment_ms")
_FIXED = ("movetime_ms", "nodes", "depth", "mate")  # Limits that hold without a clock.
_MOVE = re.compile(r"([a-hA-H][1-8]){2}[nbrqNBRQ]?")
_QUOTED = re.compile('^"(.*)"$')  # as Windows copies a path
_WITH_RATING = re.compile(r"(people)[ =:]*(\d+)", re.IGNORECASE)
_INT64_MAX = 2**63 - 1
NO_MOVE = "bestmove (none)"
NOTHING_SEARCHED = "info nodes 0 time 0"  # A referee may count nodes for time.


@dataclass(frozen=True)
class PositionCommand:
    """`position`: a FEN (None for the start position) and the moves after it in UCI notation."""

    fen: str | None
    moves: tuple[str, ...]


@dataclass
class GoCommand:
    """`go`: `numbers` by field of Limits; `searchmoves`, None if not given; `problems` to report to
    the GUI.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    infinite: bool = False
    ponder: bool = False
    perft: int | None = None
    searchmoves: tuple[str, ...] | None = None
    problems: list[str] = field(default_factory=list)


# ---- from the GUI --------------------------------------------------------------------------------


def line_text(line: str) -> str:
    """Return a line of which bytes that are not UTF-8, as `os.fsdecode` has them, are
    Windows-1252.
    """
    if line.isascii():
        return line
    return decode_line(os.fsencode(line))


def file_name(value: str) -> str:
    """Return an option's value as the system has it: bytes that are not UTF-8 are the name of a
    file, or of one in a list, that exists; else they are text as in `line_text`.
    """
    if any(map(os.path.lexists, value.split(os.pathsep))):
        return value
    return line_text(value)


def split_command(line: str, commands: Container[str]) -> tuple[str, str]:
    """Command word and the rest; ("", "") if none. Skips unknown words before a known command, as
    UCI requires.
    """
    rest = line.strip()
    while rest:
        # Splits at any white space, because some programs send tabs.
        word, *after = rest.split(maxsplit=1)
        rest = "".join(after)
        if word in commands:
            return word, rest
    return "", ""


def rating_in(value: str) -> tuple[str, str]:
    """Split a value of PlayLike that has a rating, as `people 1400` of `aino play`: `people` and
    `1400`; without one the rating is "".
    """
    level = _WITH_RATING.fullmatch(value)
    if level is None:
        return value, ""
    return level[1], level[2]


def parse_setoption(text: str) -> tuple[str, str | None]:
    """Name and value of `setoption name N [value V]`. Both may contain spaces, and a path stand in
    quotes.

    Raises ConfigError.
    """
    words = text.split()
    if len(words) < 2 or words[0] != "name":
        raise ConfigError(f"setoption: expected 'name NAME [value VALUE]', got {text!r}")
    if "value" not in words[2:]:
        return " ".join(words[1:]), None
    split = words.index("value", 2)
    # The value keeps its inner spaces: it may be a path.
    value = "".join(text.split(maxsplit=split + 1)[split + 1 :]).strip()
    return " ".join(words[1:split]), _QUOTED.sub(r"\1", value)


def parse_position_command(text: str) -> PositionCommand:
    """Parse `startpos [moves ...]` or `fen FEN [moves ...]`. Raises FenError when the text has
    neither.
    """
    words = text.replace('"', " ").split()  # around a FEN
    split = (*words, "moves").index("moves")
    head = words[:split]
    moves = tuple(words[split + 1 :])
    if head == ["startpos"]:
        return PositionCommand(None, moves)
    if head[:1] == ["fen"] and len(head) > 1:
        if any(map(_MOVE.fullmatch, head[5:])):
            raise FenError(f"position: expected the word 'moves' before moves, got {text[:200]!r}")
        return PositionCommand(" ".join(head[1:]), moves)
    raise FenError(f"position: expected 'startpos' or 'fen FEN', got {text!r}")


def parse_go(text: str) -> GoCommand:
    """Parse every form of `go`. Skip unreadable words and list them in `problems`. No bound means
    infinite.
    """
    command = GoCommand()
    words = deque(text.split())
    while words:
        word = words.popleft()
        if word in _NUMBERS:
            _take_number(command, word, words)
        elif word == "infinite":
            command.infinite = True
        elif word == "ponder":
            command.ponder = True
        elif word == "searchmoves":
            moves = []
            while words and words[0] not in (*_NUMBERS, "infinite", "ponder"):
                moves.append(words.popleft())
            command.searchmoves = tuple(moves) or None
        else:
            command.problems.append(f"go: unknown word {word!r}")
    command.perft = command.numbers.pop("perft", None)
    if command.perft is not None and command.perft < 0:
        command.perft = None
    command.numbers = _without_zeros(command.numbers, command.infinite)
    if not command.numbers.keys() & {*_CLOCKS, *_FIXED}:
        command.infinite = True
    return command


def _without_zeros(numbers: dict[str, int], infinite: bool) -> dict[str, int]:
    """Return the numbers of a `go` without those of 0 or less, which some programs send for "not
    given".

    A side without time left still wants a move, at once: so clocks of 0 count unless both are 0 and
    something else limits the search, negative clocks always do, and a negative `movetime` does
    where nothing else limits the search.
    """
    limits = {name: number for name, number in numbers.items() if number > 0}
    limits |= {name: 0 for name in _INCREMENTS if numbers.get(name, 1) <= 0}
    clocks = {name: numbers[name] for name in _CLOCKS if name in numbers}
    if any(clocks.values()) or not (infinite or limits.keys() & set(_FIXED)):
        limits |= clocks
    if numbers.get("movetime_ms", 0) < 0 and not (infinite or limits.keys() & {*_CLOCKS, *_FIXED}):
        limits["movetime_ms"] = numbers["movetime_ms"]
    return limits


def _take_number(command: GoCommand, word: str, following: deque[str]) -> None:
    """Take the number after `word` from what follows, into `command`."""
    if not following:
        command.problems.append(f"go: {word} without a number")
        return
    number = following[0]
    try:
        value = math.ceil(float(number)) if "." in number else int(number)
        command.numbers[_NUMBERS[word]] = max(-_INT64_MAX, min(value, _INT64_MAX))
    except (ValueError, OverflowError):
        command.problems.append(f"go: {word} wants a number, got {number!r}")
    if number not in _NUMBERS:
        following.popleft()


# ---- to the GUI ----------------------------------------------------------------------------------


def format_info(info: SearchInfo, board: chess.Board, show_wdl: bool = False) -> str:
    """One `info` line with score and principal variation. `board`, the searched position, sets
    castling notation.
    """
    score = f"cp {info.score_cp}"
    if info.score_mate is not None:
        score = f"mate {info.score_mate}"
    line = f"info depth {info.depth} seldepth {info.seldepth} multipv {info.multipv} score {score}"
    if show_wdl:
        line += " wdl {} {} {}".format(*info.wdl)
    line += f" nodes {info.nodes} nps {info.nps} hashfull {info.hashfull} tbhits {info.tbhits}"
    line += f" time {info.time_ms}"
    if info.pv:
        line += f" pv {' '.join(format_moves(info.pv, board))}"
    return line


def format_current_move(info: SearchInfo, board: chess.Board) -> str:
    """Return the `info` line that names the root move being searched."""
    assert info.current_move is not None
    return f"info depth {info.depth} currmove {board.uci(info.current_move)} currmovenumber {info.current_number}"


def format_moves(moves: Iterable[chess.Move], board: chess.Board) -> list[str]:
    """Return the moves of a line in UCI notation. Castling is e1g1, or king takes rook on a
    Chess960 board.
    """
    board = board.copy(stack=False)
    texts = []
    for move in moves:
        texts.append(board.uci(move))
        board.push(move)
    return texts


# ---- the writer ----------------------------------------------------------------------------------


def info_string(message: str) -> str:
    """Return a message as one UCI line, even if it contains line breaks."""
    return "info string " + " ".join(message.split())


class Writer:
    """Writes and flushes whole lines under a lock, so that lines of different threads never mix.
    The log has a lock of its own: a GUI that does not read keeps a writing thread waiting, and no
    other.

    A broken pipe sets `closed`. Later lines are dropped, because no reader is left.
    """

    def __init__(self, stream: TextIO) -> None:
        self.closed = False
        self._stream = stream
        self._lock, self._log_lock = threading.Lock(), threading.Lock()
        self._log: TextIO | None = None

    def line(self, *lines: str) -> None:
        """Write the lines together. No other thread's line comes between them."""
        with self._lock:
            for line in lines:
                self._record("<<", line)
            if self.closed:
                return
            try:
                self._stream.write("\n".join([*lines, ""]))
                self._stream.flush()
            except (OSError, ValueError):  # a closed stream raises ValueError
                self.closed = True

    def info(self, message: str) -> None:
        self.line(info_string(message))

    def received(self, line: str) -> None:
        """Add a line from the GUI to the log."""
        self._record(">>", line)

    def log_to(self, path: str) -> None:
        """Append the conversation to a file from now on; an empty path ends the log. Raises OSError
        and ConfigError.
        """
        file = Path(os.path.expanduser(path))
        check_earlier(
            file,
            lambda stream: re.match(rb"\d\d:\d\d:\d\d [<>]", stream.read(10)),
            "a log of Aino's",
        )
        log: TextIO | None = None
        if path:
            log = file.open("a", encoding="utf-8", errors="replace", buffering=1)
        with self._log_lock:
            if self._log is not None:
                self._log.close()
            self._log = log

    def _record(self, direction: str, line: str) -> None:
        with self._log_lock:
            if self._log is None:
                return
            try:
                self._log.write(f"{time.strftime('%H:%M:%S')} {direction} {line}\n")
            except OSError:  # a full disk ends the log, not the game
                self._log = None
