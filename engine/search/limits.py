"""What a search may use.

Knows neither the tree nor the kernels, so that a command line can read limits without loading them.
"""

from dataclasses import dataclass

import chess


@dataclass(frozen=True)
class Limits:
    """Limits of one search, as in UCI `go`. None = not given. Without any limit the search runs
    until it is stopped.

    With a clock, movetime, nodes, depth or mate of 0 or less it ends at once; moves to go and
    increments of 0 or less count as not given.
    """

    white_time_ms: int | None = None
    black_time_ms: int | None = None
    white_increment_ms: int = 0
    black_increment_ms: int = 0
    moves_to_go: int | None = None
    movetime_ms: int | None = None
    nodes: int | None = None  # Visits of the root, those kept from earlier searches included.
    # Stop at this rounded mean depth of descents in plies, or when the tree grows no more.
    depth: int | None = None
    mate: int | None = None  # Stop at a mate in this many moves.
    infinite: bool = False  # Hold the result back until `stop`.
    # Hold the result back until `stop` or `ponderhit`, which starts the clock.
    ponder: bool = False
    searchmoves: tuple[chess.Move, ...] = ()

    def clock_ms(self, white: bool) -> int | None:
        """Milliseconds left on the mover's clock, or on the only clock that is given. None = no
        clock.
        """
        own, opponents = self.white_time_ms, self.black_time_ms
        if not white:
            own, opponents = opponents, own
        return own if own is not None else opponents

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
