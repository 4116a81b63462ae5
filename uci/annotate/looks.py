"""Searches of the positions of a game: a position, or all its moves but some, within a multiple of
the review's limits; each once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import chess

from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.material import Moves
from uci.annotate.move_marks import chances_of, for_people, rank_of
from uci.common.evaluation import Evaluation

if TYPE_CHECKING:
    from engine.player import Engine

THOROUGH = 8  # times the limits, of a second look
MOST_THOROUGH = 32  # the same of a third look
_NEAR_MATE = 4  # moves; to allow a mate further off costs no more than the chances that it takes

ReviewSearch = Callable[["Engine", Limits], SearchResult]


class Searched(NamedTuple):
    """What is known of a position, or of a move there."""

    evaluation: Evaluation  # White's view
    line: Moves
    chances: tuple[float, float]  # the winning chances of Black and of White, by `chess.Color`
    # Ply of the game's position whose search gave the evaluation; None for one beside the game.
    source: int | None = None

    @classmethod
    def of(cls, evaluation: Evaluation, line: Moves = ()) -> Searched:
        """Return what an evaluation, White's view on Aino's own scale, tells people."""
        chances = chances_of(evaluation, chess.BLACK), chances_of(evaluation, chess.WHITE)
        return cls(for_people(evaluation), tuple(line), chances)

    def mate(self, side: chess.Color) -> int:
        """Return moves to mate as one side sees them, negative where it is mated; 0 without one, or
        where it is there.
        """
        return self.evaluation.seen_by_white(side).mate or 0

    def rank(self, side: chess.Color) -> tuple[float, float]:
        """Return what moves are compared by: a side's chances, and of mates how near its own is, or
        how far the other's.
        """
        return rank_of(self.evaluation, side)

    def a_ply_earlier(self, move: chess.Move, side: chess.Color) -> Searched:
        """Return what is known of a position from which `side` makes a move into this one: its own
        mate takes a move more.
        """
        evaluation = self.evaluation
        step = 1 if side == chess.WHITE else -1
        if evaluation.mate is not None and evaluation.mate * step >= 0:
            evaluation = replace(evaluation, mate=evaluation.mate + step)
        return self._replace(evaluation=evaluation, line=(move, *self.line))


# The moves that were searched in a position, the best one first; a finished game has one without a
# line.
SearchedMoves = tuple[Searched, ...]


@dataclass
class Looks:
    """Searches each position once within the same limits, and remembers what it found."""

    engine: Engine
    limits: Limits
    search: ReviewSearch
    claimed: chess.Board | None  # the last position of a game that was drawn by a claim
    effort: int = 0  # times the limits, in all searches
    searched: dict[object, SearchedMoves] = field(default_factory=dict)  # by what was searched

    def at(self, board: chess.Board, times: int = 1) -> SearchedMoves:
        """Search a position within so many times the limits."""
        if self._is_over(board):
            return (Searched.of(Evaluation.of_result(board.result(claim_draw=True))),)
        return self._search_moves(board, (), times)

    def beside(
        self, board: chess.Board, moves: Collection[chess.Move], times: int = 1
    ) -> SearchedMoves:
        """Search all moves of a position but some; none where there is no other."""
        if not moves or self._is_over(board):
            return self.at(board, times)
        alternatives = tuple(move for move in board.legal_moves if move not in moves)
        if not alternatives:
            return ()
        return self._search_moves(board, alternatives, times)

    def _is_over(self, board: chess.Board) -> bool:
        is_drawn = board is self.claimed or board.is_insufficient_material()
        return is_drawn or not any(board.legal_moves)

    def _search_moves(
        self, board: chess.Board, moves: tuple[chess.Move, ...], times: int
    ) -> SearchedMoves:
        limits = replace(deeper(self.limits, times), searchmoves=moves)
        key = (tuple(board.move_stack), limits)
        if key not in self.searched:
            self.effort += times
            self.engine.set_position(board)
            result = self.search(self.engine, limits)
            self.searched[key] = _moves_of(result, board.turn)
        return self.searched[key]


def _moves_of(result: SearchResult, side: chess.Color) -> SearchedMoves:
    """Return the moves that a search of a position with this side to move looked at."""
    info = result.infos[0]
    best = Searched.of(Evaluation.of_info(info).seen_by_white(side), info.pv)
    worse_moves = []
    for child in result.children:
        if child.visits > 0 and (child.move,) != best.line[:1]:
            line = child.pv or (child.move,)
            worse_moves.append(Searched.of(Evaluation.of_move(child).seen_by_white(side), line))
    worse_moves.sort(key=lambda searched: searched.rank(side), reverse=True)
    return (best, *worse_moves)


def deeper(limits: Limits, times: int = THOROUGH) -> Limits:
    """Return the limits of a thorough search, so many times as wide."""
    nodes = limits.nodes and times * limits.nodes
    movetime_ms = limits.movetime_ms and times * limits.movetime_ms
    return replace(limits, nodes=nodes, movetime_ms=movetime_ms)


def moves_without(searched: SearchedMoves, move: chess.Move) -> list[Searched]:
    """Return the moves but for one, the best one first."""
    return [candidate for candidate in searched if candidate.line[:1] != (move,)]


def better_of(played: Searched, alternatives: Sequence[Searched], side: chess.Color) -> Searched:
    """Return the first of the other moves where it is better than the played one, which is the
    other answer.
    """
    if alternatives and alternatives[0].rank(side) > played.rank(side):
        return alternatives[0]
    return played


def loss(best: Searched, worse: Searched, side: chess.Color) -> float:
    """Return by how many winning chances of a side one is better than the other; negative where it
    is worse.
    """
    return best.chances[side] - worse.chances[side]


def allows_mate(best: Searched, after: Searched, side: chess.Color) -> bool:
    """Whether a side is mated soon after its move, and not after its best one."""
    return -_NEAR_MATE <= after.mate(side) < 0 <= best.mate(side)
