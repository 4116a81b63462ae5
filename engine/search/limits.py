"""What a search may use: its limits, and its clock.

Knows neither the tree nor the kernels, so that a command line can read limits without loading them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import chess

from engine.search.tree.params import (
    CLOCK_SHARE,
    EXPECTED_MOVES,
    HARD_FACTOR,
    LAST_MOVE_SHARE,
    LONG_RUN_MOVES,
    RESERVE_OVERHEADS,
    SHORTEST_THINK_MS,
    SPARE_OVERHEADS,
)


@dataclass(frozen=True)
class Limits:
    """Limits of one search, as in UCI `go`. None = not given. Without any limit the search runs until it is stopped.

    With a clock, movetime, nodes, depth or mate of 0 or less it ends at once; moves to go and increments of 0 or less
    count as not given.
    """

    white_time_ms: int | None = None
    black_time_ms: int | None = None
    white_increment_ms: int = 0
    black_increment_ms: int = 0
    moves_to_go: int | None = None
    movetime_ms: int | None = None
    nodes: int | None = None  # Visits of the root, those kept from earlier searches included.
    depth: int | None = None  # Stop at this rounded mean depth of the descents in plies, or when the tree is full.
    mate: int | None = None  # Stop at a proven mate in this many moves.
    infinite: bool = False  # Hold the result back until `stop`.
    ponder: bool = False  # Hold the result back until `stop` or `ponderhit`, which starts the clock.
    searchmoves: tuple[chess.Move, ...] = ()

    def clock_ms(self, white: bool) -> int | None:
        """Milliseconds left on the mover's clock, or on the only clock that is given. None = no clock."""
        own, other = self.white_time_ms, self.black_time_ms
        if not white:
            own, other = other, own
        return own if own is not None else other

    def increment_ms(self, white: bool) -> int:
        """Milliseconds that the clock of `clock_ms` gains with every move."""
        own_clock = self.white_time_ms if white else self.black_time_ms
        if own_clock is None and self.clock_ms(white) is not None:
            white = not white
        return max(0, self.white_increment_ms if white else self.black_increment_ms)

    @property
    def is_timed(self) -> bool:
        """Whether a clock or a fixed time limits the search."""
        return self.movetime_ms is not None or self.clock_ms(True) is not None


@dataclass
class Clock:
    """Time for one move. The limits, in milliseconds, are None where nothing limits the time."""

    planned_ms: float | None  # What a move gets whose choice is as hard as most are. None = no plan, only the limit.
    hard_ms: float | None  # What it gets at most.
    started: float  # When the clock began to run, in seconds of time.perf_counter.

    @classmethod
    def start(cls, limits: Limits, white: bool, overhead_ms: float, begun: float | None = None) -> Clock:
        """Plan the time for the side to move; every move loses `overhead_ms` on the way to the GUI.

        `begun` is when the clock began to run (seconds of time.perf_counter). None = now.
        """
        now = time.perf_counter() if begun is None else begun
        left = limits.clock_ms(white)
        if limits.movetime_ms is not None:
            most = limits.movetime_ms if left is None else min(limits.movetime_ms, left)
            return cls(None, max(SHORTEST_THINK_MS, most - overhead_ms), now)
        if left is None:
            return cls(None, None, now)
        usable = max(SHORTEST_THINK_MS, left - overhead_ms)
        to_go = limits.moves_to_go or 0
        moves = min(to_go, EXPECTED_MOVES) if to_go > 0 else EXPECTED_MOVES
        for_all = left + (moves - 1) * limits.increment_ms(white) - (moves + SPARE_OVERHEADS) * overhead_ms
        planned = max(for_all / moves, (left - RESERVE_OVERHEADS * overhead_ms) / LONG_RUN_MOVES)
        hard = min(HARD_FACTOR * planned, usable * (CLOCK_SHARE if moves > 1 else LAST_MOVE_SHARE))
        return cls(max(SHORTEST_THINK_MS, min(planned, hard)), max(SHORTEST_THINK_MS, hard), now)

    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return (time.perf_counter() - self.started) * 1000.0

    def is_over(self, doubt: float = float("inf")) -> bool:
        """Whether to stop; `doubt` is the multiple of the planned time that the choice deserves (`driver.doubt`)."""
        if self.hard_ms is None:
            return False
        share = self.hard_ms if self.planned_ms is None else min(self.hard_ms, doubt * self.planned_ms)
        return self.elapsed_ms() >= share
