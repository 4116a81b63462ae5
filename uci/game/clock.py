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
        return f"{self.seconds / 60:g}" + (f"+{self.increment:g}" if self.increment else "")

    @property
    def pgn_text(self) -> str:
        """As in the PGN header TimeControl: `300+3`."""
        return f"{self.seconds:g}" + (f"+{self.increment:g}" if self.increment else "")


def parse_time_control(text: str) -> GameTime:
    """`5+3` is five minutes and three seconds a move, `10` ten minutes. Raises ConfigError."""
    match = TIME_CONTROL.fullmatch(text.strip())
    if (
        match is None
        or not 0 < float(match[1]) <= _MOST_MINUTES
        or float(match[2] or 0) > _MOST_INCREMENT_S
    ):
        sentence = later(
            "clock {text}: expected MINUTES or MINUTES+SECONDS, as in 5+3, at most a day"
        )
        raise ConfigError(_(sentence, text=repr(text)))
    return GameTime(60 * float(match[1]), float(match[2] or 0))


def clock_text(seconds: float) -> str:
    """`1:02:03`, `4:05`, or `9.3` in the last ten seconds."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


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
            self._left[self.running] = left + (self.control.increment if left > 0 else 0.0)
            self.running = None

    def left(self, side: chess.Color) -> float:
        """Seconds left, not above zero once the flag has fallen."""
        return self._left[side] - (self.now() - self._since if self.running == side else 0.0)

    def set_left(self, side: chess.Color, seconds: float) -> None:
        """Set a side's time and stop both clocks, after a takeback."""
        self._left[side] = seconds
        self.running = None

    def headers(self) -> dict[str, str]:
        """Return what the clocks show, as PGN headers: `{"WhiteClock": "0:04:05.3", ...}`."""
        return {header: _header_text(self.left(side)) for side, header in CLOCK_HEADERS.items()}

    def set_by_headers(self, headers: Mapping[str, str]) -> None:
        """Set the clocks whose headers are there and readable, and stop both."""
        for side, header in CLOCK_HEADERS.items():
            match = _HEADER.fullmatch(headers.get(header, ""))
            if match is not None:
                self.set_left(side, 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]))

    def limits(self) -> Limits:
        """Return what is left and gained, for a search."""
        return Limits(
            white_time_ms=max(1, round(1000 * self.left(chess.WHITE))),
            black_time_ms=max(1, round(1000 * self.left(chess.BLACK))),
            white_increment_ms=round(1000 * self.control.increment),
            black_increment_ms=round(1000 * self.control.increment),
        )
