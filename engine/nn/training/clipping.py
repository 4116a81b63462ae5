"""The norm of a gradient, and limits of it and of its numbers."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, TrainingError
from engine.native.blas import one_blas_thread
from engine.nn.array_checks import mapped
from engine.nn.training.history import floats

Array = Any


def global_norm(grads: Mapping[str, Any]) -> float:
    """Return the Euclidean norm of all gradients taken as one vector; finite for finite gradients."""
    with np.errstate(over="ignore"), one_blas_thread:
        norms = floats(mapped(_quick_norm, dict(grads)))
        return math.hypot(*[_norm(gradient, norms[name]) for name, gradient in grads.items()])


def _quick_norm(gradient: Array) -> Any:
    """Return a gradient's norm, which may lie on a device, and may have left its range."""
    if isinstance(gradient, np.ndarray):
        flat = gradient.ravel(order="K")
        return float(np.sqrt(flat.dot(flat)))  # as `np.linalg.norm`, in a third of its time
    return xp_of(gradient).linalg.norm(gradient)


def _norm(gradient: Array, norm: float) -> float:
    """Return a gradient's norm. Where the squares leave the range of its dtype, its largest element
    scales it first.
    """
    if _least_norm(gradient.dtype) < norm < math.inf or not gradient.size:
        return norm
    xp = xp_of(gradient)
    largest = float(xp.abs(gradient).max())
    if not 0 < largest < math.inf:
        return largest
    return largest * float(xp.linalg.norm(gradient.astype(np.float64) / largest))


@functools.cache
def _least_norm(dtype: np.dtype[Any]) -> float:
    """Return the smallest norm whose square is precise."""
    return 1e4 * math.sqrt(float(np.finfo(dtype).tiny))


def clip_global_norm(grads: Mapping[str, Any], limit: float) -> float:
    """Scale all gradients in place so that their global norm is at most `limit`; return the norm
    before clipping.

    Raises ConfigError unless limit > 0, TrainingError when a gradient is not finite. Pascanu et al.
    2013, arXiv:1211.5063.
    """
    _check_limit(limit)
    norm = global_norm(grads)
    if not math.isfinite(norm):
        raise TrainingError(f"clipping: expected finite gradients, found a norm of {norm}")
    scale_to(grads, norm, limit)
    return norm


def clip_value(grads: Mapping[str, Any], limit: float) -> None:
    """Move every number of the gradients into [-limit, limit], in place; NaN stays NaN.

    Raises ConfigError unless limit > 0.
    """
    _check_limit(limit)
    for gradient in grads.values():
        xp_of(gradient).clip(gradient, -limit, limit, out=gradient)


def _check_limit(limit: float) -> None:
    if not limit > 0:
        raise ConfigError(f"the clipping limit must be > 0, not {limit}")


def scale_to(grads: Mapping[str, Any], norm: float, limit: float) -> None:
    """Bring gradients of this norm to the limit in place, in double precision where their dtype has
    no such small factor.
    """
    if not norm > limit:
        return
    factor = limit / norm
    for gradient in grads.values():
        if factor < 1e4 * np.finfo(gradient.dtype).tiny:
            gradient[...] = gradient.astype(np.float64) * factor
        else:
            gradient *= factor
