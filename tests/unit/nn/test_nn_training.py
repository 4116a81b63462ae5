"""Losses, optimizers, schedules, clipping and the data-parallel step."""

import copy
import math
from contextlib import closing
from functools import partial

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, ShapeError, TrainingError
from engine.native.pool import ThreadPool
from engine.nn.layers import Dropout
from engine.nn.operations.updates import STRETCH
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from tests.gradient.cases import arrays_in

COLUMN = np.array([[0.5], [3.0]])
TEXTBOOK = [  # a loss, outputs, targets, its value and its gradient
    (nn.softmax_cross_entropy, np.zeros((1, 4)), np.array([3]), math.log(4), [0.25] * 3 + [-0.75]),
    (  # as many numbers as four rows have classes: other memory was read and written
        nn.softmax_cross_entropy,
        np.zeros((1, 4)),
        np.array([[0, 0, 0, 1]]),
        math.log(4),
        [0.25] * 3 + [-0.75],
    ),
    (  # the last row takes no part
        partial(nn.softmax_cross_entropy, class_weights=np.array([1.0, 3.0]), ignore_index=7),
        np.array([[0, 0], [0, math.log(3)], [9, 9]]),
        np.array([0, 1, 7]),
        (math.log(2) + 3 * math.log(4 / 3)) / 4,
        [-0.125, 0.125, 0.1875, -0.1875, 0, 0],
    ),
    (nn.mse, COLUMN, 0 * COLUMN, (0.25 + 9) / 2, [0.5, 3.0]),
    (nn.huber, COLUMN, 0 * COLUMN, (0.125 + 2.5) / 2, [0.25, 0.5]),
    (partial(nn.huber, delta=2.0), COLUMN, 0 * COLUMN, (0.125 + 4) / 2, [0.25, 1.0]),
    (nn.mae, COLUMN * [[1], [-1]], 0 * COLUMN, 1.75, [0.5, -0.5]),
    (
        nn.sigmoid_binary_cross_entropy,
        np.array([[0.0], [1e3]]),
        np.array([[1], [0]]),
        (math.log(2) + 1e3) / 2,
        [-0.25, 0.5],
    ),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "outputs", "targets", "value", "slopes"), TEXTBOOK)
def test_losses_have_their_textbook_values(loss, outputs, targets, value, slopes, dtype):
    found, gradient = loss(outputs.astype(dtype), targets)
    assert found == pytest.approx(value)
    assert gradient.dtype == dtype
    assert gradient.ravel().tolist() == pytest.approx(slopes)


LOGITS = np.zeros((2, 3))
MASK = np.array([[True, True, False], [True, True, True]])
FORBIDDEN = "targets 0 where the mask is False"  # It took no part in the loss, and nobody was told.
ONE_OUTPUT = "at least 2 outputs, found 1"  # Such a training ran at loss 0 and learned nothing.
NO_TARGETS = {
    "a class that the mask forbids": ((LOGITS, np.array([2, 2]), MASK), DataError, FORBIDDEN),
    "a share that the mask forbids": (
        (LOGITS, np.array([[0.5, 0, 0.5], [1, 0, 0]]), MASK),
        DataError,
        FORBIDDEN,
    ),
    "no class": ((LOGITS, np.array([-1, 0])), DataError, "found -1 to 0"),
    "no action": ((LOGITS, np.array([1, 0]), ~MASK), DataError, "possible action"),
    "a mask of numbers": ((LOGITS, np.zeros(2, int), 1.0 * MASK), ShapeError, "a mask bool"),
    "a softmax over one output": (
        (LOGITS[:, :1], np.array([[0.3], [2.0]])),
        ShapeError,
        ONE_OUTPUT,
    ),
    "one class": ((LOGITS[:, :1], np.array([0, 0])), ShapeError, ONE_OUTPUT),
    "classes that would broadcast": ((LOGITS, np.zeros((2, 1))), ShapeError, "found"),
}


@pytest.mark.parametrize("case", NO_TARGETS)
def test_cross_entropy_refuses_targets_that_are_none(case):
    given, error, match = NO_TARGETS[case]
    with pytest.raises(error, match=match):
        nn.softmax_cross_entropy(*given)


@pytest.mark.parametrize("loss", [nn.mse, nn.mae, nn.huber, nn.sigmoid_binary_cross_entropy])
def test_losses_refuse_shapes_that_would_broadcast(loss):
    with pytest.raises(ShapeError):
        loss(np.zeros((3, 1)), np.zeros(3))


def test_a_chance_beyond_1_is_refused():
    with pytest.raises(DataError, match=r"targets in \[0, 1\], found 0.0 to 1.5"):
        nn.sigmoid_binary_cross_entropy(np.zeros((2, 1)), np.array([[1.5], [0.0]]))


# ---- optimizers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "steps", "weight"),
    [
        (nn.SGD(), 1, 0.95),
        (nn.SGD(momentum=0.5), 2, 1 - 0.05 - 0.075),
        (nn.SGD(momentum=0.5, nesterov=True), 1, 1 - 0.075),
        (nn.SGD(weight_decay=0.1), 1, 1 - 0.06),
        (nn.RMSProp(decay=0.75), 1, 1 - 0.1 * 0.5 / 0.25),
        (nn.Adam(), 2, 1 - 0.2),  # a constant gradient moves by the rate each step
        (nn.AdamW(weight_decay=0.5), 1, 0.95 - 0.1),
    ],
)
def test_first_steps_follow_the_formulas(optimizer, steps, weight):
    p = {"w": np.ones((1, 1))}
    for _ in range(steps):
        optimizer.step(p, {"w": np.full((1, 1), 0.5)}, 0.1)
    assert float(p["w"][0, 0]) == pytest.approx(weight)


def test_decay_spares_vectors():
    for kind in (nn.SGD, nn.Adam, nn.AdamW):
        optimizer = kind(weight_decay=0.5)
        p = {"bias": np.ones(3)}
        optimizer.step(p, {"bias": np.zeros(3)}, 0.1)
        assert p["bias"].tolist() == [1, 1, 1]


class OwnMomentum(nn.Optimizer):
    """As one writes it without having read how the others do: its state was lost."""

    def __init__(self, decay=0.5):
        super().__init__()
        self.decay = decay
        self._own = {}
        self.seen = 0
        self.last = None

    def _update(self, name, parameter, gradient, learning_rate, pool):
        own = self._own.setdefault(name, {"mean": np.zeros_like(parameter), "count": 0})
        own["mean"], own["count"] = self.decay * own["mean"] + gradient, own["count"] + 1
        self.seen = self.seen + 1
        last = 0.0 if self.last is None else self.last
        parameter -= learning_rate * (own["mean"] / own["count"] + last) / self.seen
        self.last = gradient.mean().reshape(1)


def resumable(optimizer):
    model = nn.Sequential(nn.Dense(2, 1, np.random.default_rng(1)))
    return nn.Trainer(model, nn.mse, optimizer, 0.001, nn.TrainerSettings(batch_size=2))


@pytest.mark.parametrize(
    "make", [lambda: nn.SGD(momentum=0.9), nn.RMSProp, nn.Adam, nn.AdamW, OwnMomentum]
)
def test_a_resumed_optimizer_goes_on_bit_for_bit(make, tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    data = nn.Data(x, x[:, :1])
    whole, first, second = (resumable(make()) for _ in range(3))
    whole.fit(data, 4)
    first.fit(data, 2, checkpoint=tmp_path / "run.npz")
    second.resume(tmp_path / "run.npz")
    assert second.fit(data, 4)["loss"] == whole.history["loss"]


def test_a_setting_of_ones_own_optimizer_is_compared(tmp_path):
    resumable(OwnMomentum()).save(tmp_path / "run.npz")
    with pytest.raises(ConfigError, match="decay"):
        resumable(OwnMomentum(decay=0.25)).resume(tmp_path / "run.npz")


@pytest.mark.parametrize("queue", [[np.zeros(2)], {("w", 1): 2.0}])
def test_a_state_that_no_file_can_hold_is_named(queue, tmp_path):
    run = resumable(OwnMomentum())
    run.optimizer.queue = queue
    with pytest.raises(
        ConfigError, match=r"OwnMomentum\.queue: expected a number, an array or a dictionary"
    ):
        run.save(tmp_path / "run.npz")


def test_an_average_of_every_few_steps_moves_as_far_at_each_as_all_of_them_would():
    average = nn.ExponentialAverage(0.9, every=5)
    average.update({"w": np.zeros(1)})
    seen = []
    for _ in range(9):
        average.update({"w": np.ones(1)})
        seen.append(float(average.tensors["w"][0]))
    assert seen[:3] == [0.0] * 3
    assert seen[3:8] == [pytest.approx(1 - 0.9**5)] * 5
    assert seen[8] == pytest.approx(1 - 0.9**10)
    with pytest.raises(ConfigError, match="every"):
        nn.ExponentialAverage(0.9, every=0)


def test_saved_state_is_laid_out_like_its_parameter_again():
    """Files hold row order, convolution weights do not: mixed orders would slow down every later
    step.
    """
    weight = np.arange(12, dtype=np.float32).reshape(3, 4).T
    saved = np.ascontiguousarray(weight)
    average, optimizer = nn.ExponentialAverage(0.5), nn.Adam()
    average.load({"w": saved})
    optimizer.load_state({"steps": 1, "tensors": {f"{slot}.w": saved for slot in nn.Adam.slots}})
    average.update({"w": weight})
    optimizer.step({"w": weight.copy(order="K")}, {"w": np.zeros_like(weight)}, 0.1)
    state = optimizer.state()["tensors"]
    assert np.array_equal(average.tensors["w"], weight)
    assert np.allclose(state["mean.w"], 0.9 * weight)
    laid_out = {array.strides for array in (average.tensors["w"], *state.values())}
    assert laid_out == {weight.strides}


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.2), (9, 2.0), (10, 2.0), (60, 1.25), (110, 0.5), (1000, 0.5)]
)
def test_a_rate_warms_up_before_it_falls(step, rate):
    schedule = nn.WarmupCosine(peak=2.0, total=110, warmup=10, floor=0.5)
    assert schedule(step) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("total", "warmup", "match"),
    [(5, 5, "warmup"), (1.0, 0.05, "less than one step needs a start")],
)
def test_a_warm_up_that_does_not_fit_is_refused(total, warmup, match):
    """One of less than a step began at peak / warmup."""
    with pytest.raises(ConfigError, match=match):
        nn.WarmupCosine(peak=1.0, total=total, warmup=warmup)


def test_average_with_a_quick_start_soon_forgets_where_it_began():
    quick, slow = nn.ExponentialAverage(0.999, quick_start=True), nn.ExponentialAverage(0.999)
    for value in (0.0, *np.ones(20)):
        for average in (quick, slow):
            average.update({"w": np.full(3, value, np.float32)})
    assert quick.tensors["w"][0] > 0.99
    assert slow.tensors["w"][0] == pytest.approx(1 - 0.999**20)


@pytest.mark.parametrize("threads", [1, 3])
def test_steps_by_kernels_are_those_of_the_array_code_bit_for_bit(threads):
    """Strided arrays have no flat view: for them the arithmetic is NumPy's."""
    size = 2 * STRETCH + 5
    ends = []
    for columns in (1, 2):
        rng = np.random.default_rng(4)
        parameter = {"w": np.zeros((size, columns), np.float32)[:, :1]}
        optimizer, average = nn.AdamW(weight_decay=0.1), nn.ExponentialAverage(0.9)
        with ThreadPool(threads, "test") as pool:
            for _ in range(3):
                gradient = np.zeros((size, columns), np.float32)[:, :1]
                gradient[9:] = rng.standard_normal((size - 9, 1))
                optimizer.step(parameter, {"w": gradient}, 1e-2, pool)
                average.update(parameter, pool)
        ends.append([parameter, average.tensors, optimizer.state()["tensors"]])
    for flat, strided in zip(*map(arrays_in, ends), strict=True):
        assert np.array_equal(flat, strided)


def test_a_shared_part_takes_the_step_of_its_summed_gradient():
    rng = np.random.default_rng(5)
    table, own = ({"w": np.zeros((29, 16), np.float32)} for _ in range(2))
    parts = {"w": np.zeros((2, 1, 4, 16), np.float32)}
    optimizer = SharedRowsAdamW({"w": SharedRows(outer=2, rows=3, inner=4)}, weight_decay=0.0)
    alone, together = nn.AdamW(weight_decay=0.0), nn.AdamW(weight_decay=0.0)
    for _ in range(3):
        gradient = rng.standard_normal((29, 16)).astype(np.float32)
        summed = gradient[:24].reshape(2, 3, 4, 16).sum(axis=1, keepdims=True)
        optimizer.step(table, {"w": gradient}, 1e-2)
        alone.step(own, {"w": gradient}, 1e-2)
        together.step(parts, {"w": summed}, 1e-2)
    expected = own["w"].copy()
    expected[:24] += np.tile(parts["w"], (1, 3, 1, 1)).reshape(24, 16)
    assert np.allclose(table["w"], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(9, 16), (29, 8)])
def test_shared_rows_that_do_not_fit_are_refused(shape):
    small = {"w": np.zeros(shape, np.float32)}
    with pytest.raises(ShapeError, match="24 rows or more, in multiples of 16 columns"):
        SharedRowsAdamW({"w": SharedRows(outer=2, rows=3, inner=4)}).step(small, small, 1e-2)


@pytest.mark.parametrize("rate", [-0.1, math.inf, math.nan, np.array([0.1])])
def test_a_rate_that_is_no_finite_number_is_refused(rate):
    with pytest.raises(ConfigError, match="learning rate must be a finite number"):
        nn.SGD().step({"w": np.ones(2)}, {"w": np.ones(2)}, rate)


def test_a_gradient_that_does_not_fit_changes_nothing():
    params = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ShapeError, match=r"gradient of b: expected \(2,\), found \(3,\)"):
        nn.Adam().step(params, {"a": np.ones(2), "b": np.ones(3)}, 0.1)
    assert params["a"].tolist() == [1, 1]


def test_an_optimizer_goes_on_with_its_own_model_alone():
    """Steps of two models went into one average, since their parameters have one name."""
    adam = nn.Adam()
    x = np.ones((4, 2), np.float32)
    one, other = (nn.Dense(2, 2, np.random.default_rng(0)) for _ in range(2))

    def train(model, optimizer):
        nn.Trainer(model, nn.mse, optimizer, 0.1).fit(nn.Data(x, x), 1)

    train(one, adam)
    train(one, adam)
    train(other, copy.deepcopy(adam))
    for use in (
        lambda: train(other, adam),
        lambda: adam.step({"bias": x}, {"bias": x}, 0.1),
    ):
        with pytest.raises(ConfigError, match="another model: make a new one"):
            use()


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda: nn.SGD().step({"w": np.zeros(1)}, {}, 0.1), "w"),
        (
            lambda: nn.SGD().load_state({"steps": 1, "tensors": {"square.w": np.zeros(1)}}),
            r"square\.w",
        ),
        (lambda: nn.RMSProp(decay=1.0), r"RMSProp\(decay=1.0, .*expected decay in \[0, 1\)"),
        (
            lambda: nn.SGD(weight_decay=math.nan),
            r"SGD\(momentum=0.0, weight_decay=nan\): .*weight_decay >= 0",
        ),
        (lambda: nn.Adam(beta1=1.5), r"Adam\(beta1=1.5, .*expected beta1 and beta2 in \[0, 1\)"),
    ],
)
def test_a_wrong_setting_of_an_optimizer_is_named(broken, expected):
    with pytest.raises(ConfigError, match=expected):
        broken()


# ---- data-parallel steps -------------------------------------------------------------------------


def test_dropout_differs_from_shard_to_shard():
    seen = []

    def loss(y, part):
        seen.append(y.tobytes())
        return 0.0, y, {}

    with closing(nn.DataParallel(Dropout(0.5, np.random.default_rng(0)), shard_size=8)) as runner:
        for _ in range(2):
            runner.step(16, lambda part: np.ones((8, 4), np.float32), loss)
    assert len(set(seen)) == 4


def test_clipping_by_value_bounds_each_number():
    grads = {"a": np.array([-3.0, 0.5, np.nan]), "b": np.array([[9.0]])}
    nn.clip_value(grads, 1)
    assert np.array_equal(grads["a"], [-1, 0.5, np.nan], equal_nan=True)
    assert grads["b"] == [[1]]
    with pytest.raises(ConfigError, match="must be > 0, not 0"):
        nn.clip_value(grads, 0)


@pytest.mark.parametrize(("clip_norm", "moved"), [(None, 0.25), (0.1, 0.1 / 3**0.5)])
def test_gradients_are_clipped_by_value_first(clip_norm, moved):
    model = nn.Sequential(nn.Dense(2, 1, np.random.default_rng(0)))
    before = model[0].params["weight"].copy()
    settings = nn.TrainerSettings(clip_value=0.25, clip_norm=clip_norm)
    data = nn.Data(np.full((4, 2), 9.0), np.full((4, 1), 99.0))
    norm = nn.Trainer(model, nn.mse, nn.SGD(), 1.0, settings).step(data)["gradient_norm"]
    assert np.allclose(model[0].params["weight"], before + moved, atol=1e-6)
    assert norm > 100, "before clipping"


def test_an_infinite_gradient_is_not_clipped():
    """Infinity became 0.25, and moved the weights."""
    model = nn.Dense(2, 1, np.random.default_rng(0))
    settings = nn.TrainerSettings(clip_value=0.25)
    endless = nn.Trainer(
        model, lambda y, _: (1.0, np.full_like(y, np.inf)), nn.SGD(), 1.0, settings
    )
    with pytest.raises(TrainingError, match="expected a finite gradient, got "):
        endless.step(nn.Data(np.ones((4, 2)), np.ones((4, 1))))


@pytest.mark.parametrize("kind", [nn.Dense, nn.LSTM])
@pytest.mark.parametrize(("shard", "computes"), [(6, [False]), (3, [False, False])])
def test_the_first_layer_computes_no_gradient_of_the_input_in_training(kind, shard, computes):
    """Whether in one shard or in several; behind the step all is as before."""
    first = kind(16, 4, np.random.default_rng(0))
    model = nn.Sequential(nn.Reshape([2, 16]), nn.Sequential(first), nn.Flatten())
    x = np.random.default_rng(1).standard_normal((6, 32)).astype(np.float32)
    y, backward = model.forward(x, training=True)
    dx, grads = backward(np.ones_like(y))
    seen = []

    def loss(y, part):
        seen.append(first.input_gradient)
        return 0.0, np.ones_like(y), {}

    found = nn.DataParallel(model, shard).step(6, lambda part: x[part], loss).grads
    assert seen == computes
    for name, gradient in grads.items():
        assert np.allclose(found[name], gradient * shard / 6, atol=1e-5)
    assert np.array_equal(model.forward(x)[1](np.ones_like(y))[0], dx)


@pytest.mark.parametrize("loss", [nn.softmax_cross_entropy, nn.mse, nn.huber])
def test_losses_of_each_place_reduce_to_one(loss):
    rng = np.random.default_rng(1)
    outputs = rng.standard_normal((5, 3))
    targets = rng.dirichlet(np.ones(3), 5)
    each, slopes = loss(outputs, targets, reduction="none")
    total, gradient = loss(outputs, targets, reduction="sum")
    assert total == pytest.approx(each.sum())
    assert np.array_equal(slopes, gradient)
    assert loss(outputs, targets)[0] == pytest.approx(each.mean())
    with pytest.raises(ConfigError, match='must be "none", "mean" or "sum"'):
        loss(outputs, targets, reduction="median")


@pytest.mark.parametrize(("reduction", "divisor"), [("mean", 3), ("sum", 1)])
@pytest.mark.parametrize("shard", [12, 4])
def test_a_weighted_mean_is_that_over_the_whole_batch(shard, reduction, divisor):
    """Shards weigh as much as the weights of their classes, not as their examples; metrics weighed
    as much, too. A factor made a plain mean of a loss, as which sums counted.
    """
    x = np.random.default_rng(1).standard_normal((12, 4)).astype(np.float32)
    classes = np.arange(12) // 8
    weights = np.array([0.01, 0.09], np.float32)
    plain = partial(
        nn.softmax_cross_entropy, class_weights=weights, label_smoothing=0.1, reduction=reduction
    )

    def loss(outputs, targets):
        mean, slopes = plain(outputs, targets)
        if divisor > 1:
            mean /= divisor
        return 2 * (mean + mean) + 0, 4 / divisor * slopes

    model = nn.Sequential(nn.Dense(4, 2, np.random.default_rng(0)))
    y, backward = model.forward(x)
    mean, dy = loss(y, classes)
    expected = model[0].params["weight"] - 0.1 * backward(dy)[1]["dense1.weight"]
    settings = nn.TrainerSettings(batch_size=12, shard_size=shard)
    trainer = nn.Trainer(model, loss, nn.SGD(), 0.1, settings, {"right": nn.accuracy})
    step = trainer.step(nn.Data(x, classes))
    expected_means = [mean, nn.accuracy(y, classes)]
    assert [step["loss"], step["right"]] == pytest.approx(expected_means, rel=1e-6)
    np.testing.assert_allclose(model[0].params["weight"], expected, atol=1e-6)


SMOOTH = np.array([[2.0, 0.0, -1.0, 0.5], [0.0, 1.0, 0.0, -2.0]])


@pytest.mark.parametrize(
    ("smoothing", "loss", "slope"),
    [  # -sum of ((1 - s) t + s / 4) log p of both rows, and the gradient of the first logit
        (0.0, 0.46104, -0.14495),
        (0.1, 0.60479, -0.10745),
        (0.5, 1.17979, 0.04255),
        (1.0, 1.89854, 0.23005),
    ],
)
def test_label_smoothing_gives_every_class_its_share(smoothing, loss, slope):
    found, gradient = nn.softmax_cross_entropy(SMOOTH, np.array([0, 1]), label_smoothing=smoothing)
    assert [found, gradient[0, 0]] == pytest.approx([loss, slope], abs=1e-5)


def test_epsilon_of_adam_is_beside_the_corrected_root():
    """p <- p - lr (m / c1) / (sqrt(v / c2) + epsilon), with an epsilon that is felt."""
    for dtype in (np.float32, np.float64):
        weight = {"w": np.zeros((16, 16), dtype)}
        adam = nn.Adam(epsilon=0.5)
        for _ in range(2):
            adam.step(weight, {"w": np.full((16, 16), 0.5, dtype)}, 0.1)
        assert weight["w"] == pytest.approx(-2 * 0.1 * 0.5 / (0.5 + 0.5), rel=1e-5)
