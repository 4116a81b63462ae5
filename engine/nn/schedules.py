"""Learning rates over time: a schedule maps a step number (from 0) to a learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import ConfigError


@dataclass(frozen=True)
class Constant:
    """The same rate at every step. Raises ConfigError unless peak >= 0."""

    peak: float

    def __post_init__(self) -> None:
        if not self.peak >= 0:
            raise ConfigError(f"{self}: the rate must be >= 0")

    def __call__(self, step: int) -> float:
        return self.peak


@dataclass(frozen=True)
class WarmupCosine:
    """Linear rise to ``peak`` over ``warmup`` steps, then half a cosine down to ``floor`` at step ``total``.

    Raises ConfigError unless 0 <= warmup < total and 0 <= floor <= peak. Loshchilov and Hutter 2017, arXiv:1608.03983.
    """

    peak: float
    total: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.total or not 0 <= self.floor <= self.peak:
            raise ConfigError(f"{self}: needs 0 <= warmup < total and 0 <= floor <= peak")

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / (self.total - self.warmup))
        return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * progress)) / 2
