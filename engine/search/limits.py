"""What a search may use: its limits, the two words others may say to it, and its clock.

Knows neither the tree nor the kernels, so that a command line can read limits without loading them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import chess

__all__ = ["Clock", "Limits", "SearchControl"]

EXPECTED_MOVES = 26  # moves a game still lasts, when nobody says
SPARE_OVERHEADS = 2  # kept back beside one overhead a move
LONG_RUN_MOVES = 60  # by increments alone a game lasts on: so many moves share what is left
RESERVE_OVERHEADS = 6  # which a clock is not run below, for a machine that is late now and then
HARD_FACTOR = 3.0  # at most so many times the planned time, while the best move is in doubt
CLOCK_SHARE = 0.4  # and never more than this share of what is left
LAST_MOVE_SHARE = 0.9  # of what is left, on the last move before the next time control
SHORTEST_MS = 1.0


@dataclass(frozen=True)
class Limits:
    """Limits of one search, as in UCI `go`; None means not given. Without any limit the search runs until stopped."""

    white_time_ms: int | None = None
    black_time_ms: int | None = None
    white_increment_ms: int = 0
    black_increment_ms: int = 0
    moves_to_go: int | None = None
    movetime_ms: int | None = None
    nodes: int | None = None  # visits of the root, those kept from earlier searches included
    depth: int | None = None  # mean depth of the descents, rounded, as `info depth` shows it; or the tree is full
    mate: int | None = None  # stop at a proven mate in so many moves
    infinite: bool = False  # hold the result back until stop
    ponder: bool = False  # hold the result back until stop or ponderhit; the clock starts at ponderhit
    searchmoves: tuple[chess.Move, ...] = ()

    def clock_ms(self, white: bool) -> int | None:
        """Time left of the side to move; where only the other side's clock is given, that one."""
        own, other = self.white_time_ms, self.black_time_ms
        if not white:
            own, other = other, own
        return own if own is not None else other

    def increment_ms(self, white: bool) -> int:
        """Increment of the side to move, or of the other one with its clock."""
        own_clock = self.white_time_ms if white else self.black_time_ms
        if own_clock is None and self.clock_ms(white) is not None:
            white = not white
        return self.white_increment_ms if white else self.black_increment_ms

    @property
    def is_timed(self) -> bool:
        """Whether a clock or a fixed time limits the search."""
        return self.movetime_ms is not None or self.clock_ms(True) is not None


class SearchControl:
    """Belongs to one search. Safe from any thread, also before the search has begun."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._ponderhit = threading.Event()

    def stop(self) -> None:
        """End the search at the next opportunity."""
        self._stop.set()
        self._ponderhit.set()

    def ponderhit(self) -> None:
        """The opponent has played the expected move: the clock starts now."""
        self._ponderhit.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    @property
    def pondering(self) -> bool:
        """Whether neither `ponderhit` nor `stop` was called."""
        return not self._ponderhit.is_set()

    def wait_stop(self) -> None:
        """Block until `stop`."""
        self._stop.wait()

    def wait_ponderhit(self) -> None:
        """Block until `ponderhit` or `stop`."""
        self._ponderhit.wait()


@dataclass
class Clock:
    """Time for one move. ``planned_ms`` and ``hard_ms`` are None where nothing limits the time."""

    planned_ms: float | None
    hard_ms: float | None
    started: float  # time.monotonic seconds

    @classmethod
    def start(
        cls, limits: Limits, white: bool, overhead_ms: float, saved_ms: float = 0.0, begun: float | None = None
    ) -> Clock:
        """Plan the time for the side to move; every move loses ``overhead_ms`` on the way to the GUI.

        ``saved_ms``: what earlier moves left over of their plans is for this move, not for all that follow. ``begun``
        is when the clock began to run (time.monotonic seconds), now where not given.
        """
        now = time.monotonic() if begun is None else begun
        if limits.movetime_ms is not None:
            fixed = max(SHORTEST_MS, limits.movetime_ms - overhead_ms)
            return cls(fixed, fixed, now)
        left = limits.clock_ms(white)
        if left is None:
            return cls(None, None, now)
        usable = max(SHORTEST_MS, left - overhead_ms)
        saved = min(saved_ms, usable / 2)
        moves = min(max(limits.moves_to_go or EXPECTED_MOVES, 1), EXPECTED_MOVES)
        for_all = left + (moves - 1) * limits.increment_ms(white) - (moves + SPARE_OVERHEADS) * overhead_ms
        planned = max((for_all - saved) / moves + saved, (left - RESERVE_OVERHEADS * overhead_ms) / LONG_RUN_MOVES)
        hard = min(HARD_FACTOR * planned, usable * (CLOCK_SHARE if moves > 1 else LAST_MOVE_SHARE))
        return cls(max(SHORTEST_MS, min(planned, hard)), max(SHORTEST_MS, hard), now)

    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return (time.monotonic() - self.started) * 1000.0

    def is_over(self, settled: bool) -> bool:
        """Whether to stop; ``settled`` says that the most visited move is also the best valued one."""
        return self.rest_ms(settled) <= 0.0

    def rest_ms(self, settled: bool) -> float:
        """Milliseconds until `is_over`, infinite where nothing limits the time."""
        if self.planned_ms is None or self.hard_ms is None:
            return float("inf")
        return (self.planned_ms if settled else self.hard_ms) - self.elapsed_ms()

    def unused_ms(self) -> float:
        """What is left of the plan, at least 0."""
        return max(0.0, self.rest_ms(settled=True)) if self.planned_ms is not None else 0.0
