"""Playing weaker on purpose, as a person would: a smaller tree, and less certainty among the moves that look right.

No move is a random blunder. A move is drawn among those that the policy and the visits call plausible and that are not
seen to lose; what a small tree overlooks is overlooked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import ConfigError
from engine.search.results import RootMove

WEAKEST_ELO = 500
STRONGEST_ELO = 2400
PRIOR_VISITS = 4.0  # visits that the whole policy counts for: in the smallest trees it decides

# At WEAKEST_ELO and at STRONGEST_ELO; nodes in between grow geometrically, the others linearly.
NODES = (2.0, 2000.0)
TEMPERATURE = (1.3, 0.1)
VALUE_MARGIN = (0.6, 0.04)
LEAST_SHARE = (0.05, 0.2)


@dataclass(frozen=True)
class StrengthPlan:
    """How a limited engine searches and chooses."""

    nodes: int  # visits of the root
    temperature: float  # moves are drawn by (visits + prior) ** (1 / temperature)
    value_margin: float  # how far below the best Q seen a move may lie, in [0, 2]
    least_share: float  # of the most plausible move's weight: what has less is never played


def plan_for(elo: int) -> StrengthPlan:
    """The plan for an Elo rating on Stockfish's scale. Raises ConfigError outside 500..2400.

    The numbers are provisional: everything changes steadily with the rating, no match has measured it yet.
    """
    if not WEAKEST_ELO <= elo <= STRONGEST_ELO:
        raise ConfigError(f"Elo: expected {WEAKEST_ELO} to {STRONGEST_ELO}, got {elo}")
    share = (elo - WEAKEST_ELO) / (STRONGEST_ELO - WEAKEST_ELO)

    def between(ends: tuple[float, float]) -> float:
        return ends[0] + share * (ends[1] - ends[0])

    return StrengthPlan(
        nodes=round(NODES[0] * (NODES[1] / NODES[0]) ** share),
        temperature=between(TEMPERATURE),
        value_margin=between(VALUE_MARGIN),
        least_share=between(LEAST_SHARE),
    )


def choose(children: Sequence[RootMove], plan: StrengthPlan, rng: np.random.Generator) -> RootMove:
    """The move to play, of the root's moves, best first and at least one.

    A mate in one is always given. A move that is known to lose is played only where all are, and then the first.
    """
    not_lost = [child for child in children if child.mate is None or child.mate > 0]
    if not not_lost or children[0].mate == 1:
        return children[0]
    best_q = max((child.q for child in not_lost if child.visits), default=-1.0)
    weights = np.array([child.visits + PRIOR_VISITS * child.prior for child in not_lost])
    bad = np.array([child.visits > 0 and child.q < best_q - plan.value_margin for child in not_lost])
    weights[bad] = 0.0
    weights[weights < plan.least_share * weights.max()] = 0.0
    chances = (weights / weights.max()) ** (1.0 / plan.temperature)
    return not_lost[int(rng.choice(len(not_lost), p=chances / chances.sum()))]
