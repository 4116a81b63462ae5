"""Losses on raw outputs: each returns its mean over the batch and the gradient of that mean.

    loss, dlogits = softmax_cross_entropy(logits, targets)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError

Array = Any
LOSSES: dict[str, Callable[..., tuple[float, Array]]] = {}


def register_loss(function: Callable[..., tuple[float, Array]]) -> Callable[..., tuple[float, Array]]:
    """Decorator: make a loss known to the gradient check under its function name."""
    LOSSES[function.__name__] = function
    return function


@register_loss
def softmax_cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits) against classes or distributions.

    logits [B, A]; targets int [B] (class numbers) or float [B, A] (rows sum to 1); mask bool [B, A], False where an
    action is impossible: it gets probability 0, no gradient, and its target must be 0. Returns (mean loss, dlogits).

    With p = softmax(z): L = -sum_a t_a log p_a, dL/dz_a = p_a sum(t) - t_a. The row maximum is taken off first, so no
    exponential overflows. Raises ShapeError when the shapes do not fit.
    """
    xp = backend_of(logits).xp
    batch, actions = logits.shape
    if targets.shape not in ((batch,), (batch, actions)) or (mask is not None and mask.shape != logits.shape):
        raise ShapeError(f"softmax_cross_entropy: logits {list(logits.shape)}, targets {list(targets.shape)}")
    if targets.ndim == 1:
        targets = (targets[:, None] == xp.arange(actions)).astype(logits.dtype)
    targets = targets.astype(logits.dtype, copy=False)
    usable = logits if mask is None else xp.where(mask, logits, -xp.inf)
    shifted = usable - usable.max(axis=1, keepdims=True)
    exponentials = xp.exp(shifted)
    normaliser = exponentials.sum(axis=1, keepdims=True)
    log_probabilities = shifted - xp.log(normaliser)
    if mask is not None:
        log_probabilities = xp.where(mask, log_probabilities, 0)
    loss = -(targets * log_probabilities).sum() / batch
    weight = targets.sum(axis=1, keepdims=True)
    return float(loss), (exponentials / normaliser * weight - targets) / batch


@register_loss
def mse(prediction: Array, target: Array) -> tuple[float, Array]:
    """Mean squared error over all n elements: L = sum (p - t)^2 / n, dp = 2 (p - t) / n."""
    difference = _difference(prediction, target)
    return float((difference * difference).mean()), 2 / difference.size * difference


@register_loss
def huber(prediction: Array, target: Array, delta: float = 1.0) -> tuple[float, Array]:
    """Mean over all n elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e = prediction - target.

    dp = clip(e, -delta, delta) / n. Raises ConfigError unless delta > 0. Huber 1964.
    """
    if not delta > 0:
        raise ConfigError(f"huber: delta must be > 0, not {delta}")
    xp = backend_of(prediction).xp
    difference = _difference(prediction, target)
    clipped = xp.clip(difference, -delta, delta)
    return float((clipped * (difference - clipped / 2)).mean()), clipped / difference.size


def _difference(prediction: Array, target: Array) -> Array:
    if prediction.shape != target.shape:
        raise ShapeError(f"prediction {list(prediction.shape)} and target {list(target.shape)} differ")
    return prediction - target.astype(prediction.dtype, copy=False)
