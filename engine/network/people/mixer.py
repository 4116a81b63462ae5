"""The mixer of a network of people: what lies between its units and its heads.

With y the inputs of a layer, h = W1 y + b1, r = max(h, 0) and z = y + W2 r + b2, and dz from above:

    dr = W2^T dz    dh = dr where h > 0    dy = dz + W1^T dh
    dW2 += dz r^T   db2 += dz              dW1 += dh y^T   db1 += dh
"""

from collections.abc import Callable

import numpy as np

from engine.network.outputs import Tensors
from engine.nn.layer import Gradients

MIXER = "mixer.dense"


def mix(
    parameters: Tensors, y: np.ndarray
) -> tuple[np.ndarray, Callable[[np.ndarray, Gradients], np.ndarray]]:
    """Return the heads' inputs [B, U] of units y [B, U], and what takes their gradient, writes
    those of the parameters, and returns that of y.
    """
    names = [f"{MIXER}{layer}.{part}" for layer in (1, 2) for part in ("weight", "bias")]
    first, first_bias, second, second_bias = (parameters[name] for name in names)
    inputs = []
    for layer in range(len(first)):
        r = np.maximum(y @ first[layer].T + first_bias[layer], 0)
        inputs.append((y, r))
        y = y + r @ second[layer].T + second_bias[layer]

    def backward(dz: np.ndarray, grads: Gradients) -> np.ndarray:
        for name in names:
            grads[name] = np.empty_like(parameters[name])
        for layer in reversed(range(len(first))):
            below, r = inputs[layer]
            dh = (dz @ second[layer]) * (r > 0)
            slopes = (dh.T @ below, dh.sum(axis=0), dz.T @ r, dz.sum(axis=0))
            for name, slope in zip(names, slopes, strict=True):
                grads[name][layer] = slope
            dz = dz + dh @ first[layer]
        return dz

    return y, backward
