"""Measures that people read, as opposed to losses, which have a gradient: accuracy and the
confusion matrix.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from engine.backend import to_numpy, xp_of
from engine.errors import DataError, ShapeError
from engine.nn.array_checks import is_array
from engine.nn.figures import new_figure
from engine.nn.losses import place_weights
from engine.nn.means import MeanOver

Array = Any


def _read(measure: Callable[..., Any]) -> Callable[..., float]:
    """Decorate: return a float. `unread` leaves it on its device, where a trainer reads it with
    other numbers, unless it is a mean over some places.
    """

    @wraps(measure)
    def number(*arguments, **options):
        value = measure(*arguments, **options)
        if isinstance(value, MeanOver):
            return value
        return float(value)

    vars(number)["unread"] = measure
    return number


@_read
def accuracy(
    outputs: Array,
    targets: Array,
    ignore_index: int | None = None,
    *,
    weights: Array | None = None,
    axis: int = -1,
) -> Any:
    """Return the share of examples that are classified correctly, in [0, 1].

    outputs [B, A] or [B, T, A], any scale; the class of the largest one is compared with targets
    int [B] or [B, T] (class numbers) or like outputs (one-hot or a distribution, up to 0.01). Or
    outputs [B, 1], logits of one question, with targets [B, 1] in [0, 1]. An example with NaN is
    never correct, nor is one whose outputs are all -infinity. Classes that are `ignore_index` are
    not counted, and `weights` and `axis` are as in `softmax_cross_entropy`; where nothing counts, it
    is 0. Raises ShapeError for other
    shapes, and without an example, DataError for other targets, as of several questions.
    """
    if axis != -1 and is_array(outputs) and is_array(targets):
        if targets.ndim == outputs.ndim:
            targets = xp_of(targets).moveaxis(targets, axis, -1)
        outputs = xp_of(outputs).moveaxis(outputs, axis, -1)
    is_one = _answers_one_question(outputs, targets, ignore_index)
    is_number = targets == targets
    counted = None
    if is_one:
        right = ((outputs > 0) == (targets > 0.5)) & is_number & (outputs == outputs)
    else:
        places = outputs.shape[:-1]
        classes = targets
        if targets.shape != places:
            classes = targets.argmax(axis=-1)
        answered = (outputs.max(axis=-1) > -np.inf) & is_number.reshape(*places, -1).all(axis=-1)
        right = (outputs.argmax(axis=-1) == classes) & answered
        if ignore_index is not None:
            counted = classes != ignore_index
    if weights is None and counted is None:
        return right.mean()
    counts = xp_of(outputs).ones(right.shape)
    if counted is not None:
        counts *= counted
    if weights is not None:
        counts = counts * place_weights("accuracy", weights, right.shape, counts)
    total = float(counts.sum())
    return MeanOver(float((right * counts).sum()) / (total or 1), total)


def _answers_one_question(outputs: Array, targets: Array, ignore_index: int | None) -> bool:
    """Whether the outputs are logits of one question; raises what `accuracy` says."""
    if not is_array(outputs) or not is_array(targets):
        kinds = f"{type(outputs).__name__} and {type(targets).__name__}"
        raise ShapeError(f"accuracy: expected arrays, found {kinds}")
    shape, target_shape = tuple(outputs.shape), tuple(targets.shape)
    if not shape or 0 in shape:
        raise ShapeError(f"accuracy: expected at least one example, found outputs {list(shape)}")
    shapes = [shape[:-1]]
    if ignore_index is None:
        shapes.append(shape)
    is_one = shape[1:] == (1,) and target_shape == shape in shapes
    if not is_one and (len(shape) < 2 or shape[-1] < 2 or target_shape not in shapes):
        raise ShapeError(f"accuracy: outputs {list(shape)} do not fit targets {list(target_shape)}")
    if isinstance(targets, np.ndarray) and target_shape == shape:
        sums = targets.sum(axis=-1)
        if ((targets < 0) | (targets > 1)).any() or (not is_one and (abs(sums - 1) > 0.01).any()):
            raise DataError(
                "accuracy: expected targets from 0 to 1, and 1 as their sum over several outputs"
            )
    return is_one


def confusion_matrix(outputs: Array, targets: Array) -> np.ndarray:
    """Count how often each class was taken for each other: int64 [A, A], row = true class, column =
    class answered.

    outputs [B, A], any scale; targets integer [B] in [0, A). The diagonal holds the correct
    answers. Raises ShapeError for other shapes and dtypes, DataError for a class out of range and
    for NaN among the outputs.
    """
    answers, truth = to_numpy(outputs), to_numpy(targets)
    if answers.ndim != 2 or truth.shape != answers.shape[:1] or truth.dtype.kind not in "iu":
        forms = f"{list(answers.shape)} and {truth.dtype} {list(truth.shape)}"
        raise ShapeError(
            f"confusion_matrix: expected outputs [B, A] and integer targets [B], found {forms}"
        )
    classes = answers.shape[1]
    if truth.size and not (truth.min() >= 0 and truth.max() < classes):
        raise DataError(
            f"confusion_matrix: expected classes 0 to {classes - 1}, found {truth.min()} to {truth.max()}"
        )
    if nothing := int(np.isnan(answers).any(axis=1).sum()):
        raise DataError(
            f"confusion_matrix: expected outputs that are numbers, found NaN in {nothing} examples"
        )
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (truth, answers.argmax(axis=1)), 1)
    return matrix


def plot_confusion(
    matrix: np.ndarray, path: str | Path, names: Sequence[str] | None = None, title: str = ""
) -> None:
    """Draw a confusion matrix [A, A] of counts to an image file; colours show shares of a row.
    Needs Matplotlib.

    `names` are the classes' names (default: their numbers). Raises ShapeError unless the matrix is
    square with a name for each row.
    """
    labels = list(map(str, range(len(matrix))))
    if names is not None:
        labels = list(names)
    if matrix.shape != (len(labels), len(labels)):
        raise ShapeError(
            f"plot_confusion: expected {len(labels)} rows and columns, found {list(matrix.shape)}"
        )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.4 * len(labels)
    figure = new_figure(side, side)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        if matrix[row, column]:
            axes.text(
                column,
                row,
                str(matrix[row, column]),
                ha="center",
                va="center",
                color=colour,
                fontsize=8,
            )
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("answered")
    axes.set_ylabel("true class")
    axes.set_title(title)
    figure.savefig(path)
