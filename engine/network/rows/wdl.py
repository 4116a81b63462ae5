"""Win, draw and loss as probabilities."""

from __future__ import annotations

import numpy as np

from engine.native.elementary import exp
from engine.native.jit import kernel


@kernel()
def softmax_of_3(logits, probabilities):
    """Write the softmax of the first three logits to probabilities, float32 [3]."""
    largest = max(logits[0], logits[1], logits[2])
    total = np.float32(0)
    for k in range(3):
        probabilities[k] = np.float32(exp(np.float64(logits[k] - largest)))
        total += probabilities[k]
    for k in range(3):
        probabilities[k] /= total
