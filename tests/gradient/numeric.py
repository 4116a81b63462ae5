"""Central differences, and the measure by which two gradients are compared."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEP = 1e-6
TOLERANCE = 1e-6


def numeric_gradient(value: Callable[[], float], tensor: np.ndarray) -> np.ndarray:
    """Central differences of ``value`` over every element of ``tensor``, which is changed in place and restored."""
    gradient = np.zeros_like(tensor)
    for place in np.ndindex(tensor.shape):
        kept = tensor[place]
        tensor[place] = kept + STEP
        above = value()
        tensor[place] = kept - STEP
        below = value()
        tensor[place] = kept
        gradient[place] = (above - below) / (2 * STEP)
    return gradient


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """|a - n| / (|a| + |n|) over a whole tensor; 0 where both are 0."""
    scale = np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return float(np.linalg.norm(analytic - numeric) / scale) if scale else 0.0
