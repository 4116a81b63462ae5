"""The limit on an engine's thinking in a match: a clock, a time per move, or a number of nodes."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Any

import chess
import chess.engine

from engine.errors import ConfigError

# Nodes after which an engine looks at its clock again: at most, in Stockfish. Set by hand.
NODES_BETWEEN_LOOKS = 1024
SLOWEST = 100.0  # a busy machine's seconds to a second in nodes, before an engine counts as hung


@dataclass(frozen=True)
class TimeControl:
    """A clock (`base_s`, `increment_s`) or a time per move (`movetime_s`); `nodes` alone or with
    either.

    Times are in seconds, and 0 means no such limit. `margin_s` is the referee's tolerance for its
    own overhead. With `nodes_per_ms`, time is virtual: a millisecond is over when the engine has
    searched so many nodes, so that no busy machine takes time from it. Raises ConfigError for
    negative numbers, for a clock together with a time per move, for virtual time without a limit of
    time, and when nothing limits the engine.
    """

    base_s: float = 0.0
    increment_s: float = 0.0
    margin_s: float = 0.0
    movetime_s: float = 0.0
    nodes: int = 0
    nodes_per_ms: int = 0

    def __post_init__(self) -> None:
        values = astuple(self)
        if not all(0 <= value < float("inf") for value in values):
            raise ConfigError(f"expected finite numbers, none negative, got {values}")
        if bool(self.base_s) + bool(self.movetime_s) == 2 or (self.increment_s and not self.base_s):
            raise ConfigError("expected a clock with a positive base, or a time for each move")
        if not (self.is_timed or self.nodes):
            raise ConfigError(
                "expected a clock with a positive base, a time for each move, or nodes"
            )
        if self.nodes_per_ms and not self.is_timed:
            raise ConfigError("time in nodes needs a clock, or a time for each move")

    @classmethod
    def parse(cls, text: str, margin_ms: float = 0.0) -> TimeControl:
        """Parse "BASE+INCREMENT" in seconds, such as 1+0.1. Raises ConfigError for another form."""
        try:
            base, _, increment = text.partition("+")
            return cls(float(base), float(increment or 0.0), margin_ms / 1000.0)
        except ConfigError as error:
            raise ConfigError(f"time control {text!r}: {error}") from error
        except ValueError as error:
            raise ConfigError(
                f"time control {text!r}: expected BASE+INCREMENT in seconds, such as 1+0.1"
            ) from error

    @classmethod
    def of(
        cls, clock: str | None, movetime_s: str | None, nodes: str | None, margin_ms: float = 0.0
    ) -> TimeControl | None:
        """Build from command-line words; None when all are missing. Raises ConfigError for unusable
        values.
        """
        if clock is movetime_s is nodes is None:
            return None
        limits: dict[str, Any] = {}
        try:
            if movetime_s is not None:
                limits["movetime_s"] = float(movetime_s)
            if nodes is not None:
                limits["nodes"] = int(nodes)
        except ValueError as error:
            raise ConfigError(
                f"expected seconds a move and a whole number of nodes: {error}"
            ) from error
        if clock is not None:
            return replace(cls.parse(clock, margin_ms), **limits)
        return cls(margin_s=margin_ms / 1000.0, **limits)

    def __str__(self) -> str:
        words = []
        if self.base_s:
            words.append(f"{self.base_s:g}+{self.increment_s:g}")
        if self.movetime_s:
            words.append(f"{self.movetime_s:g} s a move")
        if self.nodes:
            words.append(f"{self.nodes:,} nodes a move")
        if self.nodes_per_ms:
            words.append(f"{self.nodes_per_ms:,} nodes a ms")
        return ", ".join(words)

    @property
    def tolerance_s(self) -> float:
        """Seconds by which a move may be late: the referee's own overhead, and in virtual time the
        nodes between two of an engine's looks at its clock.
        """
        if not self.nodes_per_ms:
            return self.margin_s
        return self.margin_s + self.used_s(0.0, NODES_BETWEEN_LOOKS)

    @property
    def is_timed(self) -> bool:
        """Whether a clock, or a time for each move, limits the engine."""
        return bool(self.base_s or self.movetime_s)

    def allowed_s(self, clock_s: float) -> float | None:
        """Seconds the next move may take with `clock_s` seconds left; None when only nodes limit
        the engine.
        """
        if self.base_s:
            return clock_s
        return self.movetime_s or None

    def used_s(self, measured_s: float, nodes: int) -> float:
        """Seconds that a move takes off the clock, for which the engine has searched `nodes`."""
        if self.nodes_per_ms:
            return nodes / (1000.0 * self.nodes_per_ms)
        return measured_s

    def patience_s(self, clock_s: float, late_s: float) -> float:
        """Seconds to wait for an answer, of which `late_s` are the referee's patience."""
        allowed_s = self.allowed_s(clock_s) or 0.0
        if self.nodes_per_ms:
            allowed_s *= SLOWEST
        return late_s + allowed_s

    def limit(
        self, clock_s: float, opponent: TimeControl, opponent_clock_s: float, turn: chess.Color
    ) -> chess.engine.Limit:
        """Return the limits sent to the side to move. An opponent without a clock is shown with
        this engine's clock.
        """
        limit = chess.engine.Limit(time=self.movetime_s or None, nodes=self.nodes or None)
        if not self.base_s:
            return limit
        own = white = black = clock_s, self.increment_s
        if opponent.base_s:
            black = opponent_clock_s, opponent.increment_s
        if turn == chess.BLACK:
            white, black = black, own
        limit.white_clock, limit.white_inc = white
        limit.black_clock, limit.black_inc = black
        return limit
