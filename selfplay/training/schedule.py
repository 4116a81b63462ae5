"""The learning rate as a function of progress, so that a run may be budgeted in positions or in minutes."""

from __future__ import annotations

import math

__all__ = ["learning_rate"]


def learning_rate(progress: float, peak: float, warmup: float = 0.02, floor: float = 0.01) -> float:
    """Linear warm-up to `peak` over the first `warmup` of the run, then half a cosine down to `floor` * `peak`.

    progress: share of the run that is done, 0..1; beyond 1 the rate stays at its floor.
    """
    if progress < warmup:
        return peak * max(progress / warmup, 0.01)
    phase = min(1.0, (progress - warmup) / (1.0 - warmup))
    return peak * (floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * phase)))
