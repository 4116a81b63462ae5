"""Strength levels: how a limited engine searches, and which move it plays.

A limited engine plays weaker as a person would: it has a smaller tree, and is less certain among
the moves that look right. No move is a random blunder, and what people of its rating win, it wins.
A move is drawn among those that the policy and the visits call plausible and that are not seen to
lose; what a small tree overlooks is overlooked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import chess
import numpy as np

from engine.search.result import RootMove
from engine.search.tree.params import PRIOR_VISITS


@dataclass(frozen=True)
class StrengthPlan:
    """How a limited engine searches and chooses."""

    nodes: int  # Visits of the root.
    temperature: float  # Moves are drawn by (visits + prior) ** (1 / temperature).
    value_margin: float  # How far a move's Q may lie below the best one, in [0, 2].
    least_share: float  # Moves below this share of the largest weight are never played.
    # Whether the game is won so surely that the level has to win it (`finishes`).
    finishes: bool = False


Plan = TypeVar("Plan", bound=Any)  # a dataclass of numbers, of nodes among them

# Elo on Stockfish's scale, and the plan that plays so, by games (docs/results.md): from 3 nodes on
# against Stockfish 15.1, below against the next plan. A limited Stockfish saturates from 2460 on:
# the last row was measured against an unlimited one of few nodes, as the row before it.
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
    (2700.0, StrengthPlan(80000, 0.010, 0.005, 0.600)),
)


def plan_for(elo: int) -> StrengthPlan:
    """Return the plan for an Elo rating on Stockfish's scale, between those measured; beyond them
    the nearest.
    """
    return plan_between(MEASURED, elo)


def plan_between(measured: Sequence[tuple[float, Plan]], elo: int) -> Plan:
    """Return the plan for a rating between those of some plans, by ascending ratings; beyond them
    the nearest. Numbers of nodes go by their logarithms.
    """
    ratings, plans = zip(*measured, strict=True)

    def between(values: Sequence[float]) -> float:
        return float(np.interp(elo, ratings, values))

    names = {plan_field.name for plan_field in fields(plans[0])} - {"nodes", "finishes"}
    numbers = {name: between([getattr(plan, name) for plan in plans]) for name in names}
    nodes = round(np.exp(between([np.log(plan.nodes) for plan in plans])))
    return replace(plans[0], nodes=nodes, **numbers)


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
    choices = promotions_as_one(not_lost)
    weights = np.array(list(map(_weight, choices)))
    candidates = [choice[0] for choice in choices]
    bad = np.array(
        [child.visits > 0 and child.q < best_q - plan.value_margin for child in candidates]
    )
    if not weights[~bad].any():  # All prior and all visits lie on moves that lose.
        weights[:] = 1.0
    weights[bad] = 0.0
    weights[weights < plan.least_share * weights.max()] = 0.0
    chances = (weights / weights.max()) ** (1.0 / plan.temperature)
    return candidates[int(rng.choice(len(candidates), p=chances / chances.sum()))]


def _weight(choice: Sequence[RootMove]) -> float:
    """Return what visits and policy say for moves that are one choice."""
    return sum(child.visits + PRIOR_VISITS * (child.prior + child.hint) for child in choice)


def promotions_as_one(children: Sequence[RootMove]) -> list[list[RootMove]]:
    """Group moves that a person sees as one: a pawn's to one square, whatever it becomes. Each group
    keeps their order.
    """
    groups: dict[tuple[chess.Square, chess.Square], list[RootMove]] = {}
    for child in children:
        squares = child.move.from_square, child.move.to_square
        groups.setdefault(squares, []).append(child)
    return list(groups.values())


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
    enemy_pawns = len(board.pieces(chess.PAWN, not board.turn))
    if 9 * queens + 5 * rooks + 3 * (bishops + knights) - enemy_pawns >= LEAST_FORCE:
        if queens or rooks > 1:
            return elo >= QUEEN_ELO
        if rooks or pawns > 1:
            return elo >= ROOK_ELO
        if bishops > 1:
            return elo >= BISHOPS_ELO
        return elo >= KNIGHT_ELO
    return enemy_pawns == 0 and pawns > 1 and elo >= ROOK_ELO


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
        is_repeated = board.is_repetition(2)
        board.pop()
        return is_repeated

    moves = tuple(only) or tuple(board.legal_moves)
    fresh = tuple([move for move in moves if not repeats(move)])
    if not fresh or fresh == moves:
        return tuple(only)
    return fresh
