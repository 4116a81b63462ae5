"""Losses on raw outputs. Each returns its mean over the batch and the gradient of that mean.

    loss, dlogits = softmax_cross_entropy(logits, targets)
    dx, grads = backward(dlogits)

Outputs are float arrays; the gradient has their shape and dtype, the loss is a Python float. One of
some places, or a sum, is a `MeanOver`, so that shards and batches of a training weigh it rightly.
Targets may have any dtype that holds their values. "Raw" means without softmax or sigmoid at the
end: the losses contain them.

Special values: 0 times the logarithm of 0 is 0, so outputs of -infinity (or +infinity for a
sigmoid) cost nothing where the target agrees. Sums that leave the range of the outputs' dtype are
computed in double precision. NaN gives NaN. An empty batch has no mean and raises ShapeError.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import numpy as np

from engine.backend import backend_of, bounds, to_numpy, xp_of
from engine.errors import ConfigError, DataError, ShapeError
from engine.nn.array_checks import form_of, is_array
from engine.nn.means import SUM, MeanOver
from engine.nn.operations import operations_for

Array = Any
Measured = tuple[Any, Array]  # a loss, and its gradient
Rest = ParamSpec("Rest")
Loss = Callable[Concatenate[Array, Rest], tuple[float, Array]]


def _in_range(loss: Loss[Rest]) -> Loss[Rest]:
    """Decorate: compute a loss once more in double precision if it is not finite in that of the
    outputs.
    """

    @wraps(loss)
    def computed(outputs, *rest, **options):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, gradient = loss(outputs, *rest, **options)
            if outputs.dtype == np.float64 or xp_of(value).isfinite(value).all():
                return value, gradient
            value, gradient = loss(outputs.astype(np.float64), *rest, **options)
            return value, gradient.astype(outputs.dtype)

    return computed


@_in_range
def softmax_cross_entropy(
    logits: Array,
    targets: Array,
    mask: Array | None = None,
    ignore_index: int | None = None,
    *,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    weights: Array | None = None,
    axis: int | None = None,
) -> Measured:
    """Cross-entropy of softmax(logits) against classes or distributions.

    logits [B, A], or [B, T, A] of sequences; targets int [B] (class indices) or float [B, A] (rows
    sum to 1); mask bool [B, A], False where an action is impossible. Such an action gets
    probability 0 and no gradient, and its target must be 0. A logit of -infinity does the same,
    except that a target above 0 then costs infinity. Places whose class is `ignore_index` cost
    nothing and are not counted; where all are, the loss is 0. Returns (mean loss, dlogits).

    `class_weights` [A] multiply what a class costs; the mean over classes then divides by the sum
    of their weights. `label_smoothing` s takes (1 - s) t + s / A as targets. `reduction` is "mean",
    "sum", or "none" for the loss of each place, with the gradient of their sum. `weights` [B], or
    [B, T] of each place, multiply what it costs; the mean divides by their sum.

    Classes are the last axis, or `axis`: 1 for images [B, A, H, W] with classes [B, H, W].

    With p = softmax(z): L = -sum_a t_a log p_a, dL/dz_a = p_a sum(t) - t_a. Subtracting the row
    maximum first keeps the exponentials from overflowing. Raises ShapeError when shapes or dtypes
    do not fit and for a single output, whose probability is always 1, DataError for a class out of
    range, for a target that the mask forbids and for a row with no possible action.
    """
    _check_floating("softmax_cross_entropy", logits, least=2)
    last = logits.ndim - 1
    if axis is not None and axis % logits.ndim != last:
        sides = logits.ndim
        loss, gradient = softmax_cross_entropy(
            _classes_last(logits, axis, sides),
            _classes_last(targets, axis, sides),
            _classes_last(mask, axis, sides),
            ignore_index,
            class_weights=class_weights,
            label_smoothing=label_smoothing,
            reduction=reduction,
            weights=weights,
            axis=-1,
        )
        return loss, xp_of(logits).moveaxis(gradient, -1, axis)
    if axis is None and last > 2:
        _check_axis(logits, targets)
    _check_targets(logits, targets, mask, ignore_index is not None)
    _check_reduction("softmax_cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1 or (label_smoothing and mask is not None):
        limit = "from 0 to 1, and 0 where a mask is given"
        raise ConfigError(f"label_smoothing must be {limit}, not {label_smoothing}")
    of_places = None
    if weights is not None:
        of_places = place_weights("softmax_cross_entropy", weights, logits.shape[:-1], logits)
    of_classes = _class_weights(logits, class_weights)
    are_classes = targets.dtype.kind in "iu" and targets.ndim == last
    if are_classes and mask is None and logits.shape[-1] > 1:
        settings = of_classes, of_places, label_smoothing, reduction
        result = _loss_of_classes(logits, targets, ignore_index, *settings)
        if result is not None:
            return result
    are_plain = class_weights is None and weights is None and not label_smoothing
    if are_plain and reduction == "mean" and last == 1 and ignore_index is None:
        loss, gradient = soft_target_loss(logits, _distribution(logits, targets, mask), mask)
        return float(loss), gradient
    counted = targets != ignore_index
    if ignore_index is None:
        counted = xp_of(logits).ones(logits.shape[:-1], bool)
    losses, gradient, weight = _of_each_place(
        logits, targets, counted, mask, of_classes, of_places, label_smoothing
    )
    return _over_places(losses, gradient, reduction, weight, weight)


def _classes_last(array: Any, axis: int, sides: int) -> Any:
    """Return an array of so many sides with its axis of classes at the end; any other as it is."""
    if getattr(array, "ndim", 0) != sides:
        return array
    xp = xp_of(array)
    return xp.ascontiguousarray(xp.moveaxis(array, axis, -1))


def _share(weight: float) -> float:
    """Return what a sum over so much weight is multiplied by for a mean; 0 where nothing counts."""
    if not weight:
        return 0.0
    return 1 / weight


def _check_targets(logits: Array, targets: Array, mask: Array | None, are_classes: bool) -> None:
    """Raise ShapeError unless targets and mask fit the logits, in the same memory."""
    *places, actions = logits.shape
    shapes = [places]
    if not are_classes:
        shapes.append([*places, actions])
    if not is_array(targets) or list(targets.shape) not in shapes:
        expected = f"targets {' or '.join(map(str, shapes))} for logits {list(logits.shape)}"
        raise ShapeError(f"softmax_cross_entropy: expected {expected}, found {form_of(targets)}")
    if mask is not None and form_of(mask) != (form := f"bool {[*logits.shape]}"):
        raise ShapeError(f"softmax_cross_entropy: expected a mask {form}, found {form_of(mask)}")


def _distribution(logits: Array, targets: Array, mask: Array | None) -> Array:
    """Return targets, classes [B] or distributions [B, A], as distributions; or raise an error for
    those that do not fit.
    """
    xp = xp_of(logits)
    actions = logits.shape[-1]
    are_classes = targets.ndim == 1
    if are_classes:
        if targets.dtype.kind not in "iu":
            raise ShapeError(
                f"softmax_cross_entropy: expected integer classes, found {targets.dtype}"
            )
        _check_classes(targets, actions)
    if actions == 1:
        raise ShapeError(
            "softmax_cross_entropy: expected at least 2 outputs, found 1, whose probability is always 1"
        )
    pure = targets
    if are_classes:
        pure = targets[:, None] == xp.arange(actions)
    if mask is not None:
        fits = mask | (pure == 0)
        is_possible, all_fit = to_numpy(xp.stack([mask.any(axis=1).all(), fits.all()]))
        if not is_possible:
            raise DataError(
                "softmax_cross_entropy: expected a possible action in every row of the mask"
            )
        if not all_fit:
            raise DataError(
                "softmax_cross_entropy: expected targets 0 where the mask is False, found others"
            )
    if isinstance(pure, np.ndarray) and (smallest := pure.min()) < 0:
        raise DataError(f"softmax_cross_entropy: expected targets >= 0, found {smallest}")
    return pure


def _class_weights(outputs: Array, class_weights: Array | None) -> Array:
    """Return a weight for each class, of the outputs' dtype; 1 where none are given."""
    xp = xp_of(outputs)
    actions = outputs.shape[-1]
    if class_weights is None:
        return xp.ones(actions, outputs.dtype)
    if getattr(class_weights, "shape", None) != (actions,) or not bool((class_weights >= 0).all()):
        expected = f"class_weights must be {actions} numbers >= 0, one for each class"
        raise ShapeError(f"{expected}, not {form_of(class_weights)}")
    return backend_of(outputs).asarray(class_weights).astype(outputs.dtype)


def _of_each_place(
    logits: Array,
    targets: Array,
    counted: Array,
    mask: Array | None,
    class_weights: Array,
    of_places: Array | None,
    smoothing: float,
) -> tuple[Array, Array, float]:
    """Return the loss of each place, 0 where it is not `counted`, the gradient of their sum, and
    what divides this for a mean.
    """
    xp = xp_of(logits)
    losses = xp.zeros(counted.shape, logits.dtype)
    gradient = xp.zeros_like(logits)
    rows = logits[counted]
    allowed = None
    if mask is not None:
        allowed = mask[counted]
    if not len(rows):
        return losses, gradient, 0.0
    pure = _distribution(rows, targets[counted], allowed)
    smooth = pure * (1 - smoothing) + smoothing / logits.shape[-1]
    terms, slopes = _soft_parts(rows, smooth * class_weights, allowed, 1)
    row_losses = -terms.sum(axis=1)
    weights = xp.ones((len(pure), 1), logits.dtype)
    if pure.dtype == bool:  # classes
        weights = pure * class_weights
    if of_places is not None:
        row_weights = of_places[counted]
        row_losses = row_losses * row_weights
        slopes = slopes * row_weights[:, None]
        weights = weights * row_weights[:, None]
    losses[counted] = row_losses
    gradient[counted] = slopes
    return losses, gradient, float(weights.sum())


def place_weights(owner: str, weights: Any, places: tuple[int, ...], like: Array) -> Array:
    """Return weights of examples, or of each place, as one for each of all `places`, where `like`
    is.

    Raises ShapeError for weights that are none.
    """
    if (
        not is_array(weights)
        or tuple(weights.shape) != tuple(places[: weights.ndim])
        or not weights.ndim
        or not bool((weights >= 0).all())
    ):
        expected = f"weights >= 0, {list(places[:1])} of examples or {list(places)} of places"
        raise ShapeError(f"{owner}: expected {expected}, found {form_of(weights)}")
    there = backend_of(like).asarray(weights).astype(like.dtype)
    sides = (*there.shape, *[1] * (len(places) - there.ndim))
    return xp_of(like).broadcast_to(there.reshape(sides), places)


def _check_axis(logits: Array, targets: Array) -> None:
    """Raise ShapeError for classes of images whose sides do not tell which axis has the classes."""
    shape = tuple(logits.shape)
    if tuple(getattr(targets, "shape", ())) == shape[:-1] == (shape[0], *shape[2:]):
        advice = "give axis=1 if the channels are the classes, else axis=-1"
        raise ShapeError(
            f"softmax_cross_entropy: logits {list(shape)} fit targets along two axes: {advice}"
        )


def _loss_of_classes(
    logits: Array,
    targets: Array,
    ignore_index: int | None,
    of_classes: Array,
    of_places: Array | None,
    smoothing: float,
    reduction: str,
) -> Measured | None:
    """Return `softmax_cross_entropy` for classes [B] or [B, T], if a kernel computes it."""
    counted: Any = ...
    if ignore_index is not None:
        counted = targets != ignore_index
    classes = targets[counted]
    if classes.size:
        _check_classes(classes, logits.shape[-1])
    row_weights = of_classes[classes]
    if of_places is not None:
        row_weights = row_weights * of_places[counted]
    weight = float(row_weights.sum(dtype=np.float64))
    share = 1.0
    if reduction == "mean":
        share = _share(weight)
    settings = ignore_index, share, of_places, of_classes, smoothing
    result = operations_for(logits).cross_entropy(logits, targets, *settings)
    if result is None:
        return None
    total, losses, gradient = result
    if reduction == "none":
        return losses.astype(logits.dtype), gradient
    if reduction == "sum":
        return MeanOver(total, SUM), gradient
    mean = total * share
    if logits.ndim == 2 and weight == len(logits):  # over the examples
        return mean, gradient
    return MeanOver(mean, weight), gradient


def _check_classes(classes: Array, count: int) -> None:
    smallest, largest = bounds(classes)
    if not 0 <= smallest <= largest < count:
        expected = f"classes 0 to {count - 1}, found {smallest} to {largest}"
        raise DataError(f"softmax_cross_entropy: expected {expected}")


def soft_target_loss(
    logits: Array, targets: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """`softmax_cross_entropy` for distributions, without a check and without a wait for a device.

    The loss is an array without sides, not yet a number: it can be read later, together with
    others.
    """
    terms, slopes = _soft_parts(logits, targets, mask, len(logits))
    return terms.sum() / -len(logits), slopes


def _soft_parts(
    logits: Array, targets: Array, mask: Array | None, count: int
) -> tuple[Array, Array]:
    """Return the terms t log p of each row, and the gradient of the loss divided by `count`."""
    xp = xp_of(logits)
    fused = operations_for(logits).fused
    targets = targets.astype(logits.dtype, copy=False)
    if mask is not None:
        logits = xp.where(mask, logits, -np.inf)
    shifted = fused(_shifted)(logits, logits.max(axis=1, keepdims=True))
    powers = xp.exp(shifted)
    normaliser = powers.sum(axis=1, keepdims=True)
    total = targets.sum(axis=1, keepdims=True)
    slopes = fused(_soft_slopes)(targets, total, powers, normaliser, count)
    return fused(_soft_terms)(targets, shifted, normaliser), slopes


def _shifted(logits: Array, largest: Array) -> Array:
    return logits - xp_of(logits).where(largest == -np.inf, 0, largest)


def _soft_terms(targets: Array, shifted: Array, normaliser: Array) -> Array:
    xp = xp_of(targets)
    return targets * xp.where(targets == 0, 0, shifted - xp.log(normaliser))  # 0 log 0 = 0


def _soft_slopes(
    targets: Array, total: Array, powers: Array, normaliser: Array, count: int
) -> Array:
    return (powers / xp_of(targets).where(normaliser == 0, 1, normaliser) * total - targets) / count


@_in_range
def sigmoid_binary_cross_entropy(
    logits: Array,
    targets: Array,
    *,
    class_weights: Array | None = None,
    reduction: str = "mean",
    weights: Array | None = None,
) -> Measured:
    """Mean cross-entropy of p = sigmoid(logits) against targets in [0, 1], over all n elements of
    equal shapes.

    L = -(t log p + (1 - t) log(1 - p)) = w |z| + log(1 + e^-|z|), which cannot overflow; w = 1 - t
    where z > 0, else t, is what the target gives to the other side. dz = (p - t) / n.
    `class_weights` [A] multiply the loss of each of the last axis; the mean still is over n.
    `reduction` and `weights` are as in
    softmax_cross_entropy. Raises ShapeError when the shapes differ, DataError
    for targets outside [0, 1].
    """
    _check_pair("sigmoid_binary_cross_entropy", logits, targets)
    smallest, largest = bounds(targets)
    if not (smallest >= 0 and largest <= 1):
        raise DataError(
            f"sigmoid_binary_cross_entropy: expected targets in [0, 1], found {smallest} to {largest}"
        )
    targets = targets.astype(logits.dtype, copy=False)
    losses, slopes = operations_for(logits).binary_cross_entropy(logits, targets)
    if class_weights is not None:
        of_classes = _class_weights(logits, class_weights)
        losses, slopes = losses * of_classes, slopes * of_classes
    return _reduced("sigmoid_binary_cross_entropy", losses, slopes, reduction, weights)


@_in_range
def mse(
    prediction: Array, target: Array, *, reduction: str = "mean", weights: Array | None = None
) -> Measured:
    """Mean squared error over all n elements: L = sum (p - t)^2 / n, dp = 2 (p - t) / n.

    prediction and target have one shape, such as [B, 1]; any range. `reduction` and `weights` are as
    in softmax_cross_entropy. Raises ShapeError when the shapes differ.
    """
    difference = _difference("mse", prediction, target)
    return _reduced("mse", difference * difference, 2 * difference, reduction, weights)


@_in_range
def mae(
    prediction: Array, target: Array, *, reduction: str = "mean", weights: Array | None = None
) -> Measured:
    """Mean absolute error over all n elements: L = sum |p - t| / n, dp = sign(p - t) / n.

    prediction and target have one shape, such as [B, 1]; any range. `reduction` and `weights` are as
    in softmax_cross_entropy. Raises ShapeError when the shapes differ.
    """
    difference = _difference("mae", prediction, target)
    xp = xp_of(prediction)
    return _reduced("mae", xp.abs(difference), xp.sign(difference), reduction, weights)


@_in_range
def huber(
    prediction: Array,
    target: Array,
    delta: float = 1.0,
    *,
    reduction: str = "mean",
    weights: Array | None = None,
) -> Measured:
    """Mean over all n elements of e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2), e =
    prediction - target.

    prediction and target have one shape; dp = clip(e, -delta, delta) / n. `reduction` and `weights` are as
    in softmax_cross_entropy. Raises ConfigError unless delta > 0, ShapeError when the shapes differ.
    Huber 1964.
    """
    if not delta > 0:
        raise ConfigError(f"huber: delta must be > 0, not {delta}")
    parts = _huber_terms(_difference("huber", prediction, target), float(delta), 1)
    return _reduced("huber", *parts, reduction, weights)


def _check_reduction(loss: str, reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ConfigError(f'{loss}: reduction must be "none", "mean" or "sum", not {reduction!r}')


def _reduced(
    loss: str, terms: Array, slopes: Array, reduction: str, weights: Array | None
) -> Measured:
    """Return the loss of all terms, and its gradient from their slopes."""
    _check_reduction(loss, reduction)
    if weights is None:
        if reduction == "mean":
            return float(terms.mean()), slopes / slopes.size
        return _over_places(terms, slopes, reduction, terms.size, terms.size)
    factors = place_weights(loss, weights, terms.shape, terms)
    terms = terms * factors
    slopes = slopes * factors
    return _over_places(terms, slopes, reduction, float(factors.sum()), float(weights.sum()))


def _over_places(
    terms: Array, slopes: Array, reduction: str, weight: float, places: float
) -> Measured:
    """Return what a reduction makes of the loss of each place, and its gradient: a mean divides by
    a weight, and counts as one over so many places.
    """
    if reduction == "none":
        return terms, slopes
    total = float(terms.sum())
    if reduction == "sum":
        return MeanOver(total, SUM), slopes
    share = _share(weight)
    return MeanOver(total * share, places), slopes * share


def difference_loss(difference: Array) -> tuple[Array, Array]:
    """`huber` of prediction - target, without a check and without a wait for a device; see
    `soft_target_loss`.
    """
    terms, slopes = operations_for(difference).fused(_huber_terms)(difference, 1.0, difference.size)
    return terms.mean(), slopes


def _huber_terms(difference: Array, delta: float, count: int) -> tuple[Array, Array]:
    xp = xp_of(difference)
    clipped = xp.minimum(xp.maximum(difference, -delta), delta)
    return clipped * (difference - clipped / 2), clipped / count


# The gradient check goes through all of them.
LOSSES: dict[str, Callable[..., tuple[float, Array]]] = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "sigmoid_binary_cross_entropy": sigmoid_binary_cross_entropy,
    "mse": mse,
    "mae": mae,
    "huber": huber,
}


def _difference(loss: str, prediction: Array, target: Array) -> Array:
    _check_pair(loss, prediction, target)
    return prediction - target.astype(prediction.dtype, copy=False)


def _check_pair(loss: str, prediction: Array, target: Array) -> None:
    _check_floating(loss, prediction, least=0)
    if not is_array(target) or target.shape != prediction.shape:
        raise ShapeError(
            f"{loss}: expected targets {list(prediction.shape)} like the outputs, found {form_of(target)}"
        )
    if target.dtype.kind not in "fiub":
        raise ShapeError(f"{loss}: expected targets that are numbers, found {form_of(target)}")


def _check_floating(loss: str, prediction: Array, least: int) -> None:
    if not is_array(prediction) or prediction.dtype.kind != "f" or prediction.ndim < least:
        expected = "floating outputs"
        if least:
            expected += " [B, A]"
        raise ShapeError(f"{loss}: expected {expected}, found {form_of(prediction)}")
    if not prediction.size:
        raise ShapeError(
            f"{loss}: expected at least one example, found outputs {list(prediction.shape)}"
        )
