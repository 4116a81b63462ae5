"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError, TrainingError


def global_norm(grads: Mapping[str, Any]) -> float:
    """Return the Euclidean norm of all gradients taken as one vector."""
    return math.sqrt(sum(float(backend_of(g).xp.linalg.norm(g)) ** 2 for g in grads.values()))


def clip_global_norm(grads: Mapping[str, Any], limit: float) -> float:
    """Scale all gradients in place so that their global norm is at most ``limit``; return the norm before clipping.

    Raises ConfigError unless limit > 0, TrainingError when a gradient is not finite. Pascanu et al. 2013,
    arXiv:1211.5063.
    """
    if not limit > 0:
        raise ConfigError(f"the clipping limit must be > 0, not {limit}")
    norm = global_norm(grads)
    if not math.isfinite(norm):
        raise TrainingError(f"clipping: expected finite gradients, found a norm of {norm}")
    if norm > limit:
        for gradient in grads.values():
            gradient *= limit / norm
    return norm
