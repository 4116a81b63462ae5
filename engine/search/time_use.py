"""How much of its planned time a move deserves, by what its search has found so far.

In 2,756 positions of games, at 150 to 1,700 visits, the gain of doubled visits (by what 7,200 visits
thought of both moves) grew with the share of visits that other moves had, five times where the most
visited move had not the best value, and by e for each 0.11 that the value was below that of the
move before. It did not depend on how often the best move had changed, nor on recaptures, once those
were known.
"""

from math import inf

import numpy as np

from engine.search.search_tree_state import Search
from engine.search.tree import params


def doubt(search: Search, before: float | None = None) -> float:
    """Multiple of a move's planned time that the choice at the root deserves; infinite before any
    move is visited, and where the most visited one has not the best value.

    `before` is the value that the last move of the same game was played with. None = not known.

    Asked every few milliseconds by a clock: to read the whole `root` takes three times as long.
    """
    edges = search.tree.edges[search.edges()]
    visits = edges["passes"]
    if not visits.any():
        return inf
    most = visits.argmax()
    promising = visits >= max(1, params.PROMISING_SHARE * visits[most])
    q = np.where(promising, edges["q"], -2.0)
    if q.argmax() != most:
        return inf
    by_share = params.DOUBT_SLOPE * (1.0 - visits[most] / visits.sum())
    multiple = min(max(params.DOUBT_FLOOR, by_share), params.DOUBT_CEILING)
    if before is not None:
        by_fall = 1.0 + params.FALL_SLOPE * (before - q[most])
        multiple *= min(max(1.0, by_fall), params.FALL_CEILING)
    return float(multiple)
