"""NaN, infinity, and the largest and smallest numbers of each dtype, in everything that compares,
sums or divides.
"""

import math

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, ShapeError, TrainingError
from engine.native.lanes import LANES
from engine.nn import LOSSES
from engine.nn.layers import ACTIVATIONS
from engine.nn.numeric import mapped
from engine.nn.operations import channelwise
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from tests.gradient.cases import CASES, arrays_in

INF, NAN = math.inf, math.nan


def row(*values, dtype=np.float32):
    return np.array([values], dtype)


# ---- losses --------------------------------------------------------------------------------------

CROSS, YES_NO = nn.softmax_cross_entropy, nn.sigmoid_binary_cross_entropy
MANY, ZEROS = np.full((1000, 1), 1e38), np.zeros((1000, 1))
# What is told apart: a loss, its outputs and targets, and its value.
SPECIAL = {
    "a class with a logit of -infinity": (CROSS, row(-INF, 2, 1), np.array([1]), 0.31326),
    "the same, one-hot": (CROSS, row(-INF, 2, 1), row(0, 1, 0), 0.31326),
    "the same, soft": (CROSS, row(-INF, 2, 1), row(0, 0.5, 0.5), 0.81326),
    "a target at -infinity": (CROSS, row(-INF, 2), np.array([0]), INF),
    "a soft target at -infinity": (CROSS, row(-INF, 2), row(0.5, 0.5), INF),
    "logits further apart than a float reaches": (CROSS, row(2.5e38, -2.5e38), np.array([0]), 0),
    "the same, answered wrongly": (CROSS, row(2.5e38, -2.5e38), np.array([1]), 5e38),
    "the same, one-hot and wrong": (CROSS, row(2.5e38, -2.5e38), row(0, 1), 5e38),
    "rows without target": (
        CROSS,
        np.array([[-INF, -INF], [1e38, -1e38], [0, 0]]),
        np.array([[0, 0], [0, 0], [1, 0]]),
        math.log(2) / 3,
    ),
    "a sigmoid of infinity, right": (YES_NO, row(INF, -INF), row(1, 0), 0),
    "a sigmoid of infinity, wrong": (YES_NO, row(INF), row(0), INF),
    "a sigmoid of infinity, unsure": (YES_NO, row(INF), row(0.5), INF),
    "a sum of absolute errors": (nn.mae, MANY, ZEROS, 1e38),
    "a sum of Huber's": (nn.huber, MANY, ZEROS, 1e38),
    "a sum of squares": (nn.mse, MANY, ZEROS, 1e76),
    "a sum of yes and no": (YES_NO, MANY, ZEROS, 1e38),
    **{
        f"NaN in {name}": (loss, row(NAN, 1), np.array([0]) if loss is CROSS else row(0, 1), NAN)
        for name, loss in LOSSES.items()
    },
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SPECIAL)
def test_losses_of_special_numbers(name, dtype):
    loss, outputs, targets, value = SPECIAL[name]
    found, gradient = loss(outputs.astype(dtype), targets)
    assert found == pytest.approx(value, rel=1e-4, nan_ok=True)
    assert gradient.dtype == dtype
    if not math.isnan(value) and loss is not nn.mse:  # whose gradient may be twice its outputs
        assert np.isfinite(gradient).all()
    assert math.isnan(value) == np.isnan(gradient).any()


def test_a_mask_counts_as_minus_infinity():
    mask = np.array([[False, True, True]])
    masked, slopes = CROSS(row(5, 1, 2), np.array([2]), mask)
    alone, expected = CROSS(row(-INF, 1, 2), np.array([2]))
    assert masked == pytest.approx(alone)
    assert np.allclose(slopes, expected)


def test_exponentials_of_half_precision_are_summed_in_a_larger_one():
    loss, gradient = CROSS(np.zeros((1, 100_000), np.float16), np.array([3]))
    assert loss == pytest.approx(math.log(100_000))
    assert gradient[0, 3] == -1


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_batch_has_no_loss(name):
    with pytest.raises(ShapeError, match="at least one example"):
        LOSSES[name](np.zeros((0, 2), np.float32), np.zeros((0, 2)))


# ---- metrics and callbacks -----------------------------------------------------------------------


def test_nan_is_no_right_answer():
    """The largest of NaN outputs is the first: such a model scored what that class has."""
    outputs = np.array([[NAN, NAN], [1, NAN], [-INF, -INF], [2, 1]], np.float32)
    for targets in (np.zeros(4, np.int64), row(1, 0).repeat(4, axis=0)):
        assert nn.accuracy(outputs, targets) == 0.25
    assert nn.accuracy(outputs[3:], row(NAN, 1)) == 0
    assert nn.accuracy(row(NAN, 1).T, np.array([[0], [1]])) == 0.5
    with pytest.raises(DataError, match="found NaN in 2 examples"):
        nn.confusion_matrix(outputs, np.zeros(4, np.int64))


@pytest.mark.parametrize(("highest", "best"), [(False, [0, 2, 2, 4, 4]), (True, [0, 2, 2, 2, 5])])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_the_best_model_is_found_among_measures_that_are_not_finite(tmp_path, bad, highest, best):
    """After one NaN nothing was ever the best."""
    run = trainer()
    path = tmp_path / "best.dit"
    saver = nn.SaveBest(path, "measure", highest)
    kept = []
    for epoch, value in enumerate((bad, 3.0, bad, 2.0, 4.0), 1):
        run.history.records.append({"epoch": epoch, "measure": value})
        saver.on_epoch(run, run.history.records[-1])
        kept.append(nn.dit.load(path)[1]["card"]["epoch"] if path.is_file() else 0)
    assert kept == best
    saver.on_epoch(run, {"epoch": 6})  # an epoch without the measure is not the best one
    assert nn.dit.load(path)[1]["card"]["epoch"] == best[-1]


@pytest.mark.parametrize(
    ("values", "highest"),
    [
        ([NAN, 3.0, NAN, 2.0, 4.0], False),  # NaN was the best value
        ([3.0, -INF, 2.0, 1.0], False),
        ([0.5, 0.6, 0.7, 0.8], True),
    ],
)
def test_measures_that_get_better_are_no_plateau(values, highest):
    run = trainer()
    run.history.records.extend({"measure": value} for value in values)
    scales = []
    run.scale_rate = scales.append
    nn.ReduceLROnPlateau(0.5, 2, "measure", highest).on_epoch(run, {})
    assert scales == [1.0]


# ---- norms, clipping and optimizers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (np.float16, 6e4),
        (np.float32, 3e38),
        (np.float64, 1e300),
        (np.float16, 6e-8),
        (np.float32, 1e-42),
        (np.float64, 1e-310),
    ],
)
def test_the_norm_of_gradients_whose_squares_leave_their_range_is_right(dtype, value):
    """Their squares overflowed, and finite gradients were called not finite, or were 0."""
    grads = {"a": np.full((30, 2), value, dtype), "b": np.full(4, -value, dtype)}
    norm = nn.clip_global_norm(grads, 1.0)
    assert norm == pytest.approx(8 * float(dtype(value)), rel=1e-3)
    assert nn.global_norm(grads) == pytest.approx(min(norm, 1.0), rel=2e-3)
    assert grads["b"].tolist() == pytest.approx([-min(norm, 1.0) / 8] * 4, rel=2e-3)


def test_one_bad_number_among_large_ones_is_refused():
    for bad in (NAN, INF, -INF):
        with pytest.raises(TrainingError, match="finite gradients"):
            nn.clip_global_norm({"a": row(3e38, bad), "b": row(1, 2)}, 1.0)


@pytest.mark.parametrize("size", [3, LANES])
@pytest.mark.parametrize("make", [nn.Adam, nn.AdamW, lambda: nn.RMSProp(decay=0.9)])
def test_steps_of_large_gradients_have_their_usual_size(make, size):
    """The mean of their squares overflowed: the weights stood still from then on."""
    optimizer = make()
    # Strided arrays go another way.
    weights = {"w": np.zeros((2, size), np.float32), "s": np.zeros((size, 4), np.float32)[:, ::2]}
    for slope in (1e30, 1e30, 1e30, -1.0):
        optimizer.step(weights, {name: np.full_like(w, slope) for name, w in weights.items()}, 0.1)
    for w in weights.values():
        assert (w < -0.1).all()
        assert (w > -1.0).all()
    assert all(np.isfinite(array).all() for array in optimizer.state()["tensors"].values())


def test_nan_stays_apart_from_large_gradients_of_shared_rows():
    table = {"w": np.zeros((8, 16), np.float32)}
    optimizer = SharedRowsAdamW({"w": SharedRows(2, 2, 2)}, weight_decay=0.0)
    gradient = np.full((8, 16), 1e30, np.float32)
    gradient[3, 5] = NAN
    optimizer.step(table, {"w": gradient}, 0.1)
    assert np.isnan(table["w"][3, 5])
    finite = table["w"][~np.isnan(table["w"])]
    assert finite.size >= 126
    assert np.allclose(finite, -0.2, atol=1e-3)


# ---- normalisation -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "large", "near"), [(np.float16, 3e4, 0.1), (np.float32, 1e37, 1e-3)]
)
@pytest.mark.parametrize("shape", [(8, 3), (4, 16, 2, 2), (4, 4, 2, 2)], ids=str)
@pytest.mark.parametrize("kind", [nn.BatchNorm, nn.LayerNorm])
def test_norms_of_large_numbers_are_those_of_small_ones(kind, shape, dtype, large, near):
    """Their variance was infinite, and everything came out as 0."""
    small = np.random.default_rng(3).uniform(-1, 1, shape)
    dy = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    layer = kind(shape[1 if kind is nn.BatchNorm else -1])
    exact, exact_backward = layer.astype(np.float64).forward(small * 1e6, training=True)
    norm = layer.astype(dtype)
    y, backward = norm.forward((small * large).astype(dtype), training=True)
    found = arrays_in([y, backward(dy)[1]])
    wanted = arrays_in([exact, exact_backward(dy.astype(np.float64))[1]])
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == dtype
        assert np.allclose(one, other, atol=near)
    assert all(np.isfinite(buffer).all() for buffer in norm.buffers.values())


def test_a_rectifying_norm_does_not_hide_nan():
    """The kernel took the larger of NaN and 0 for 0, the array code for NaN."""
    norm = nn.BatchNorm(16, relu=True)
    x = np.ones((2, 16, 2, 2), np.float32)
    x[0, 3, 0, 0] = NAN
    for training in (True, False):
        y, _ = norm.replica().forward(x, training)
        assert np.isnan(y[0, 3, 0, 0])
    flat, y = x.reshape(-1), np.empty(x.size, np.float32)
    ones = np.ones(16, np.float32)
    channelwise.normalise(flat, 16, ones, ones, ones, True, y)
    assert np.isnan(y).sum() == 1


# ---- schedules and settings ----------------------------------------------------------------------


def test_a_schedule_never_passes_its_peak():
    """A warm-up of 2.5 steps rose to 1.2 times the peak."""
    schedule = nn.WarmupCosine(peak=1.0, total=10, warmup=2.5)
    assert max(map(schedule, range(12))) == schedule(2) == 1.0


def test_the_rate_of_step_nan_is_nan():
    """NaN meant the end of the run."""
    assert math.isnan(nn.WarmupCosine(peak=1.0, total=10)(NAN))


ONES = nn.Data(np.ones((4, 2), np.float32), np.ones((4, 1), np.float32))


def trainer(rate=0.1):
    return nn.Trainer(nn.Dense(2, 1, np.random.default_rng(0)), nn.mse, nn.SGD(), rate)


def settings(**values):
    return lambda: nn.TrainerSettings(**values)


def schedule(**values):
    return lambda: nn.WarmupCosine(**{"peak": 1.0, "total": 10, **values})


def half_step(optimizer):
    params = {"w": np.ones(2, np.float16)}
    return lambda: optimizer.step(params, {"w": np.zeros(2, np.float16)}, 0.1)


WHOLE = "expected a whole number"
HALF = "w: expected float32 or float64 to train, found float16"
REFUSED = [  # an act, and words of its refusal
    (lambda: trainer().fit(ONES, NAN), WHOLE),
    (lambda: trainer().fit(ONES, 1.5), WHOLE),
    (lambda: trainer().fit(ONES, 1, checkpoint_steps=0), WHOLE),
    *[(settings(batch_size=value), f"batch_size: {WHOLE}") for value in (NAN, 2.5, INF, -1)],
    *[
        (settings(**{n: -1}), f"{n}: {WHOLE}")
        for n in ("patience", "shard_size", "threads", "seed")
    ],
    (schedule(peak=INF), "floor <= peak < infinity"),
    *[(schedule(**{name: NAN}), "needs 0 <= warmup") for name in ("peak", "total", "warmup")],
    (lambda: trainer(NAN), "schedule"),
    (lambda: trainer(lambda step: None).fit(ONES, 1), "expected a rate for step 0, found None"),
    (lambda: nn.StochasticAverage(every=NAN), "every"),
    (lambda: nn.ReduceLROnPlateau(1), "factor must be between 0 and 1, not 1"),
    *[(half_step(optimizer), HALF) for optimizer in (nn.SGD(), nn.Adam(), nn.RMSProp())],
    *[(lambda e=e: nn.Adam(epsilon=e), "epsilon > 0") for e in (1e-50, 0.0, NAN)],
    (lambda: nn.AdamW(epsilon=0), "epsilon > 0"),
    (lambda: nn.RMSProp(epsilon=0), "epsilon > 0"),
]


@pytest.mark.parametrize(("act", "words"), REFUSED)
def test_a_number_that_plans_no_run_is_refused(act, words):
    with pytest.raises(ConfigError, match=words):
        act()


# ---- training ------------------------------------------------------------------------------------


class Root(nn.Layer):
    """y = sqrt(|x|), whose slope at 0 is infinite."""

    def forward(self, x, training=False):
        y = np.sqrt(np.abs(x))
        return y, lambda dy: (dy * np.sign(x) / (2 * y), {})


@pytest.mark.parametrize("what", ["loss", "gradient", "validation loss"])
def test_a_number_that_is_not_finite_ends_training(what):
    x = np.zeros((4, 2), np.float32)
    layer = nn.Dense(2, 2, np.random.default_rng(0))
    model = nn.Sequential(layer, Root()) if what == "gradient" else layer
    data, broken = nn.Data(x, x + 1), nn.Data(x, x + NAN)
    trainer = nn.Trainer(model, nn.mse, nn.SGD(), 0.1)
    expected = (
        rf"expected a finite {what}, got nan; check the data for NaN, or lower the rate of 0\.1"
    )
    with pytest.raises(TrainingError, match=expected), np.errstate(all="ignore"):
        trainer.fit(
            broken if what == "loss" else data, 2, broken if what == "validation loss" else None
        )


# ---- inputs of +-1,000 ---------------------------------------------------------------------------


HUGE = 1e3


def extreme(x):
    """Floats replaced by +-1,000 and 0, whole numbers kept."""
    if isinstance(x, tuple):
        return tuple(extreme(part) for part in x)
    if x.dtype.kind != "f":
        return x
    values = np.array([HUGE, -HUGE, 0.0, HUGE, HUGE, -HUGE, -HUGE], np.float32)
    return np.resize(values, x.shape)


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers_stay_finite(case, training):
    layer = case.layer.astype(np.float32)
    layer.reseed(1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, backward = layer.forward(extreme(case.x), training, **case.options)
        dx, grads = backward(mapped(np.ones_like, y))
    for array in arrays_in([y, dx, grads]):
        assert np.isfinite(array).all()


@pytest.mark.parametrize(
    "name", [name for name in ACTIVATIONS if name != "squared_relu"]
)  # which is that square
def test_activations_stay_finite_where_the_square_of_x_is_not(name):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, slope = ACTIVATIONS[name](np.array([-1e38, -1e20, 1e20, 1e38], np.float32))
        dx = slope(np.ones(4, np.float32))
    assert np.isfinite(y).all()
    assert dx.tolist() == pytest.approx(
        ACTIVATIONS[name](np.float32([-1e3, -1e3, 1e3, 1e3]))[1](np.ones(4)).tolist(), abs=2e-6
    )


def test_the_log_of_a_softmax_without_any_choice_is_minus_infinity():
    hidden = np.full((1, 3), -np.inf, np.float32)
    assert (nn.Softmax(log=True)(hidden) == -np.inf).all()


def test_a_group_norm_of_nothing_is_refused():
    with pytest.raises(ShapeError, match="nothing"):
        nn.GroupNorm(1, 3)(np.zeros((2, 3, 0), np.float32))
