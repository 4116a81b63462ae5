"""Weight initialisation: the variance of a layer's random initial weights."""

import math
from collections.abc import Callable

import numpy as np

from engine.errors import ConfigError

# Variance of a matrix's weights from the numbers that it takes and gives, by the name of the start.
VARIANCES: dict[str, Callable[[int, int], float]] = {
    # Keeps the variance through ReLU: He et al. 2015, arXiv:1502.01852.
    "he": lambda fan_in, fan_out: 2 / fan_in,
    # Of linear outputs: Glorot and Bengio 2010.
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    # Blocks that add to a stream; as PyTorch's linear layers.
    "small": lambda fan_in, fan_out: 1 / (3 * fan_in),
}


def initial(
    rng: np.random.Generator, start: str, shape: tuple[int, ...], fan_in: int, fan_out: int = 0
) -> np.ndarray:
    """Draw normal weights of one of the `VARIANCES`, float32."""
    return normal(rng, shape, math.sqrt(VARIANCES[start](fan_in, fan_out)))


def normal(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Draw normal weights with standard deviation `deviation`, float32.

    Raises ConfigError unless the deviation is finite and not negative.
    """
    if not 0 <= deviation < math.inf:
        raise ConfigError(f"initial weights: deviation must be finite and >= 0, not {deviation}")
    return rng.normal(0.0, deviation, shape).astype(np.float32, copy=False)
