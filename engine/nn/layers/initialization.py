"""Weight initialisation: the variance of a layer's random initial weights."""

from __future__ import annotations

import math

import numpy as np

from engine.errors import ConfigError

EMBEDDING_DEVIATION = 0.02  # standard deviation of vectors that a residual stream begins with, as in GPT-2


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Draw normal weights of variance 2 / fan_in, float32. They keep the variance through ReLU layers. He et al. 2015,
    arXiv:1502.01852."""
    return normal(rng, shape, math.sqrt(2 / fan_in))


def glorot_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """Draw normal weights of variance 2 / (fan_in + fan_out), float32, for linear and saturating outputs. Glorot
    and Bengio 2010."""
    return normal(rng, shape, math.sqrt(2 / (fan_in + fan_out)))


def normal(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    """Draw normal weights with standard deviation `deviation`, float32.

    Raises ConfigError unless `rng` is a generator.
    """
    if not hasattr(rng, "normal"):
        raise ConfigError(f"initial weights: rng must be a generator such as np.random.default_rng(0), not {rng!r:.40}")
    return rng.normal(0.0, deviation, shape).astype(np.float32, copy=False)
