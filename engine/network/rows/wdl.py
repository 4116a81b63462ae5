"""Win, draw and loss as probabilities, and the losses and gradient of a network's four outputs."""

from __future__ import annotations

import numpy as np

from engine.native.elementary import exp, log
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


@kernel(contract=True)
def output_gradient(batch, b, scale, value_weight, left_weight, scratch, out, first):
    """Compute the losses of value and moves left, of which the first has number `first`, and the outputs' gradient."""
    softmax_of_3(scratch.outputs, scratch.probabilities)
    loss, share = np.float32(0), batch.wdl[b, 0] + batch.wdl[b, 1] + batch.wdl[b, 2]
    for j in range(3):
        target = batch.wdl[b, j]
        loss -= target * np.float32(log(np.float64(max(scratch.probabilities[j], np.float32(1e-30)))))
        out.doutputs[b, j] = (share * scratch.probabilities[j] - target) * np.float32(scale * value_weight)
    left_known = np.float32(batch.moves_left[b] >= 0)
    error = (scratch.outputs[3] - batch.moves_left[b]) * left_known
    clipped = min(max(error, np.float32(-1)), np.float32(1))
    out.doutputs[b, 3] = clipped * np.float32(scale * left_weight)
    out.known[b, first], out.known[b, first + 1] = share, left_known
    out.losses[b, first], out.losses[b, first + 1] = loss, clipped * (error - clipped * np.float32(0.5))
