"""Playing like people: a move is drawn from what players of a rating would do, corrected by what a
short look ahead sees.

With p the probability of a move among players of the rating and Q its value in [-1, 1], its weight
is p ** (1 / T) * exp(F * Q): policy and search meet as in Jacob et al. 2022, arXiv:2112.07544. The
foresight F is 0 for beginners, who play what comes to mind; the temperature T sharpens or blurs
that. Both were chosen by matches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import numpy as np

from engine.search.levels import plan_between, without_repetition
from engine.search.result import RootMove


@dataclass(frozen=True)
class PeoplePlan:
    """How a level that plays like people searches and chooses."""

    nodes: int  # Visits of the root.
    temperature: float  # T
    foresight: float  # F
    # How many times likelier a mate in one is than the network says, which holds few for so likely
    # as they are: by `python -m benchmarks.people club.pgn --mates`.
    mate_factor: float
    finishes: bool = False  # As of other levels: where a game is won, those plans play.


# A rating, and the plan of it. Up to 1500 it scores about 50% against the level of this rating; from
# there a step of 200 gains 150 to 250 Elo, by
#   aino-train match --games 100 --tc 60+1 --out MATCH
#     --first "name=1700 cmd=aino option.PlayLike=people option.UCI_Elo=1700 option.Threads=1"
#     --second "name=1500 cmd=aino option.PlayLike=people option.UCI_Elo=1500 option.Threads=1"
# and its like for the others.
PEOPLE = (
    (1100, PeoplePlan(64, 0.667, 1.3, 2.2)),
    (1300, PeoplePlan(64, 0.667, 2.4, 2.6)),
    (1500, PeoplePlan(64, 0.667, 4.0, 3.0)),
    (1700, PeoplePlan(96, 0.667, 6.6, 4.3)),
    (1900, PeoplePlan(144, 0.667, 10.0, 6.0)),
)
BETTER = 0.1  # Q from which a draw is no longer wanted. Set by hand.
PEOPLE_RANGE = PEOPLE[0][0], PEOPLE[-1][0]  # of ratings at which Aino plays like people


def people_plan(elo: int) -> PeoplePlan:
    """Return the plan for an Elo rating, between those measured; beyond them the nearest."""
    return plan_between(PEOPLE, elo)


def choose_like_people(
    board: chess.Board, children: Sequence[RootMove], plan: PeoplePlan, rng: np.random.Generator
) -> RootMove:
    """Return the move to play, of the root's moves, at least one, whose priors are people's.

    Who stays better without it repeats no position.
    """
    fresh = without_repetition(board, ())
    going_on = [child for child in children if child.move in fresh]
    if max((child.q for child in going_on), default=-1.0) > BETTER:
        children = going_on
    return children[int(rng.choice(len(children), p=drawing_chances(children, plan)))]


def drawing_chances(children: Sequence[RootMove], plan: PeoplePlan) -> np.ndarray:
    """Return how likely each of the root's moves is played, float64 [n].

    A mate in one is played as often as people see it.
    """
    weights = np.array([child.prior for child in children], np.float64)
    mating = np.array([child.mate == 1 for child in children])
    if mating.any():
        weights[mating] *= plan.mate_factor
    else:
        values = np.array([child.q for child in children])
        weights = (weights / weights.max()) ** (1.0 / plan.temperature)
        weights *= np.exp(plan.foresight * (values - values.max()))
    return weights / weights.sum()
