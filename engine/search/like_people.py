"""Playing like people: a move is drawn from what players of a rating would do, corrected by what a
short look ahead sees.

With p the probability of a move among players of the rating and Q its value in [-1, 1], its weight
is p ** (1 / T) * exp(F * Q): policy and search meet as in Jacob et al. 2022, arXiv:2112.07544. The
foresight F is 0 for beginners, who play what comes to mind; the temperature T sharpens or blurs
that. Both were chosen by matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.search.result import RootMove


@dataclass(frozen=True)
class PeoplePlan:
    """How a level that plays like people searches and chooses."""

    nodes: int  # Visits of the root.
    temperature: float  # T
    foresight: float  # F
    finishes: bool = False  # As of other levels: where a game is won, those plans play.


# Elo on Stockfish's scale, and the plan that scores about 50% against the level of this rating:
#   aino-train match --games 200 --tc 60+1 --out MATCH
#     --first "name=people cmd=aino option.PlayLike=people option.UCI_Elo=1500 option.Threads=1"
#     --second "name=level cmd=aino option.UCI_LimitStrength=true option.UCI_Elo=1500 option.Threads=1"
PEOPLE = (
    (1100.0, PeoplePlan(64, 0.7, 1.4)),
    (1300.0, PeoplePlan(64, 0.7, 2.6)),
    (1500.0, PeoplePlan(64, 0.7, 4.0)),
    (1700.0, PeoplePlan(128, 0.7, 9.0)),
    (1900.0, PeoplePlan(256, 0.7, 18.0)),
)
PEOPLE_RANGE = int(PEOPLE[0][0]), int(PEOPLE[-1][0])  # of ratings at which Aino plays like people


def people_plan(elo: int) -> PeoplePlan:
    """Return the plan for an Elo rating, between those measured; beyond them the nearest."""
    ratings, plans = zip(*PEOPLE, strict=True)
    rows = [(np.log(plan.nodes), plan.temperature, plan.foresight) for plan in plans]
    log_nodes, temperature, foresight = (
        np.interp(elo, ratings, values) for values in zip(*rows, strict=True)
    )
    return PeoplePlan(round(np.exp(log_nodes)), float(temperature), float(foresight))


def choose_like_people(
    children: Sequence[RootMove], plan: PeoplePlan, rng: np.random.Generator
) -> RootMove:
    """Return the move to play, of the root's moves, at least one, whose priors are people's."""
    return children[int(rng.choice(len(children), p=chances_of(children, plan)))]


def chances_of(children: Sequence[RootMove], plan: PeoplePlan) -> np.ndarray:
    """Return how likely each of the root's moves is played, float64 [n].

    A mate in one is played as often as people see it.
    """
    weights = np.array([child.prior for child in children], np.float64)
    if not any(child.mate == 1 for child in children):
        values = np.array([child.q for child in children])
        weights = (weights / weights.max()) ** (1.0 / plan.temperature)
        weights *= np.exp(plan.foresight * (values - values.max()))
    return weights / weights.sum()
