"""What a search is given: clocks, nodes, depth, time, and the moves it may choose from."""

from __future__ import annotations

from dataclasses import dataclass

import chess


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
