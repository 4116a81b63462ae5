"""The clocks of a game against Aino: minutes and an increment a side."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import chess

from engine.errors import ConfigError
from engine.native.uptime import uptime_s
from engine.search.limits import Limits
from uci.language import _, later

# The PGN headers that say what the clocks of an adjourned game show, as hours:minutes:seconds.
CLOCK_HEADERS = {chess.WHITE: "WhiteClock", chess.BLACK: "BlackClock"}

# Minutes as one types it, seconds in PGN.
TIME_CONTROL = re.compile(r"(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?")
_HEADER = re.compile(r"(\d{1,4}):(\d\d?):(\d\d?(?:\.\d+)?)")
_MOST_MINUTES, _MOST_INCREMENT_S = 1440.0, 3600.0


@dataclass(frozen=True)
class GameTime:
    """Seconds a side for the game, and seconds added after each move."""

    seconds: float
    increment: float

    @property
    def text(self) -> str:
        """As one types it, in minutes: `5+3`."""
        return self._with_increment(self.seconds / 60)

    @property
    def pgn_text(self) -> str:
        """As in the PGN header TimeControl: `300+3`."""
        return self._with_increment(self.seconds)

    def _with_increment(self, time: float) -> str:
        if not self.increment:
            return f"{time:g}"
        return f"{time:g}+{self.increment:g}"


def parse_time_control(text: str) -> GameTime:
    """`5+3` is five minutes and three seconds a move, `10` ten minutes. Raises ConfigError."""
    if typed := TIME_CONTROL.fullmatch(text.strip()):
        minutes, increment = float(typed[1]), float(typed[2] or 0)
        if 0 < minutes <= _MOST_MINUTES and increment <= _MOST_INCREMENT_S:
            return GameTime(60 * minutes, increment)
    sentence = later("clock {text}: expected MINUTES or MINUTES+SECONDS, as in 5+3, at most a day")
    raise ConfigError(_(sentence, text=repr(text)))


def clock_text(seconds: float) -> str:
    """`1:02:03`, `4:05`, or `9.3` in the last ten seconds."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}"


def _header_text(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, round(seconds, 1)), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}"


class GameClock:
    """Two clocks, at most one of which runs. `now` counts seconds, as `uptime_s` does."""

    def __init__(self, control: GameTime, now: Callable[[], float] = uptime_s) -> None:
        self.control = control
        self.now = now
        self._left = {chess.WHITE: control.seconds, chess.BLACK: control.seconds}
        self.running: chess.Color | None = None  # the side whose clock runs, None for neither
        self._since = 0.0

    def start(self, side: chess.Color) -> None:
        """Let a side's clock run, if it does not already."""
        if self.running != side:
            self.running, self._since = side, self.now()

    def stop(self) -> None:
        """End the running side's move: take off its time, and add the increment if any time is
        left.
        """
        if self.running is not None:
            left = self.left(self.running)
            if left > 0:
                left += self.control.increment
            self.set_left(self.running, left)

    def left(self, side: chess.Color) -> float:
        """Seconds left, not above zero once the flag has fallen."""
        if self.running != side:
            return self._left[side]
        return self._left[side] - (self.now() - self._since)

    def set_left(self, side: chess.Color, seconds: float) -> None:
        """Set a side's time and stop both clocks."""
        self._left[side] = seconds
        self.running = None

    def headers(self) -> dict[str, str]:
        """Return what the clocks show, as PGN headers: `{"WhiteClock": "0:04:05.3", ...}`."""
        return {header: _header_text(self.left(side)) for side, header in CLOCK_HEADERS.items()}

    def set_by_headers(self, headers: Mapping[str, str]) -> None:
        """Set the clocks whose headers are there and readable, and stop both."""
        for side, header in CLOCK_HEADERS.items():
            if time := _HEADER.fullmatch(headers.get(header, "")):
                self.set_left(side, 3600 * int(time[1]) + 60 * int(time[2]) + float(time[3]))

    def limits(self) -> Limits:
        """Return what is left and gained, for a search."""
        increment_ms = round(1000 * self.control.increment)
        return Limits(
            white_time_ms=max(1, round(1000 * self.left(chess.WHITE))),
            black_time_ms=max(1, round(1000 * self.left(chess.BLACK))),
            white_increment_ms=increment_ms,
            black_increment_ms=increment_ms,
        )
