"""What an evaluator has answered, checked before a search believes it."""

import numpy as np

from engine.errors import EvaluatorError
from engine.evaluation.protocol import LeafBatch
from engine.native.jit import kernel

# By how much chances may be off, because half precision and rounding are no faults. Set by hand.
CHANCE_TOLERANCE = 1e-3
SUM_TOLERANCE = 1e-2

# What is wrong with an answer.
_FINE = 0
_CHANCES = 1
_LOGITS = 2
_PLIES = 3


def check_answers(name: str, leaves: LeafBatch, first: int, last: int) -> None:
    """Raise EvaluatorError, which names the evaluator, unless its answers to leaves[first:last] can
    be used.

    Usable are chances that add up to 1, logits of the legal moves that are numbers or minus
    infinity, and plies left that are a number.
    """
    leaf, fault = find_fault(leaves, first, last)
    if fault == _FINE:
        return
    expected, actual = {
        _CHANCES: ("chances of win, draw and loss from 0 to 1 that add up to 1", leaves.wdl[leaf]),
        _LOGITS: ("logits that are numbers", leaves.logits[leaf, : leaves.n_moves[leaf]]),
        _PLIES: ("plies left that are a number", leaves.moves_left[leaf]),
    }[fault]
    raise EvaluatorError(
        f"evaluator {name}: expected {expected}, got {' '.join(str(actual).split())}"
    )


@kernel()
def find_fault(leaves, first, last):
    """Return (leaf, kind of fault) of the first answer in leaves[first:last] that cannot be used."""
    for leaf in range(first, last):
        total = 0.0
        for i in range(3):
            chance = np.float64(leaves.wdl[leaf, i])
            if not -CHANCE_TOLERANCE <= chance <= 1.0 + CHANCE_TOLERANCE:
                return leaf, _CHANCES
            total += chance
        if abs(total - 1.0) > SUM_TOLERANCE:
            return leaf, _CHANCES
        for i in range(leaves.n_moves[leaf]):
            if not leaves.logits[leaf, i] < np.inf:
                return leaf, _LOGITS
        if not abs(leaves.moves_left[leaf]) < np.inf:
            return leaf, _PLIES
    return last, _FINE
