"""What follows from board, limits and options: whether a game is played, which root moves are
searched, and which move is played: the best one, one drawn by visits for variety, a weaker one on
purpose (`levels`), or one from an opening book (`book`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import chess
import numpy as np

from engine.evaluation.tablebase import DRAWN_RANK, Rank, good_moves, has_repeated
from engine.options import EngineOptions
from engine.search.clock import Clock, LastMove, RecentMost, TimePlan, new_clock, plan_time
from engine.search.job import SearchJob
from engine.search.levels import (
    FINISHING_PLIES,
    FINISHING_SLACK,
    StrengthPlan,
    finishes,
    finishing_plan,
    plan_for,
    without_repetition,
)
from engine.search.like_people import PeoplePlan, people_plan
from engine.search.limits import Limits
from engine.search.result import OnInfo, SearchResult, win_minus_loss
from engine.search.tree.params import LC0
from engine.search.tree.root import Root
from engine.tactics.solved_endings import LONG

if TYPE_CHECKING:
    from engine.network.people.people_policy import PeoplePolicy
    from engine.search.book import PolyglotBook

LOOKING_UP_MS = 500  # Least milliseconds of a search that looks up lines to mate. Set by hand.
# Share of a move's planned time to wait for the solution of an ending. Set by hand.
SOLVING_SHARE = 0.5
# Least seconds to wait: a thread that solves makes moves some 20 ms slower. Measured.
LEAST_PATIENCE_S = 0.01


def choose_move(root: Root, temperature: float, rng: np.random.Generator) -> int:
    """Index of the root move to play: drawn by visits^(1 / temperature), or by priors while none
    has visits, as in Lc0; the best one at temperature 0. A certain win is played, and a move known
    to lose only where there is no other.
    """
    if temperature == 0.0:
        return root.best()
    new = not root.visits.any()
    liked = root.priors if new else root.visits
    weights = np.where(root.proven < 0, 0, liked).astype(np.float64)
    if (root.proven > 0).any() or (new and root.forced_index() is not None) or not weights.any():
        return root.best()
    bounds = np.cumsum((weights / weights.max()) ** (1.0 / temperature))
    return int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))


@dataclass(frozen=True)
class SearchRequest:
    """One search's inputs, and what follows from them before it begins."""

    board: chess.Board
    limits: Limits
    options: EngineOptions
    rng: np.random.Generator
    begun: float  # When the clock began to run, in seconds of `job.now`.
    # Hears all lines early, once a second, when the best move changes, and at the end.
    on_info: OnInfo | None = None
    job: SearchJob[SearchResult] = field(default_factory=SearchJob)
    # By how much the moves before were late beyond the overhead, and what they lost on the way.
    lateness: RecentMost = field(default_factory=lambda: RecentMost(0.0))
    lag: RecentMost = field(default_factory=RecentMost)
    last: LastMove = field(default_factory=LastMove)
    # What tables know of each move, if anything.
    ranks: Mapping[chess.Move, Rank] = field(default_factory=dict)
    people: PeoplePolicy | None = None  # What people would do, with `PlayLike people`.

    @cached_property
    def plays(self) -> bool:
        """Whether a move of a game is wanted: not with `infinite`, `mate` or `UCI_AnalyseMode`,
        which ask for analysis.

        Whatever differs between play and analysis asks this, and nothing else.
        """
        return not (
            self.options.analyse_mode or self.limits.infinite or self.limits.mate is not None
        )

    @property
    def by_the_clock(self) -> bool:
        """Whether a move of a game is wanted while the mover's clock runs."""
        return self.plays and self.limits.clock_ms(self.board.turn) is not None

    @property
    def refills(self) -> bool:
        """Whether the mover's clock gains time with every move."""
        return self.by_the_clock and self.limits.increment_ms(self.board.turn) > 0

    @cached_property
    def strength(self) -> StrengthPlan | PeoplePlan | None:
        """The plan for playing weaker; None if it was not asked for or no game is being played."""
        elo = self.options.elo
        if not (self.plays and (self.options.limit_strength or self.people is not None)):
            return None
        if finishes(self.board, elo):
            return finishing_plan(plan_for(elo))
        if self.people is None:
            return plan_for(elo)
        return people_plan(elo)

    @cached_property
    def is_like_people(self) -> bool:
        """Whether the move is drawn from what people would do."""
        return isinstance(self.strength, PeoplePlan)

    @property
    def is_paced(self) -> bool:
        """Whether the answer takes as long as a person's would: by a clock, at a limited level."""
        return self.options.human_pace and self.by_the_clock and self.strength is not None

    @property
    def temperature(self) -> float:
        """In a game the move is drawn by visits ** (1 / temperature). 0 = play the best one."""
        return self.options.temperature if self.plays else 0.0

    @property
    def lines(self) -> int:
        """Number of lines to search on beside moves that are proven to win."""
        if self.by_the_clock or self.limits.mate is not None:
            return 1
        return self.options.multi_pv

    @property
    def patience_s(self) -> float:
        """Seconds to wait for the solution of an ending; 0 for levels that find most ways by
        themselves, and where a move has little time.
        """
        if self.options.preset == "lc0" or (
            self.strength is not None and not self.strength.finishes
        ):
            return 0.0
        usual_ms = self.plan.planned_ms or self.plan.hard_ms
        patience_s = min(LONG, SOLVING_SHARE * self.clock().real_s(usual_ms))
        return patience_s if patience_s >= LEAST_PATIENCE_S else 0.0

    @property
    def solves(self) -> bool:
        """Whether there is time to look up the lines to mate of an ending that is solved: some tens
        of milliseconds.
        """
        return not self.by_the_clock and self.plan.hard_ms >= LOOKING_UP_MS

    @cached_property
    def asked(self) -> tuple[chess.Move, ...]:
        """The legal ones of the moves that were asked for; all where it is empty."""
        return tuple(move for move in self.limits.searchmoves if self.board.is_legal(move))

    @cached_property
    def only(self) -> tuple[chess.Move, ...]:
        """The root moves to search; all where it is empty.

        In a game only moves that hold the tables' result. A limited level does not know the
        shortest way.
        """
        board, plan = self.board, self.strength
        if not (self.ranks and self.plays):
            if plan is None or not plan.finishes:
                return self.asked
            return without_repetition(board, self.asked)
        known_ranks = {move: self.ranks[move] for move in self.asked or self.ranks}
        if plan is None or board.halfmove_clock >= FINISHING_PLIES or has_repeated(board):
            return tuple(good_moves(known_ranks))
        return without_repetition(board, good_moves(known_ranks, FINISHING_SLACK))

    @cached_property
    def aside(self) -> tuple[chess.Move, ...]:
        """The other moves, best first: they are shown where more lines are wanted than are
        searched.
        """
        if not self.only:
            return ()
        aside = [move for move in self.asked or self.board.legal_moves if move not in self.only]
        return tuple(sorted(aside, key=self.rank, reverse=True))

    def rank(self, move: chess.Move) -> Rank:
        """Return what tables know of a root move. One that they do not know is aside because it
        repeats a position.
        """
        return self.ranks.get(move, DRAWN_RANK)

    @cached_property
    def plan(self) -> TimePlan:
        """The move's time."""
        overhead_ms = self.options.move_overhead_ms
        return plan_time(self.limits, self.board, overhead_ms, self.lateness.ms, self.lag.ms)

    def clock(self, begun: float | None = None, nodes: Callable[[], int] = int) -> Clock:
        """Return the move's clock, by the search's `nodes` so far where it runs on those. `begun`
        is when a real one began to run. None = now.
        """
        return new_clock(self.plan, self.options, begun, self.job.now, nodes)

    def draw_score(self, cp_scale: float) -> float:
        """Value of a draw for the side to move, in [-1, 1]: `DrawScore`, minus `Contempt` when
        playing a game.
        """
        if self.options.preset == "lc0":
            return LC0.draw_score
        score = self.options.draw_score / 100
        if self.plays:
            score -= win_minus_loss(self.options.contempt, cp_scale)
        return max(-1.0, min(1.0, score))

    def is_over(self) -> bool:
        """Whether nobody waits any more for what the search may still find."""
        if self.job.stopped:
            return True
        if self.limits.infinite:
            return False
        if not self.limits.ponder:
            return self.clock(self.begun).is_over()
        return not self.job.pondering and self.clock(self.job.hit).is_over()

    def book_move(self, book: PolyglotBook | None) -> chess.Move | None:
        """Return the move that a game's player takes from the book; None where there is none."""
        if book is None or not self.plays or self.board.ply() >= self.options.book_depth:
            return None
        return book.move(self.board, self.rng, self.asked)
