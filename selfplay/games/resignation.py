"""Finds which side would resign a stored game, and the root value at which resigning is safe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.board.layout import SIDE
from selfplay.records.game import SelfPlayRecord

LEAST_MEASURED = 20  # fewest given-up games from which an error rate is taken
STEPS = 5  # halvings of the threshold's distance to -1 before resigning is turned off
NEVER = -1.0


def giving_up(game: SelfPlayRecord, below: float, moves: int) -> int:
    """The first side with root values under `below` at `moves` of its moves in a row; coded as `gave_up`."""
    hopeless = game.root_wdl[:, 0].astype(np.float64) - game.root_wdl[:, 2] < below
    if hopeless.sum() < moves:
        return 0
    in_a_row = [0, 0]
    for ply, lost in enumerate(hopeless):
        side = (int(game.start[SIDE]) + ply) % 2
        in_a_row[side] = in_a_row[side] + 1 if lost else 0
        if in_a_row[side] >= moves:
            return 1 - 2 * side
    return 0


def safe_threshold(games: Sequence[SelfPlayRecord], below: float, moves: int, errors: float) -> float:
    """The highest threshold, from `below` downwards, at which at most `errors` (a share) of resignations are wrong.

    The games played through decide this. A threshold with too few resignations to judge counts as safe. Returns -1
    (never resign) if no threshold is safe.
    """
    telling = [game for game in games if game.played_through]
    for step in range(STEPS + 1):
        threshold = NEVER + (below - NEVER) * 0.5**step
        sides = [(giving_up(game, threshold, moves), game.white_points) for game in telling]
        given_up = sum(side != 0 for side, _ in sides)
        wrong = sum(side != 0 and side * points >= 0 for side, points in sides)
        if given_up < LEAST_MEASURED or wrong <= errors * given_up:
            return threshold
    return NEVER
