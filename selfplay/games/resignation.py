"""Who would resign a stored game, and at which root value resigning is safe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.board.layout import SIDE
from selfplay.records.game import SelfPlayRecord

__all__ = ["giving_up", "safe_threshold"]

LEAST_MEASURED = 20  # games given up, before their share of errors says anything
STEPS = 5  # times that the distance of a threshold to -1 is halved, before nobody resigns at all
NEVER = -1.0


def giving_up(game: SelfPlayRecord, below: float, moves: int) -> int:
    """The first side that sees root values under `below` at so many of its moves in a row: as `gave_up` of a record."""
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
    """The highest threshold, from `below` downwards, with which at most that share of the resignations is wrong.

    Judged by the games played through; a threshold with too few resignations to judge it counts as safe. -1, never,
    where none is.
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
