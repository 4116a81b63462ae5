"""What a search finds out about moves wherever they are played: the butterfly history, which
sharpens priors.

An entry for each side, source and target square. Every visit tells the entries of its moves, from
the base of its stint down, how much better it ended than their nodes stood. Nodes that get their
edges later trust or distrust those moves accordingly, and so do nodes with many visits, whose
priors follow the history while it learns (`priors.refresh`):

    advantage = value of the visit - Q(node), for the side to move
    n = min(n + 1, BUTTERFLY_VISITS)
    h += (advantage - h) / n        the mean; after BUTTERFLY_VISITS visits a running one that forgets
    logit / temperature += weight * h * n / (n + BUTTERFLY_DOUBT)

A policy sees a position; the history knows what the moves led to a move or two away from it.
Alpha-beta engines order quiet moves like this: Schaeffer 1989, "The history heuristic and
alpha-beta search enhancements in practice". Each thread has its own, of the visits that it made
itself; from time to time they are joined.
"""

from collections.abc import Sequence

import numpy as np

from engine.native.jit import kernel
from engine.search.tree.params import BONUS_UNIT, BUTTERFLY_DOUBT, BUTTERFLY_VISITS
from engine.search.tree.puct import mover_q

SQUARES_MASK = 0xFFF  # The bits of a move that tell its squares.
MEAN, COUNT = 0, 1  # Words of an entry.


@kernel()
def learns(params):
    """Whether the history is in use."""
    return params.butterfly > 0.0


@kernel()
def note_advantage(tree, node, depth, side, value):
    """Tell a move of `side` how a visit ended for it; it was made at `node`, which is at `depth` on
    the path.
    """
    if tree.nodes[node].visits == 0:
        return  # The first visit of a root: nothing to compare with.
    entry = tree.butterfly[side, np.int64(tree.path[depth]) & SQUARES_MASK]
    advantage = value - mover_q(tree, node, 0.0)
    entry[COUNT] = min(entry[COUNT] + np.float32(1.0), np.float32(BUTTERFLY_VISITS))
    entry[MEAN] += (np.float32(advantage) - entry[MEAN]) / entry[COUNT]


@kernel()
def butterfly_bonus(tree, params, side, move):
    """Return what to add to a move's logit, divided by the temperature, in BONUS_UNITs."""
    entry = tree.butterfly[side, np.int64(move) & SQUARES_MASK]
    count = np.float64(entry[COUNT])
    return np.int64(
        params.butterfly * np.float64(entry[MEAN]) * count / (count + BUTTERFLY_DOUBT) / BONUS_UNIT
    )


def join_histories(histories: Sequence[np.ndarray]) -> None:
    """Give each thread's history, float32 [2, 4096, 2], what all of them learned, and an equal
    share of its visits: so histories that are joined again without new visits stay as they are.
    """
    together = np.stack(histories)
    counts = together[..., COUNT].sum(axis=0)
    mean = (together[..., MEAN] * together[..., COUNT]).sum(axis=0) / np.where(
        counts > 0.0, counts, 1.0
    )
    for history in histories:
        history[..., MEAN] = mean
        history[..., COUNT] = counts / len(histories)
