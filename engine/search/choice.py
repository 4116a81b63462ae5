"""The move at the end: drawn by visits where a temperature asks for variety, else the best."""

from __future__ import annotations

import numpy as np

from engine.search.root import RootView


def choose_move(search: RootView, temperature: float, rng: np.random.Generator) -> int:
    """Index of the root move to play: drawn by visits^(1 / temperature), or the best one at temperature 0.

    A proven win is played, and a move known to lose is not drawn while there is another.
    """
    proven = search.root_proven()
    visits = np.where(proven < 0, 0, search.root_visits()).astype(np.float64)
    if temperature == 0.0 or (proven > 0).any() or visits.max() == 0:
        return int(search.best_order()[0])
    bounds = np.cumsum((visits / visits.max()) ** (1.0 / temperature))
    return int(np.searchsorted(bounds, rng.random() * bounds[-1], side="right"))


def decayed_temperature(temperature: float, decay_moves: int, fullmove_number: int) -> float:
    """The temperature at a move of the game: linearly down to 0 after ``decay_moves`` moves, 0 keeps it."""
    if decay_moves == 0:
        return temperature
    return temperature * max(0.0, 1.0 - (fullmove_number - 1) / decay_moves)
