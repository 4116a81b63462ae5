"""The mixer of a network of people: what lies between its units and its heads.

With y the inputs of a layer, h = W1 y + b1, r = max(h, 0) and z = y + W2 r + b2, and dz from above:

    dr = W2^T dz    dh = dr where h > 0    dy = dz + W1^T dh
    dW2 += dz r^T   db2 += dz              dW1 += dh y^T   db1 += dh
"""

from collections.abc import Callable, Mapping

import numpy as np

from engine.nn.layer import Gradients

MIXER = "mixer.dense"


def mix(
    parameters: Mapping[str, np.ndarray], y: np.ndarray
) -> tuple[np.ndarray, Callable[[np.ndarray, Gradients], np.ndarray]]:
    """Return the heads' inputs [B, U] of units y [B, U], and what takes their gradient, writes
    those of the parameters, and returns that of y.
    """
    names = [f"{MIXER}{layer}.{part}" for layer in (1, 2) for part in ("weight", "bias")]
    weights = list(zip(*(parameters[name] for name in names), strict=True))
    kept = []
    for first, first_bias, second, second_bias in weights:
        r = np.maximum(y @ first.T + first_bias, 0)
        kept.append((y, r))
        y = y + r @ second.T + second_bias

    def backward(dz: np.ndarray, grads: Gradients) -> np.ndarray:
        found = []
        for (first, _, second, _), (below, r) in reversed(list(zip(weights, kept, strict=True))):
            dh = (dz @ second) * (r > 0)
            found.append((dh.T @ below, dh.sum(axis=0), dz.T @ r, dz.sum(axis=0)))
            dz = dz + dh @ first
        for name, parts in zip(names, zip(*reversed(found), strict=True), strict=True):
            grads[name] = np.stack(parts)
        return dz

    return y, backward
