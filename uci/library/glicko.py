"""Glicko-2 ratings, a game at a time, as Lichess rates puzzles (Glickman 2012, "Example of the
Glicko-2 system").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SCALE = 173.7178  # rating points of one unit of Glicko-2
_TAU = 0.5  # how much volatility may change: from the paper
_LEAST_DEVIATION, _MOST_DEVIATION = 45.0, 350.0  # rating points; Lichess's least
# The latter is Lichess's.
MOST_RATING = 5000
_MOST_VOLATILITY = 0.1
_EXACT = 1e-9


@dataclass(frozen=True)
class Rating:
    """A rating and its deviation in points (1500 is the mean), and its volatility."""

    points: float = 1500.0
    deviation: float = _MOST_DEVIATION
    volatility: float = 0.06

    def after(self, score: float, opponent: Rating) -> Rating:
        """Return the rating after a game with that score, 0..1, against an opponent."""
        mu, phi = (self.points - 1500.0) / _SCALE, self.deviation / _SCALE
        spread = 1.0 / math.sqrt(1.0 + 3.0 * (opponent.deviation / _SCALE) ** 2 / math.pi**2)
        expected = 1.0 / (1.0 + math.exp(-spread * (mu - (opponent.points - 1500.0) / _SCALE)))
        variance = 1.0 / (spread**2 * expected * (1.0 - expected))
        delta = variance * spread * (score - expected)
        volatility = _volatility(self.volatility, phi, variance, delta)
        phi = 1.0 / math.sqrt(1.0 / (phi**2 + volatility**2) + 1.0 / variance)
        points = 1500.0 + _SCALE * (mu + phi**2 * spread * (score - expected))
        return Rating(
            min(max(0.0, points), float(MOST_RATING)),
            min(max(_LEAST_DEVIATION, _SCALE * phi), _MOST_DEVIATION),
            min(volatility, _MOST_VOLATILITY),
        )


def _volatility(before: float, phi: float, variance: float, delta: float) -> float:
    """Step 5 of the paper, by bisection."""
    start = 2.0 * math.log(before)

    def f(x: float) -> float:
        grown = phi**2 + variance + math.exp(x)
        return math.exp(x) * (delta**2 - grown) / (2.0 * grown**2) - (x - start) / _TAU**2

    # To the root beside it: of an upset against long odds, there are absurd ones.
    step = math.copysign(_TAU, f(start))
    low = start
    high = start + step
    while f(high) * step > 0.0:
        high += step
    while abs(high - low) > _EXACT:
        middle = (low + high) / 2.0
        if f(middle) * f(low) > 0.0:
            low = middle
        else:
            high = middle
    return math.exp(low / 2.0)
