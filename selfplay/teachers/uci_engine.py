"""A UCI engine that scores the best moves of positions. Parses lines as text, thousands per second."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.errors import AinoError, ConfigError
from selfplay.records.targets import MATE_SCORE_CP

__all__ = ["EngineDied", "UciEngine", "parse_info"]

LARGEST_SCORE = 30_000  # largest score in centipawns that is not a mate
START_TIMEOUT_S = 300.0  # limit for the first `uci` and `isready`, as kernels may have to be compiled
QUIT_TIMEOUT_S = 2.0


class EngineDied(AinoError):
    """The engine exited, or was stopped because it did not answer."""


@dataclass(frozen=True)
class Info:
    """One exact line of a search: its rank (1 = best), first move, and centipawns from the side to move."""

    rank: int
    move: str
    score_cp: int


def parse_info(line: str) -> Info | None:
    """Parse what labels need of an `info` line; None without an exact score and a move."""
    words = line.split()
    try:
        place = words.index("score")
        kind, value, bound = words[place + 1], int(words[place + 2]), words[place + 3 : place + 4]
        move = words[words.index("pv", place) + 1]
        rank = int(words[words.index("multipv") + 1]) if "multipv" in words else 1
    except (ValueError, IndexError):
        return None
    if kind not in ("cp", "mate") or bound in (["lowerbound"], ["upperbound"]):
        return None
    if kind == "mate":
        score = MATE_SCORE_CP - value if value > 0 else -MATE_SCORE_CP - value
    else:
        score = max(-LARGEST_SCORE, min(LARGEST_SCORE, value))
    return Info(rank, move, score)


@dataclass
class UciEngine:
    """A running engine. One thread at a time may use it; `close` ends it.

    Raises ConfigError if the engine does not start, EngineDied if it later exits or does not answer in time.
    """

    command: Sequence[str]
    options: Sequence[tuple[str, str]] = ()
    multipv: int = 5
    nodes: int = 3_000
    timeout_s: float = 60.0
    _process: subprocess.Popen[str] = field(init=False, repr=False)
    _known: set[str] = field(init=False, repr=False)  # names of the engine's options, in lower case

    def __post_init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                list(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, bufsize=1, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise ConfigError(f"{' '.join(self.command)!r} does not start: {error}") from error
        try:
            self._start()
        except EngineDied as error:
            self.close()
            raise ConfigError(f"{' '.join(self.command)!r} is no UCI engine: {error}") from error
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        """Shake hands and set the options."""
        lines = self._ask("uci", "uciok", START_TIMEOUT_S)
        names = [line.split(" name ", 1)[1] for line in lines if line.startswith("option name ")]
        self._known = {name.split(" type ")[0].strip().lower() for name in names}
        wanted = (*self.options, ("MultiPV", str(self.multipv))) if self.multipv > 1 else self.options
        for name, value in wanted:
            if name.lower() not in self._known:
                raise ConfigError(f"{' '.join(self.command)!r} has no UCI option {name!r}")
            self._send(f"setoption name {name} value {value}")
        self._ask("isready", "readyok", START_TIMEOUT_S)

    def new_game(self, chess960: bool) -> None:
        """Tell the engine that positions of a new game follow."""
        if "uci_chess960" in self._known:
            self._send(f"setoption name UCI_Chess960 value {'true' if chess960 else 'false'}")
        self._send("ucinewgame")
        self._ask("isready", "readyok", START_TIMEOUT_S)

    def labels(self, fen: str, moves: Sequence[str]) -> list[tuple[str, int]]:
        """(move, centipawns from the side to move), best first, of the position after `moves`; empty if no legal move.

        Uses the engine's last line of every rank. A move named twice keeps its better rank.
        """
        self._send(f"position fen {fen}" + (f" moves {' '.join(moves)}" if moves else ""))
        lines: dict[int, Info] = {}
        for line in self._ask(f"go nodes {self.nodes}", "bestmove", self.timeout_s):
            if line.startswith("info ") and (info := parse_info(line)) is not None:
                lines[info.rank] = info
        scores: dict[str, int] = {}
        for rank in sorted(lines)[: self.multipv]:
            scores.setdefault(lines[rank].move, lines[rank].score_cp)
        return sorted(scores.items(), key=lambda item: -item[1])

    def close(self) -> None:
        """Quit the engine, or kill it if it does not exit."""
        with contextlib.suppress(EngineDied):
            self._send("quit")
        try:
            self._process.wait(QUIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
        except (OSError, ValueError) as error:
            raise EngineDied(f"it ended with status {self._process.poll()}") from error

    def _ask(self, line: str, last: str, timeout_s: float) -> list[str]:
        """Send a line; return the answer up to the line that begins with `last`."""
        assert self._process.stdout is not None
        watchdog = threading.Timer(timeout_s, self._process.kill)
        watchdog.start()
        answer = []
        try:
            self._send(line)
            while text := self._process.stdout.readline():
                answer.append(text.strip())
                if text.split(maxsplit=1)[:1] == [last]:
                    return answer
        finally:
            watchdog.cancel()
        raise EngineDied(f"no {last!r} to {line!r} within {timeout_s:g} s: it ended, or was ended")
