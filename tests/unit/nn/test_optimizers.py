"""Optimizers, limits of gradients, weight averages and schedules."""

import copy
import math

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError, TrainingError
from engine.native.lanes import LANES
from engine.native.pool import ThreadPool
from engine.nn.operations.updates import STRETCH
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from tests.gradient.cases import arrays_in
from tests.unit.nn.small_trainings import DATA, X, dense, trainer, whole_and_resumed

NAN = math.nan


@pytest.mark.parametrize(
    ("optimizer", "steps", "weight"),
    [
        (nn.SGD(momentum=0.5), 2, 1 - 0.05 - 0.075),
        (nn.SGD(momentum=0.5, nesterov=True), 1, 1 - 0.075),
        (nn.SGD(weight_decay=0.1), 1, 1 - 0.06),
        (nn.RMSProp(decay=0.75), 1, 1 - 0.1 * 0.5 / 0.25),
        (nn.Adam(), 2, 1 - 0.2),  # a constant gradient moves by the rate each step
        (nn.Adam(epsilon=0.5), 2, 1 - 0.1),  # beside the corrected root, which is 0.5
        (nn.AdamW(weight_decay=0.5), 1, 0.95 - 0.1),
    ],
)
def test_first_steps_follow_the_formulas(optimizer, steps, weight):
    params = {"w": np.ones((1, 1))}
    for _ in range(steps):
        optimizer.step(params, {"w": np.full((1, 1), 0.5)}, 0.1)
    assert float(params["w"][0, 0]) == pytest.approx(weight)


@pytest.mark.parametrize("kind", [nn.SGD, nn.Adam, nn.AdamW])
def test_decay_spares_vectors_and_gains(kind):
    params = {"bias": np.ones(3), "scale": np.ones((2, 3))}
    zeros = {name: np.zeros_like(array) for name, array in params.items()}
    kind(weight_decay=0.5).step(params, zeros, 0.1)
    assert all((array == 1).all() for array in params.values())


@pytest.mark.parametrize("threads", [1, 3])
def test_steps_by_kernels_are_those_of_the_array_code_bit_for_bit(threads):
    """Strided arrays have no flat view: for them the arithmetic is NumPy's."""
    size = 2 * STRETCH + 5
    ends = []
    for columns in (1, 2):
        rng = np.random.default_rng(4)
        parameter = {"w": np.zeros((size, columns), np.float32)[:, :1]}
        optimizer = nn.AdamW(weight_decay=0.1, epsilon=0.1)
        average = nn.ExponentialAverage(0.9)
        with ThreadPool(threads, "test") as pool:
            for _ in range(3):
                gradient = np.zeros((size, columns), np.float32)[:, :1]
                gradient[9:] = rng.standard_normal((size - 9, 1))
                optimizer.step(parameter, {"w": gradient}, 1e-2, pool)
                average.update(parameter, pool)
        ends.append((parameter, average.tensors, optimizer.state()["tensors"]))
    for flat, strided in zip(*map(arrays_in, ends), strict=True):
        assert np.array_equal(flat, strided)


@pytest.mark.parametrize("size", [3, LANES])
@pytest.mark.parametrize("make", [nn.Adam, nn.AdamW, lambda: nn.RMSProp(decay=0.9)])
def test_steps_of_large_gradients_have_their_usual_size(make, size):
    """The mean of their squares overflowed: the weights stood still from then on."""
    optimizer = make()
    # Strided arrays go another way.
    weights = {"w": np.zeros((2, size), np.float32), "s": np.zeros((size, 4), np.float32)[:, ::2]}
    for slope in (1e30, 1e30, 1e30, -1.0):
        optimizer.step(weights, {name: np.full_like(w, slope) for name, w in weights.items()}, 0.1)
    for weight in weights.values():
        assert (weight < -0.1).all()
        assert (weight > -1.0).all()


def test_a_gradient_that_does_not_fit_changes_nothing():
    params = {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ShapeError, match=r"gradient of b: expected \(2,\), found \(3,\)"):
        nn.Adam().step(params, {"a": np.ones(2), "b": np.ones(3)}, 0.1)
    assert params["a"].tolist() == [1, 1]


# ---- their state ---------------------------------------------------------------------------------


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
        own["mean"] = self.decay * own["mean"] + gradient
        own["count"] += 1
        self.seen += 1
        if self.last is not None:
            parameter -= learning_rate * self.last
        parameter -= learning_rate * own["mean"] / own["count"] / self.seen
        self.last = gradient.mean().reshape(1)


@pytest.mark.parametrize(
    "make", [lambda: nn.SGD(momentum=0.9), nn.RMSProp, nn.Adam, nn.AdamW, OwnMomentum]
)
def test_a_resumed_optimizer_goes_on_bit_for_bit(make, tmp_path):
    def made():
        return trainer(optimizer=make(), rate=0.001)

    whole, resumed = whole_and_resumed(made, DATA, 2, 4, tmp_path / "run.npz")
    assert resumed.history == whole.history


def test_a_setting_of_ones_own_optimizer_is_compared(tmp_path):
    trainer(optimizer=OwnMomentum()).save(tmp_path / "run.npz")
    with pytest.raises(ConfigError, match="decay"):
        trainer(optimizer=OwnMomentum(0.25)).resume(tmp_path / "run.npz")


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
    assert np.allclose(state["mean.w"], 0.9 * weight)
    for array in (average.tensors["w"], *state.values()):
        assert array.strides == weight.strides


def test_an_optimizer_goes_on_with_its_own_model_alone():
    """Steps of two models went into one average, since their parameters have one name."""
    adam = nn.Adam()
    model = dense()
    for _ in range(2):
        trainer(model, optimizer=adam).fit(DATA, 1)
    trainer(optimizer=copy.deepcopy(adam)).fit(DATA, 1)
    for use in (
        lambda: trainer(optimizer=adam).fit(DATA, 1),
        lambda: adam.step({"bias": X}, {"bias": X}, 0.1),
    ):
        with pytest.raises(ConfigError, match="another model: make a new one"):
            use()


# ---- tables with shared rows ---------------------------------------------------------------------


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


def test_nan_stays_apart_from_large_gradients_of_shared_rows():
    table = {"w": np.zeros((8, 16), np.float32)}
    gradient = np.full((8, 16), 1e30, np.float32)
    gradient[3, 5] = NAN
    optimizer = SharedRowsAdamW({"w": SharedRows(2, 2, 2)}, weight_decay=0.0)
    optimizer.step(table, {"w": gradient}, 0.1)
    assert np.isnan(table["w"][3, 5])
    finite = table["w"][~np.isnan(table["w"])]
    assert finite.size >= 126
    assert np.allclose(finite, -0.2, atol=1e-3)


# ---- limits of gradients -------------------------------------------------------------------------


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
    assert grads["b"].tolist() == pytest.approx([-min(norm, 1.0) / 8] * 4, rel=2e-3)


def test_clipping_by_value_bounds_each_number():
    grads = {"a": np.array([-3.0, 0.5, NAN]), "b": np.array([[9.0]])}
    nn.clip_value(grads, 1)
    assert np.array_equal(grads["a"], [-1, 0.5, NAN], equal_nan=True)
    assert grads["b"] == [[1]]


@pytest.mark.parametrize(("clip_norm", "moved"), [(None, 0.25), (0.1, 0.1 / 3**0.5)])
def test_gradients_are_clipped_by_value_first(clip_norm, moved):
    run = trainer(dense(2, 1), rate=1.0, clip_value=0.25, clip_norm=clip_norm)
    before = run.model.params["weight"].copy()
    norm = run.step(nn.Data(np.full((4, 2), 9.0), np.full((4, 1), 99.0)))["gradient_norm"]
    assert np.allclose(run.model.params["weight"], before + moved, atol=1e-6)
    assert norm > 100, "before clipping"


def without_end(outputs, targets):
    return 1.0, np.full_like(outputs, math.inf)


NOT_FINITE = nn.Data(X, X[:, :2] + NAN)


@pytest.mark.parametrize(
    ("what", "run", "data", "validation"),
    [
        ("loss", trainer(), NOT_FINITE, None),
        ("validation loss", trainer(), DATA, NOT_FINITE),
        ("gradient", trainer(loss=without_end), DATA, None),
        # Infinity became 0.25, and moved the weights.
        ("gradient", trainer(loss=without_end, clip_value=0.25), DATA, None),
    ],
)
def test_a_number_that_is_not_finite_ends_training(what, run, data, validation):
    words = rf"a finite {what}, got (nan|inf); check the data for NaN, or lower the rate of 0\.05"
    with pytest.raises(TrainingError, match=words):
        run.fit(data, 2, validation)


# ---- averages ------------------------------------------------------------------------------------


def averaged(average, count):
    """The average after a weight of 0 and so many of 1."""
    average.update({"w": np.zeros(3)})
    for _ in range(count):
        average.update({"w": np.ones(3)})
    return average.tensors["w"][0]


@pytest.mark.parametrize(("count", "power"), [(3, 0), (4, 5), (8, 5), (9, 10)])
def test_an_average_of_every_few_steps_moves_as_far_at_each_as_all_of_them_would(count, power):
    average = nn.ExponentialAverage(0.9, every=5)
    assert averaged(average, count) == pytest.approx(1 - 0.9**power)


def test_average_with_a_quick_start_soon_forgets_where_it_began():
    assert averaged(nn.ExponentialAverage(0.999, quick_start=True), 20) > 0.99


def test_an_average_of_every_epoch_is_the_mean_of_their_last_weights():
    seen = []
    run = trainer(average=nn.StochasticAverage(every=2))
    run.fit(DATA, 4, callbacks=[lambda record: seen.append(run.model.params["weight"].copy())])
    assert np.allclose(run.averaged_model().params["weight"], np.mean(seen, axis=0), atol=1e-6)


def test_statistics_are_refreshed_by_examples_not_by_batches():
    """A small last batch counted as much as all others."""
    batches = [count + 4 * X[:count] for count in (50, 20, 2)]
    norm = nn.BatchNorm(3)
    nn.refresh_statistics(nn.Sequential(norm), batches)
    for name, measure in (("running_mean", np.mean), ("running_variance", np.var)):
        means = [measure(batch, axis=0) for batch in batches]
        expected = np.average(means, axis=0, weights=[50, 20, 2])
        assert np.allclose(norm.buffers[name], expected, rtol=1e-4)


# ---- schedules -----------------------------------------------------------------------------------

COSINE = nn.WarmupCosine(peak=2.0, total=110, warmup=10, floor=0.5)
UNEVEN = nn.WarmupCosine(peak=1.0, total=10, warmup=2.5)
STEPS = nn.StepDecay(0.5, every=10, factor=0.1)


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        (COSINE, 0, 0.2),
        (COSINE, 9, 2.0),
        (COSINE, 60, 1.25),
        (COSINE, 110, 0.5),
        (COSINE, NAN, NAN),  # which meant the end of the run
        (UNEVEN, 1, 0.8),
        (UNEVEN, 2, 1.0),  # no 1.2 times the peak
        (STEPS, 9, 0.5),
        (STEPS, 10, 0.05),
    ],
)
def test_a_schedule_has_its_rate_at_each_step(schedule, step, rate):
    assert schedule(step) == pytest.approx(rate, nan_ok=True)
