"""What follows from board, limits and options: whether a game is played, which root moves are
searched, and which move is played: the best one, one drawn by visits for variety, a weaker one on
purpose, or one from an opening book.

A limited engine plays weaker as a person would: it has a smaller tree, and is less certain among
the moves that look right. No move is a random blunder, and what people of its rating win, it wins.
A move is drawn among those that the policy and the visits call plausible and that are not seen to
lose; what a small tree overlooks is overlooked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import chess
import chess.polyglot
import numpy as np

from engine.board.notation import board_after
from engine.errors import DataError
from engine.evaluation.tablebase import DRAWN_RANK, Rank, good_moves, has_repeated
from engine.files.text import reading
from engine.options import EngineOptions
from engine.search.like_people import PeoplePlan, people_plan
from engine.search.limits import Clock, Lateness, Limits, SearchJob
from engine.search.result import OnInfo, RootMove, SearchResult, win_minus_loss
from engine.search.tree.params import LC0, PRIOR_VISITS
from engine.search.tree.root import Root
from engine.tactics.solved_endings import LONG

if TYPE_CHECKING:
    from engine.network.people.people_policy import PeoplePolicy


@dataclass(frozen=True)
class StrengthPlan:
    """How a limited engine searches and chooses."""

    nodes: int  # Visits of the root.
    temperature: float  # Moves are drawn by (visits + prior) ** (1 / temperature).
    value_margin: float  # How far a move's Q may lie below the best one, in [0, 2].
    least_share: float  # Moves below this share of the largest weight are never played.
    # Whether the game is won so surely that the level has to win it (`finishes`).
    finishes: bool = False


def choose_move(root: Root, temperature: float, rng: np.random.Generator) -> int:
    """Index of the root move to play: drawn by visits^(1 / temperature), or by priors while none
    has visits, as in Lc0; the best one at temperature 0. A certain win is played, and a move known
    to lose only where there is no other.
    """
    new = not root.visits.any()
    weights = np.where(root.proven < 0, 0, root.priors if new else root.visits).astype(np.float64)
    if (
        temperature == 0.0
        or (root.proven > 0).any()
        or (new and root.forced_index() is not None)
        or not weights.any()
    ):
        return root.order()[0]
    bounds = np.cumsum((weights / weights.max()) ** (1.0 / temperature))
    return int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))


# ---- weaker on purpose ---------------------------------------------------------------------------

# Elo on Stockfish's scale, and the plan that plays so, by games (docs/results.md): from 3 nodes on
# against Stockfish 15.1, below against the next plan. The last row is a guess: the rung and about
# the nodes a move of full strength with two threads at 10 s + 0.1 s a move.
MEASURED = (
    (415.0, StrengthPlan(1, 1.504, 0.668, 0.036)),
    (685.0, StrengthPlan(2, 1.300, 0.600, 0.050)),
    (950.0, StrengthPlan(3, 1.205, 0.556, 0.062)),
    (1455.0, StrengthPlan(7, 1.075, 0.495, 0.078)),
    (1635.0, StrengthPlan(31, 0.825, 0.379, 0.109)),
    (1800.0, StrengthPlan(98, 0.623, 0.284, 0.135)),
    (2025.0, StrengthPlan(441, 0.363, 0.163, 0.167)),
    (2210.0, StrengthPlan(2521, 0.052, 0.024, 0.430)),
    (2460.0, StrengthPlan(12000, 0.0255, 0.012, 0.537)),
    (2690.0, StrengthPlan(80000, 0.010, 0.005, 0.600)),
)


def plan_for(elo: int) -> StrengthPlan:
    """Return the plan for an Elo rating on Stockfish's scale, between those measured; beyond them
    the nearest.
    """
    ratings, plans = zip(*MEASURED, strict=True)
    rows = [
        (np.log(plan.nodes), plan.temperature, plan.value_margin, plan.least_share)
        for plan in plans
    ]
    log_nodes, temperature, margin, share = (
        np.interp(elo, ratings, values) for values in zip(*rows, strict=True)
    )
    return StrengthPlan(round(np.exp(log_nodes)), float(temperature), float(margin), float(share))


def choose_weaker(
    children: Sequence[RootMove], plan: StrengthPlan, rng: np.random.Generator
) -> RootMove:
    """Return the move to play, of the root's moves, best first and at least one.

    A mate in one is always given. A move that is known to lose is played only where all are, and
    then the first.
    """
    not_lost = [child for child in children if child.mate is None or child.mate > 0]
    if not not_lost or children[0].mate == 1:
        return children[0]
    best_q = max((child.q for child in not_lost if child.visits), default=-1.0)
    weights = np.array(
        [child.visits + PRIOR_VISITS * (child.prior + child.hint) for child in not_lost]
    )
    bad = np.array(
        [child.visits > 0 and child.q < best_q - plan.value_margin for child in not_lost]
    )
    if not weights[~bad].any():  # All prior and all visits lie on moves that lose.
        weights[:] = 1.0
    weights[bad] = 0.0
    weights[weights < plan.least_share * weights.max()] = 0.0
    chances = (weights / weights.max()) ** (1.0 / plan.temperature)
    return not_lost[int(rng.choice(len(not_lost), p=chances / chances.sum()))]


# ---- winning what is won -------------------------------------------------------------------------

# Set by hand: people's ratings at which they win such endings, and how a limited level searches in
# them.
QUEEN_ELO = 500
ROOK_ELO = 1000
BISHOPS_ELO = 1800
KNIGHT_ELO = 2200
FINISHING = StrengthPlan(nodes=300, temperature=0.1, value_margin=0.03, least_share=0.3)
# Plies by which a level's way to a mate that is known may be longer than the shortest, as long as
# the halfmove clock shows fewer than FINISHING_PLIES.
FINISHING_SLACK = 4
FINISHING_PLIES = 20
LEAST_FORCE = 5  # A rook more than the other side's pawns.


def finishes(board: chess.Board, elo: int) -> bool:
    """Whether people of a rating win with the mover's pieces, against a king that has nothing but
    pawns.
    """
    if board.occupied_co[not board.turn] & ~(board.kings | board.pawns):
        return False
    pawns, knights, bishops, rooks, queens = (
        len(board.pieces(kind, board.turn)) for kind in chess.PIECE_TYPES[:5]
    )
    others = len(board.pieces(chess.PAWN, not board.turn))
    if 9 * queens + 5 * rooks + 3 * (bishops + knights) - others >= LEAST_FORCE:
        if queens or rooks > 1:
            return elo >= QUEEN_ELO
        if rooks or pawns > 1:
            return elo >= ROOK_ELO
        return elo >= (BISHOPS_ELO if bishops > 1 else KNIGHT_ELO)
    return others == 0 and pawns > 1 and elo >= ROOK_ELO


def finishing_plan(plan: StrengthPlan) -> StrengthPlan:
    """Return the plan of a level that finishes a game: as good as `FINISHING` at least."""
    return StrengthPlan(
        nodes=max(plan.nodes, FINISHING.nodes),
        temperature=min(plan.temperature, FINISHING.temperature),
        value_margin=min(plan.value_margin, FINISHING.value_margin),
        least_share=max(plan.least_share, FINISHING.least_share),
        finishes=True,
    )


def without_repetition(board: chess.Board, only: Sequence[chess.Move]) -> tuple[chess.Move, ...]:
    """Return the moves of `only` after which no position comes again, or `only` if all repeat one
    or none does.

    An empty `only` stands for all moves.
    """

    def repeats(move: chess.Move) -> bool:
        board.push(move)
        found = board.is_repetition(2)
        board.pop()
        return found

    moves = tuple(only) or tuple(board.legal_moves)
    fresh = tuple([move for move in moves if not repeats(move)])
    return fresh if 0 < len(fresh) < len(moves) else tuple(only)


# ---- without a search ----------------------------------------------------------------------------

ENTRY_BYTES = 16  # key, move, weight, learn: big-endian u64, u16, u16, u32


class PolyglotBook:
    """A Polyglot book (.bin), its entries sorted by position.

    Raises DataError for a file that is missing or is no such book.
    """

    def __init__(self, path: str | Path) -> None:
        with reading(Path(path)):
            size = Path(path).stat().st_size
            if size == 0 or size % ENTRY_BYTES:
                raise DataError(
                    f"{path}: expected a Polyglot book, entries of 16 bytes, found {size} bytes"
                )
            keys = np.memmap(path, ">u8", "r", shape=(size // ENTRY_BYTES, 2))[:, 0]
            if (keys[1:] < keys[:-1]).any():
                raise DataError(
                    f"{path}: expected a Polyglot book, found positions that are not in ascending order"
                )
            self._reader = chess.polyglot.open_reader(path)

    def close(self) -> None:
        """Close the file. The book is not used afterwards."""
        self._reader.close()

    def move(
        self, board: chess.Board, rng: np.random.Generator, among: Container[chess.Move] = ()
    ) -> chess.Move | None:
        """Return a legal book move, drawn as often as its weight says; None where the book has
        none.

        `among`: the moves that it may be; empty = all.

        Entries of weight 0 are never played. A book knows positions, not games: a move is no book
        move either if it repeats a position of the game, or ends the game in a draw, or lets the
        opponent mate at once.
        """
        weights = dict[chess.Move, int]()
        for entry in self._reader.find_all(chess.polyglot.zobrist_hash(board)):
            # No legal move; castling is written in either way.
            with suppress(ValueError, IndexError):
                move = board.parse_uci(entry.move.uci())
                weights[move] = weights.get(move, 0) + entry.weight
        moves = [
            move
            for move in weights
            if move and (not among or move in among) and _is_harmless(board, move)
        ]
        draw = random.Random(int(rng.integers(2**32)))
        return draw.choices(moves, [weights[move] for move in moves])[0] if moves else None


def _is_harmless(board: chess.Board, move: chess.Move) -> bool:
    after = board_after(board, move)
    if after.is_checkmate():
        return True
    draws = (
        after.is_repetition(2)
        or after.is_stalemate()
        or after.is_insufficient_material()
        or after.is_fifty_moves()
    )
    checks = filter(after.gives_check, after.legal_moves)
    return not draws and not any(board_after(after, reply).is_checkmate() for reply in checks)


# ---- one search, as it was asked for -------------------------------------------------------------

LOOKING_UP_MS = 500  # Least milliseconds of a search that looks up lines to mate. Set by hand.
# Share of a move's planned time to wait for the solution of an ending. Set by hand.
SOLVING_SHARE = 0.5


@dataclass(frozen=True)
class SearchOrder:
    """One search's inputs, and what follows from them before it begins."""

    board: chess.Board
    limits: Limits
    options: EngineOptions
    rng: np.random.Generator
    begun: float  # When the clock began to run, in seconds of `job.now`.
    # Hears all lines early, once a second, when the best move changes, and at the end.
    on_info: OnInfo | None = None
    job: SearchJob[SearchResult] = field(default_factory=SearchJob)
    lateness: Lateness = field(default_factory=Lateness)  # Of the moves before.
    # What tables know of each move, if anything.
    ranks: Mapping[chess.Move, Rank] = field(default_factory=dict)
    people: PeoplePolicy | None = None  # What people would do, with `PlayLike people`.

    @property
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

    @cached_property
    def strength(self) -> StrengthPlan | PeoplePlan | None:
        """The plan for playing weaker; None if it was not asked for or no game is being played."""
        elo = self.options.elo
        if not (self.plays and (self.options.limit_strength or self.people is not None)):
            return None
        if finishes(self.board, elo):
            return finishing_plan(plan_for(elo))
        return plan_for(elo) if self.people is None else people_plan(elo)

    @property
    def is_like_people(self) -> bool:
        """Whether the move is drawn from what people would do."""
        return isinstance(self.strength, PeoplePlan)

    @property
    def temperature(self) -> float:
        """In a game the move is drawn by visits ** (1 / temperature). 0 = play the best one.

        It goes linearly down to 0 after `options.temperature_moves` moves of the game, or never if
        they are 0.
        """
        if not self.plays:
            return 0.0
        decay_moves = self.options.temperature_moves
        decay = (self.board.fullmove_number - 1) / decay_moves if decay_moves else 0.0
        return self.options.temperature * max(0.0, 1.0 - decay)

    @property
    def lines(self) -> int:
        """Number of lines to search on beside moves that are proven to win."""
        return 1 if self.by_the_clock or self.limits.mate is not None else self.options.multi_pv

    @property
    def patience_s(self) -> float:
        """Seconds to wait for the solution of an ending; 0 for levels that find most ways by
        themselves.
        """
        if self.options.preset == "lc0" or (
            self.strength is not None and not self.strength.finishes
        ):
            return 0.0
        if self.options.nodes_time:
            return LONG
        clock = self.clock()
        usual_ms = clock.planned_ms or clock.hard_ms
        return SOLVING_SHARE * usual_ms / 1000.0 if usual_ms is not None else LONG

    @property
    def solves(self) -> bool:
        """Whether there is time to look up the lines to mate of an ending that is solved: some tens
        of milliseconds.
        """
        most_ms = self.clock().hard_ms
        return not self.by_the_clock and (most_ms is None or most_ms >= LOOKING_UP_MS)

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
            return (
                without_repetition(board, self.asked)
                if plan is not None and plan.finishes
                else self.asked
            )
        known = {move: self.ranks[move] for move in self.asked or self.ranks}
        if plan is None or board.halfmove_clock >= FINISHING_PLIES or has_repeated(board):
            return tuple(good_moves(known))
        return without_repetition(board, good_moves(known, FINISHING_SLACK))

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

    def clock(self, begun: float | None = None) -> Clock:
        """Return the move's clock. None = it begins now."""
        overhead_ms, late_ms = self.options.move_overhead_ms, self.lateness.ms
        return Clock.start(self.limits, self.board.turn, overhead_ms, begun, self.job.now, late_ms)

    def clock_in_nodes(self, nodes: Callable[[], int]) -> Clock:
        """Return a clock that begins now, and on which a millisecond is `options.nodes_time` more
        of the search's nodes.
        """
        a_second = 1000.0 * self.options.nodes_time
        overhead_ms = self.options.move_overhead_ms
        return Clock.start(
            self.limits, self.board.turn, overhead_ms, now=lambda: nodes() / a_second
        )

    def draw_score(self, cp_scale: float) -> float:
        """Value of a draw for the side to move, in [-1, 1]: `DrawScore`, minus `Contempt` when
        playing a game.
        """
        if self.options.preset == "lc0":
            return LC0.draw_score
        contempt = self.options.contempt if self.plays else 0
        return max(
            -1.0, min(1.0, self.options.draw_score / 100 - win_minus_loss(contempt, cp_scale))
        )

    def is_over(self) -> bool:
        """Whether nobody waits any more for what the search may still find."""
        waits = self.limits.infinite or (self.limits.ponder and self.job.pondering)
        begun = self.job.hit if self.limits.ponder else self.begun
        if waits or self.options.nodes_time:
            return self.job.stopped
        return self.job.stopped or self.clock(begun).is_over()

    def book_move(self, book: PolyglotBook | None) -> chess.Move | None:
        """Return the move that a game's player takes from the book; None where there is none."""
        if book is None or not self.plays or self.board.ply() >= self.options.book_depth:
            return None
        return book.move(self.board, self.rng, self.asked)
