"""Learning rate schedules: each maps a step number (from 0) or the finished share of the run to a
learning rate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from engine.errors import ConfigError

Schedule = Callable[[int], float]  # from the step number to the rate


@dataclass(frozen=True)
class WarmupCosine:
    """Linear rise to `peak` over `warmup` steps, then half a cosine down to `floor` at step
    `total`.

    The rise begins at `start` times the peak (default: peak / warmup). Raises ConfigError unless 0
    <= warmup < total, 0 <= floor <= peak < infinity and 0 <= start <= 1, and for a warm-up of less
    than one step, as in a schedule over the finished share, without `start`. Loshchilov and Hutter
    2017, arXiv:1608.03983.
    """

    peak: float
    total: float
    warmup: float = 0
    floor: float = 0.0
    start: float | None = None

    def __post_init__(self) -> None:
        peaked = 0 <= self.floor <= self.peak < math.inf
        if not 0 <= self.warmup < self.total or not peaked or not 0 <= (self.start or 0.0) <= 1:
            raise ConfigError(
                f"{self}: needs 0 <= warmup < total, 0 <= floor <= peak < infinity and 0 <= start <= 1"
            )
        if self.start is None and 0 < self.warmup < 1:
            raise ConfigError(
                f"{self}: a warm-up of less than one step needs a start, such as start=0.01"
            )

    @classmethod
    def over_progress(cls, peak: float) -> Self:
        """Build a schedule for a run measured in positions or minutes; call it with the finished
        share, 0 to 1.

        The rise takes 1/50 of the run; floor and start are 1/100 of the peak (set by hand).
        """
        return cls(peak, total=1.0, warmup=0.02, floor=0.01 * peak, start=0.01)

    def __call__(self, step: float) -> float:
        if step < self.warmup and self.start is not None:
            return self.peak * max(step / self.warmup, self.start)
        if step < self.warmup:
            # A warm-up of 2.5 steps has a third.
            return self.peak * min(1.0, (step + 1) / self.warmup)
        # In this order NaN stays NaN.
        progress = min((step - self.warmup) / (self.total - self.warmup), 1.0)
        return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class StepDecay:
    """A rate that is multiplied by `factor` every `every` steps.

    Raises ConfigError unless 0 <= rate < infinity, 0 < factor and every >= 1.
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.rate < math.inf or not 0 < self.factor < math.inf or not self.every >= 1:
            raise ConfigError(f"{self}: needs 0 <= rate < infinity, 0 < factor and every >= 1")

    def __call__(self, step: float) -> float:
        return self.rate * self.factor ** (step // self.every)
