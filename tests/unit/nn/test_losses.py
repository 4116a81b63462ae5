"""Losses and metrics: their values, also of numbers that are not finite, and what means are over."""

import math
from functools import partial

import numpy as np
import pytest

from engine import nn
from engine.errors import DataError
from tests.unit.nn.small_trainings import CLASSES, X, Y, in_shards, trainer

INF, NAN = math.inf, math.nan
CROSS, YES_NO = nn.softmax_cross_entropy, nn.sigmoid_binary_cross_entropy


def row(*values):
    return np.array([values], np.float64)


MANY, ZEROS = np.full((1000, 1), 1e38), np.zeros((1000, 1))
COLUMN = np.array([[0.5], [3.0]])
# `tests/gradient` compares the gradients with these values.
VALUES = [  # a loss, outputs, targets and its value
    (CROSS, row(0, 0, 0, 0), np.array([3]), math.log(4)),
    # As many numbers as four rows have classes: other memory was read.
    (CROSS, row(0, 0, 0, 0), np.array([[0, 0, 0, 1]]), math.log(4)),
    (  # The last row takes no part.
        partial(CROSS, class_weights=np.array([1.0, 3.0]), ignore_index=7),
        np.array([[0, 0], [0, math.log(3)], [9, 9]]),
        np.array([0, 1, 7]),
        (math.log(2) + 3 * math.log(4 / 3)) / 4,
    ),
    (partial(CROSS, label_smoothing=0.1), row(2, 0, -1, 0.5), np.array([0]), 0.504850),
    (nn.mse, COLUMN, 0 * COLUMN, (0.25 + 9) / 2),
    (nn.mae, COLUMN * [[1], [-1]], 0 * COLUMN, 1.75),
    (nn.huber, COLUMN, 0 * COLUMN, (0.125 + 2.5) / 2),
    (partial(nn.huber, delta=2.0), COLUMN, 0 * COLUMN, (0.125 + 4) / 2),
    (YES_NO, row(3, -3, 90, -90), row(0.25, 0, 0.25, 1), 39.961792),
    # A class with a logit of -infinity, and what a mask makes of one.
    (CROSS, row(-INF, 2, 1), np.array([1]), 0.31326),
    (CROSS, row(-INF, 2, 1), row(0, 0.5, 0.5), 0.81326),
    (CROSS, row(-INF, 2), np.array([0]), INF),
    (partial(CROSS, mask=np.array([[False, True, True]])), row(5, 2, 1), np.array([1]), 0.31326),
    # Logits further apart than a float reaches, and sums beyond what it holds.
    (CROSS, row(2.5e38, -2.5e38), np.array([1]), 5e38),
    (CROSS, row(2.5e38, -2.5e38), row(0, 1), 5e38),
    (nn.mae, MANY, ZEROS, 1e38),
    (nn.huber, MANY, ZEROS, 1e38),
    (nn.mse, MANY, ZEROS, 1e76),
    (YES_NO, MANY, ZEROS, 1e38),
    (  # Rows without a target.
        CROSS,
        np.array([[-INF, -INF], [1e38, -1e38], [0, 0]]),
        np.array([[0, 0], [0, 0], [1, 0]]),
        math.log(2) / 3,
    ),
    # A sigmoid of infinity: right, wrong, and unsure.
    (YES_NO, row(INF, -INF), row(1, 0), 0),
    (YES_NO, row(INF), row(0.5), INF),
    (CROSS, row(NAN, 1), np.array([0]), NAN),
    *[(loss, row(NAN, 1), row(0, 1), NAN) for loss in nn.LOSSES.values()],
]


@pytest.mark.parametrize(("loss", "outputs", "targets", "value"), VALUES)
def test_a_loss_has_its_value_of_any_numbers(loss, outputs, targets, value):
    gradients = []
    for dtype in (np.float32, np.float64):
        mean, gradient = loss(outputs.astype(dtype), targets)
        assert mean == pytest.approx(value, rel=1e-5, nan_ok=True)
        assert gradient.dtype == dtype
        gradients.append(gradient)
    np.testing.assert_allclose(*gradients, rtol=3e-7, atol=3e-7)
    assert math.isnan(value) == np.isnan(gradient).any()
    if not math.isnan(value) and loss is not nn.mse:  # whose gradient may be twice its outputs
        assert np.isfinite(gradient).all()


def test_exponentials_of_half_precision_are_summed_in_a_larger_one():
    loss, _ = CROSS(np.zeros((1, 100_000), np.float16), np.array([3]))
    assert loss == pytest.approx(math.log(100_000))


@pytest.mark.parametrize("loss", [CROSS, nn.mse, nn.huber])
def test_losses_of_each_place_reduce_to_one(loss):
    targets = np.random.default_rng(1).dirichlet(np.ones(2), 64)
    each, slopes = loss(Y, targets, reduction="none")
    total, gradient = loss(Y, targets, reduction="sum")
    assert total == pytest.approx(each.sum())
    assert np.array_equal(slopes, gradient)
    assert loss(Y, targets)[0] == pytest.approx(each.mean())


def test_classes_of_images_may_be_the_channels():
    logits = np.random.default_rng(1).standard_normal((2, 4, 3, 3))
    classes = np.random.default_rng(2).integers(0, 4, (2, 3, 3))
    last = np.moveaxis(logits, 1, -1)
    loss, gradient = CROSS(logits, classes, axis=1)
    expected, gradient_of_last = CROSS(last, classes)
    assert loss == pytest.approx(expected)
    assert np.array_equal(np.moveaxis(gradient, 1, -1), gradient_of_last)
    assert nn.accuracy(logits, classes, axis=1) == nn.accuracy(last, classes)


# ---- what means are over -------------------------------------------------------------------------


def test_arithmetic_on_a_mean_keeps_its_places():
    """A factor made a plain mean of a loss."""
    mean = nn.MeanOver(3.0, 7.0)
    assert (2 * (mean + mean) / 3 + 0).places == 7


def own_loss(outputs, targets):
    weights = np.abs(targets)
    total = weights.sum()
    loss = (weights * (outputs - targets) ** 2).sum() / total
    return nn.MeanOver(loss, total), 2 * weights * (outputs - targets) / total


def squared(outputs, targets, weights=None):
    return nn.mse(outputs, targets, weights=weights)[0]


BY_CLASS = partial(CROSS, class_weights=np.array([0.01, 0.09]), label_smoothing=0.1)
IGNORING = {"ignore_index": -100}
IGNORED = np.where(np.arange(64) < 20, -100, CLASSES)


@in_shards
@pytest.mark.parametrize(
    ("loss", "metric", "targets", "weights"),
    [
        (BY_CLASS, nn.accuracy, CLASSES, {}),
        (partial(nn.mse, reduction="sum"), squared, Y, {}),
        (own_loss, squared, Y, {}),
        (partial(CROSS, **IGNORING), partial(nn.accuracy, **IGNORING), IGNORED, {}),
        (CROSS, nn.accuracy, CLASSES, {"weights": np.arange(64.0) % 3}),
        (nn.mse, squared, Y, {"weights": np.arange(64.0) % 3}),
    ],
)
def test_batches_weigh_as_much_as_what_their_loss_divides_by(
    loss, metric, targets, weights, settings
):
    """They weighed as much as their examples, as in metrics, and a batch of targets that are all
    ignored ended the training.
    """
    data = nn.Data(X, targets, **weights)
    run = trainer(None, loss, rate=0.0, batch_size=20, metrics={"metric": metric}, **settings)
    y, backward = run.model.forward(X)
    mean, dy = loss(y, targets, **weights)
    expected = {"loss": mean, "metric": metric(y, targets, **weights)}
    weight = run.model.params["weight"] - 0.05 * backward(dy)[1]["weight"]
    for record in (run.evaluate(data), run.fit(data, 1).records[0], run.step(data, rate=0.05)):
        assert record == pytest.approx(record | expected, rel=1e-5)
    np.testing.assert_allclose(run.model.params["weight"], weight, atol=1e-6)


@pytest.mark.parametrize("loss", nn.LOSSES.values(), ids=nn.LOSSES)
def test_weights_of_examples_count_as_copies_of_them_do(loss):
    counts = np.arange(64) % 3
    targets = CLASSES if loss is CROSS else np.abs(np.tanh(Y))
    mean, gradient = loss(Y, targets, weights=counts)
    rows = np.repeat(np.arange(64), counts)
    expected, of_copies = loss(Y[rows], targets[rows])
    assert mean == pytest.approx(expected)
    sums = np.zeros_like(Y)
    np.add.at(sums, rows, of_copies)
    np.testing.assert_allclose(gradient, sums, atol=1e-6)


# ---- metrics -------------------------------------------------------------------------------------

OUTPUTS = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [5.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
TRUTH = np.array([0, 1, 1, 2])


def test_accuracy_is_the_share_of_right_answers():
    assert nn.accuracy(OUTPUTS, np.eye(3)[TRUTH]) == 0.75
    assert nn.accuracy(OUTPUTS.reshape(2, 2, 3), TRUTH.reshape(2, 2)) == 0.75
    assert nn.accuracy(OUTPUTS, TRUTH, weights=np.array([1, 1, 2, 0.0])) == 0.5
    logits = np.array([[2.0], [-1.0], [-3.0], [0.5]])
    assert nn.accuracy(logits, np.array([[1], [0], [1], [1]])) == 0.75


def test_nan_is_no_right_answer():
    """The largest of NaN outputs is the first: such a model scored what that class has."""
    outputs = np.array([[NAN, NAN], [1, NAN], [-INF, -INF], [2, 1]])
    for targets in (np.zeros(4, np.int64), row(1, 0).repeat(4, axis=0)):
        assert nn.accuracy(outputs, targets) == 0.25
    assert nn.accuracy(outputs[3:], row(NAN, 1)) == 0
    assert nn.accuracy(row(NAN, 1).T, np.array([[0], [1]])) == 0.5
    with pytest.raises(DataError, match="found NaN in 2 examples"):
        nn.confusion_matrix(outputs, np.zeros(4, np.int64))


def test_a_row_of_the_confusion_matrix_is_a_true_class():
    matrix = nn.confusion_matrix(OUTPUTS, TRUTH)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


def test_confusion_is_drawn_with_its_classes(tmp_path):
    matrix = nn.confusion_matrix(OUTPUTS, TRUTH)
    nn.plot_confusion(matrix, tmp_path / "small.svg", ["cat", "dog", "ox"], "pets")
    text = (tmp_path / "small.svg").read_text(encoding="utf-8")
    for word in ("cat", "pets", "answered"):
        assert f"<!-- {word} -->" in text, word
