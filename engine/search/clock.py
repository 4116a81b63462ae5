"""The clock of one move: the plan of its time, and whether it is over."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import chess

from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.tree import params

NODE_ROUNDING = 1e-6  # Part of a node by which a time that is made of nodes may be off.


@dataclass
class RecentMost:
    """The most milliseconds of the last moves, of which earlier ones count less and less; infinite
    before the first.
    """

    ms: float = math.inf

    def note(self, ms: float | None) -> None:
        """Note those of a move, not below 0; None = they are not known."""
        if ms is None:
            return
        if math.isinf(self.ms):
            self.ms = 0.0
        self.ms = max(0.0, ms, params.LATENESS_MEMORY * self.ms)


@dataclass
class LastMove:
    """The last move that was chosen: its position with the game before, its value there, and what
    its player's clock shows at the next move if nothing is lost on the way.
    """

    board: chess.Board | None = None
    q: float = 0.0
    clock_ms: float | None = None  # None = without a clock.

    def note(self, board: chess.Board, q: float, clock_ms: float | None = None) -> None:
        """Note that a move with this value was chosen, and that so much is then left."""
        self.board = board
        self.q = q
        self.clock_ms = clock_ms

    def is_before(self, board: chess.Board) -> bool:
        """Whether it was the mover's last move in the game of this position."""
        last = self.board
        if last is None or last.move_stack != board.move_stack[:-2] or last.turn != board.turn:
            return False
        return last.root() == board.root()

    def value_before(self, board: chess.Board) -> float | None:
        """Return the value of the mover's move before, for the mover; None where this is another
        game, or its first move.
        """
        return self.q if self.is_before(board) else None

    def lag_ms(self, board: chess.Board, limits: Limits) -> float | None:
        """Return how much of the mover's clock went by outside of its last search; None where it is
        not known, as after a new time control.
        """
        left = limits.clock_ms(board.turn)
        if left is None or self.clock_ms is None or not self.is_before(board):
            return None
        lag = self.clock_ms - left
        # Clocks are told in whole milliseconds.
        return lag if lag > -1.0 else None


class TimePlan(NamedTuple):
    """Time for one move, in milliseconds."""

    # What a move gets whose choice is as hard as most are. None = no plan, only the limit.
    planned_ms: float | None = None
    hard_ms: float = math.inf  # What it gets at most. Infinite = nothing limits it.

    def due_ms(self, doubt: float = math.inf) -> float:
        """When to stop; `doubt` is the multiple of the planned time that the choice deserves
        (`doubt`).
        """
        if self.planned_ms is None:
            return self.hard_ms
        return min(self.hard_ms, doubt * self.planned_ms)


def plan_time(
    limits: Limits,
    board: chess.Board,
    overhead_ms: float,
    late_ms: float = 0.0,
    lag_ms: float = math.inf,
) -> TimePlan:
    """Plan the time for the side to move. A move may lose `overhead_ms` on the way to the GUI, and
    `late_ms` on a machine that was late with the moves before. The moves to come are expected to lose
    no more than the moves before, `lag_ms` (`LastMove.lag_ms`).

    A move that may use up the clock keeps the time by which a busy machine is late, or half of the
    clock.
    """
    left = limits.clock_ms(board.turn)
    movetime = math.inf if limits.movetime_ms is None else limits.movetime_ms
    if left is None:
        return TimePlan(hard_ms=max(params.SHORTEST_THINK_MS, movetime - overhead_ms))
    late_ms = min(late_ms, params.MOST_LATE_SHARE * max(0, left))
    loss_ms = late_ms + min(lag_ms, overhead_ms)
    kept_ms = overhead_ms + late_ms
    if movetime < math.inf:  # How late moves were endangers the clock alone.
        most = min(movetime - overhead_ms, last_ms(left, kept_ms))
        return TimePlan(hard_ms=max(params.SHORTEST_THINK_MS, most))
    return share_of_clock(limits, board, left, kept_ms, loss_ms)


def last_ms(left: int, overhead_ms: float) -> float:
    """Return how much of a clock the last move before a time control may use up."""
    usable = left - overhead_ms
    return min(params.LAST_MOVE_SHARE * usable, usable - min(params.LATE_MS, left / 2))


def share_of_clock(
    limits: Limits, board: chess.Board, left: int, overhead_ms: float, loss_ms: float
) -> TimePlan:
    """Plan a move of a game, by a clock that has to last for more of them, each of which loses
    `loss_ms`.
    """
    increment = limits.increment_ms(board.turn)
    played = board.fullmove_number - 1
    moves = max(params.LEAST_MOVES, params.FIRST_MOVES - params.FEWER_MOVES * played)
    losing = moves if increment > loss_ms else max(moves, params.LONG_RUN_MOVES)
    if limits.moves_to_go is not None and limits.moves_to_go > 0:
        moves = losing = min(limits.moves_to_go, moves)
    spare = left - params.LATE_MS
    for_all = spare + (moves - 1) * increment - losing * loss_ms
    planned = max(for_all / moves, spare / params.LONG_RUN_MOVES)
    if moves > 1:
        most = params.CLOCK_SHARE * (spare - overhead_ms)
        refilled = params.CLOCK_SHARE * (left - overhead_ms)
    else:
        most = refilled = last_ms(left, overhead_ms)
    # What an increment brings back is there to be used, however late the moves before were.
    least = max(params.SHORTEST_THINK_MS, min(params.INCREMENT_SHARE * increment, refilled))
    hard = min(params.HARD_FACTOR * planned, most)
    return TimePlan(max(least, min(planned, hard)), max(least, hard))


class Clock:
    """The clock of one move, in real time.

    `begun` is when it began to run, in seconds of `now`. None = now.
    """

    def __init__(
        self,
        plan: TimePlan,
        begun: float | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.plan = plan
        self._now = now
        self._begun = now() if begun is None else begun

    def restart(self) -> None:
        """Begin now."""
        self._begun = self._now()

    def elapsed_ms(self) -> float:
        """Milliseconds since it began."""
        return (self._now() - self._begun) * 1000.0

    def is_over(self, doubt: float = math.inf) -> bool:
        """Whether to stop; `doubt` as in `TimePlan.due_ms`."""
        return self.elapsed_ms() >= self.plan.due_ms(doubt)

    def left_s(self) -> float:
        """Real seconds left at most."""
        return max(0.0, self.real_s(self.plan.hard_ms - self.elapsed_ms()))

    def real_s(self, ms: float) -> float:
        """Return real seconds that pass in so many milliseconds of this clock."""
        return ms / 1000.0

    def visits_until(self, look_ms: float) -> float:
        """Return after how many visits the clock has to be looked at in order not to miss a time."""
        return math.inf


class NodesClock(Clock):
    """A clock on which `nodes_a_ms` of a search's nodes are a millisecond: no real time passes on
    it, so it is looked at after the same visits on every machine.
    """

    def __init__(self, plan: TimePlan, nodes_a_ms: int, nodes: Callable[[], int]) -> None:
        super().__init__(plan, now=lambda: nodes() / (1000.0 * nodes_a_ms))
        self._nodes_a_ms = nodes_a_ms

    def real_s(self, ms: float) -> float:
        return math.inf

    def visits_until(self, look_ms: float) -> float:
        nodes = self._nodes_a_ms * (look_ms - self.elapsed_ms())
        return max(1, math.ceil(nodes - NODE_ROUNDING))


def new_clock(
    plan: TimePlan,
    options: EngineOptions,
    begun: float | None,
    now: Callable[[], float],
    nodes: Callable[[], int] = int,
) -> Clock:
    """Return the clock that options ask for. One of nodes begins at `nodes`, those of the search;
    before it begins there are none.
    """
    if options.nodes_time:
        return NodesClock(plan, options.nodes_time, nodes)
    return Clock(plan, begun, now)
