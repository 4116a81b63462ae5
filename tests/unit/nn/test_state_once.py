"""What is kept in one place: replicas, parts of a trainer, names of base classes, rows, threads of
BLAS, and means.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from engine import nn
from engine.errors import ConfigError, ShapeError
from engine.native.blas import one_blas_thread
from engine.nn.layer import Layer

RNG = np.random.default_rng(3)
X = RNG.standard_normal((64, 3)).astype(np.float32)
Y = RNG.standard_normal((64, 2)).astype(np.float32)
DATA = nn.Data(X, Y)
SHARDS = {"whole": {}, "shards": {"shard_size": 8}, "threads": {"shard_size": 8, "threads": 2}}


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        one=nn.Dense(3, 4, rng), drop=nn.Dropout(0.0, rng), two=nn.Dense(4, 2, rng)
    )


def trainer(model, rate=0.05, loss=nn.mse, **settings):
    form = nn.TrainerSettings(**{"batch_size": 32, **settings})
    return nn.Trainer(model, loss, nn.SGD(), rate, form)


# ---- replicas ------------------------------------------------------------------------------------


def other_array(model):
    model["one"].params["weight"] = np.full((4, 3), 0.5, np.float32)


def other_layer(model):
    model.layers["two"] = nn.Dense(4, 2, np.random.default_rng(9))


def other_arrays(model):
    arrays = {name: 2 * array for name, array in model.named_parameters().items()}
    model.adopt_parameters(arrays)


def other_rate(model):
    model["drop"].rate = 0.5


def one_layer_more(model):
    model.append(nn.Dense(2, 2, np.random.default_rng(8)))


CHANGES = [other_array, other_layer, other_arrays, other_rate, one_layer_more]


@pytest.mark.parametrize("settings", SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_fits_is_what_trains(change, settings):
    """Gradients came from the arrays and settings that replicas had kept."""
    changed, fresh = network(), network()
    run = trainer(changed, **settings)
    run.fit(DATA, 1)
    fresh.load_parameters(changed.named_parameters())
    change(changed)
    change(fresh)
    new = trainer(fresh, **settings)
    new._step.run.steps_done = run.steps_done  # which the masks of dropout follow
    batch = nn.Data(X[:32], Y[:32])
    assert run.step(batch) == new.step(batch)
    for name, array in fresh.named_parameters().items():
        assert np.array_equal(changed.named_parameters()[name], array), name


@pytest.mark.parametrize("settings", SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_callback_changes_counts_from_the_next_step(change, settings):
    class Changes(nn.Callback):
        def on_step(self, trainer, record):
            if trainer.steps_done == 1:
                change(trainer.model)

    model, other = network(), network()
    run, by_hand = trainer(model, **settings), trainer(other, **settings)
    run.fit(DATA, 1, callbacks=[Changes()])
    order = np.random.default_rng([0, 0]).permutation(64)
    for number, rows in enumerate((order[:32], order[32:])):
        by_hand.step(nn.Data(X[rows], Y[rows]))
        if not number:
            change(other)
    for name, array in other.named_parameters().items():
        assert np.array_equal(model.named_parameters()[name], array), name


@pytest.mark.parametrize("change", [change for change in CHANGES if change is not other_rate])
def test_what_changes_behind_the_best_epoch_is_trained_on(change):
    """The weights of the last step came back over it."""
    rising = nn.Data(X, Y + np.arange(64)[:, None])
    model, fresh = network(), network()
    run = trainer(model, rate=0.5, patience=1)
    run.fit(DATA, 9, validation=rising)
    assert run._step.run.last
    fresh.load_parameters(model.named_parameters())
    change(model)
    change(fresh)
    new = trainer(fresh, rate=0.5)
    new._step.run.steps_done = run.steps_done
    batch = nn.Data(X[:32], Y[:32])
    assert run.step(batch) == new.step(batch)
    for name, array in fresh.named_parameters().items():
        assert np.array_equal(model.named_parameters()[name], array), name


@pytest.mark.parametrize("change", CHANGES)
def test_the_average_follows_a_model_with_other_parts(change):
    model = network()
    run = trainer(model, average_decay=0.5)
    run.fit(DATA, 1)
    change(model)
    run.fit(DATA, 2)
    assert run.averaged_model().named_parameters().keys() == model.named_parameters().keys()


def test_the_average_is_a_model_of_its_own():
    """Training went on in the average, where replicas shared what they adopt."""
    model = network()
    run = trainer(model, average_decay=0.5)
    run.fit(DATA, 1)
    before = model(X)
    for array in run.averaged_model().named_parameters().values():
        array[...] = 0
    assert np.array_equal(model(X), before)


# ---- parts of a trainer --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", nn.mae),
        ("optimizer", nn.Adam()),
        ("metrics", {}),
        ("model", network()),
        ("settings", nn.TrainerSettings()),
        ("average", None),
        ("rates", {}),
    ],
)
def test_a_part_that_would_not_count_everywhere_is_refused(name, value):
    """`fit` ignored some that `evaluate` used."""
    run = trainer(network())
    with pytest.raises(ConfigError, match=f"Trainer.{name} stays as it is: make a new trainer"):
        setattr(run, name, value)


def test_metrics_are_not_added_later():
    with pytest.raises(TypeError):
        trainer(network()).metrics["mae"] = nn.mae


def test_another_schedule_counts_from_the_next_step():
    run = trainer(network())
    run.fit(DATA, 1)
    run.schedule = 0.25
    assert run.fit(DATA, 2)["rate"] == [0.05, 0.25]
    with pytest.raises(ConfigError, match="schedule must be"):
        run.schedule = -1


def test_arrays_of_a_loader_are_those_that_it_reads():
    loader = nn.Loader(X, Y)
    loader.inputs, loader.targets = X[:8], Y[:8]
    assert len(loader) == 8
    assert trainer(network()).fit(loader, 1)["step"] == [1]


def test_another_function_of_an_activation_is_computed():
    """It was saved, and the first one was computed."""
    layer = nn.Activation("relu")
    layer.function = "tanh"
    assert np.array_equal(layer(X), nn.Activation("tanh")(X))
    block = nn.Residual(nn.Sequential(nn.Dense(3, 3, RNG)))
    block.activation = "tanh"
    assert (block(X) < 0).any()


@pytest.mark.parametrize(
    ("layer", "name"), [(nn.Conv2D(1, 1, 3, RNG), "stride"), (nn.MaxPool2D(2), "window")]
)
def test_another_window_is_refused(layer, name):
    """It went into files, and the first one was computed."""
    with pytest.raises(ConfigError, match=f"{name} stays as it is: build another layer"):
        setattr(layer, name, 2)


# ---- names of base classes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["kind", "options", "config", "settings", "walk", "copy", "predict"]
)
def test_an_argument_or_attribute_with_a_name_of_the_base_class_is_refused(name):
    """It was saved and never loaded, a mask was dropped, or a dict was called."""
    with pytest.raises(ConfigError, match=f"Own: '{name}' is a name of Layer's own"):
        type("Own", (nn.Layer,), {name: 3})
    scope = {}
    exec(f"def __init__(self, {name}): pass", scope)
    with pytest.raises(ConfigError, match=f"'{name}' is a name of Layer's own"):
        type("Own", (nn.Layer,), {"__init__": scope["__init__"]})
    with pytest.raises(ConfigError, match=f"Dense: '{name}' is a name of Layer's own"):
        setattr(nn.Dense(2, 2, RNG), name, {})


@pytest.mark.parametrize("name", ["_frozen", "_needless"])
def test_no_attribute_freezes_a_layer_by_chance(name):
    with pytest.raises(ConfigError, match=name):
        setattr(nn.Dense(2, 2, RNG), name, True)


@pytest.mark.parametrize("name", ["state", "step", "_state"])
def test_an_optimizer_keeps_the_names_of_its_base_class(name):
    class Own(nn.Optimizer):
        def __init__(self):
            super().__init__()
            setattr(self, name, {})

    if name == "_state":
        assert Own().steps == 0  # a state of one's own, which the base class would keep
        return
    with pytest.raises(ConfigError, match=f"Own: '{name}' is a name of Optimizer's own"):
        Own()


# ---- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [slice(2, 9), np.arange(2, 9)])
def test_what_prepare_changes_in_place_is_a_copy(rows, tmp_path):
    """The caller's arrays shrank from epoch to epoch, and files with them."""
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r+")

    def halved(batch):
        batch.inputs[...] /= 2
        batch.targets[...] /= 2
        return batch

    for inputs in (X.copy(), mapped):
        targets = Y.copy()
        batch = nn.Loader(inputs, targets, prepare=halved).batch(rows)
        assert np.array_equal(batch.inputs, X[rows] / 2)
        assert np.array_equal(inputs, X)
        assert np.array_equal(targets, Y)


# ---- threads of BLAS -----------------------------------------------------------------------------


def blas_threads():
    """Of the library that NumPy multiplies by; other packages bring theirs."""
    return {
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    }


class Watching(nn.Layer):
    """Notes the threads of BLAS in both directions."""

    def __init__(self, seen):
        self.seen = seen

    def forward(self, x, training=False):
        self.seen.append(blas_threads())

        def backward(dy):
            self.seen.append(blas_threads())
            return dy, {}

        return x, backward


def test_every_computation_of_the_library_has_one_thread_of_blas():
    """Losses of validation depended on the number of cores, those of training did not."""
    seen = []
    model = nn.Sequential(nn.Dense(3, 2, RNG), Watching(seen))
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        run = trainer(model)
        run.fit(DATA, 1, validation=DATA)
        run.evaluate(DATA)
        model.predict(X)
        model.forward(X, training=True)[1](Y)
        assert blas_threads() == before
    assert len(seen) > 6
    assert all(threads == {1} for threads in seen)


def test_blocks_that_overlap_lift_the_limit_once():
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with one_blas_thread:
            with one_blas_thread:
                pass
            assert blas_threads() == {1}
        assert blas_threads() == before


# ---- means ---------------------------------------------------------------------------------------

WEIGHTS = RNG.uniform(0, 3, 64)
CLASSES = RNG.integers(0, 2, 64)


@pytest.mark.parametrize("loss", nn.LOSSES.values(), ids=nn.LOSSES)
@pytest.mark.parametrize("settings", SHARDS.values(), ids=SHARDS)
def test_weights_of_examples_count_as_copies_of_them_do(loss, settings):
    counts = np.arange(64) % 3
    targets = CLASSES if loss is nn.softmax_cross_entropy else np.abs(np.tanh(Y))
    several = nn.Data(np.repeat(X, counts, 0), np.repeat(targets, counts, 0))
    weighted = nn.Data(X, targets, weights=counts.astype(np.float64))
    ends = []
    for data in (several, weighted):
        model = network()
        size = len(data.inputs)
        run = trainer(
            model, loss=loss, batch_size=size, **{**settings, "shard_size": 16} if settings else {}
        )
        means = run.evaluate(data), run.fit(data, 1)["loss"]
        ends.append((means[0]["loss"], *means[1], *model.named_parameters().values()))
    for found, expected in zip(*ends, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_accuracy_takes_weights():
    outputs = np.eye(2)[CLASSES ^ (np.arange(64) < 16)]
    right = WEIGHTS[16:].sum() / WEIGHTS.sum()
    assert nn.accuracy(outputs, CLASSES, weights=WEIGHTS) == pytest.approx(right)


def own_loss(outputs, targets, weights=None):
    w = np.abs(targets) if weights is None else weights[:, None] * np.ones_like(targets)
    return nn.MeanOver((w * (outputs - targets) ** 2).sum() / w.sum(), w.sum()), 2 * w * (
        outputs - targets
    ) / w.sum()


@pytest.mark.parametrize("settings", SHARDS.values(), ids=SHARDS)
def test_an_own_loss_that_divides_by_weights_is_a_sum_over_a_sum(settings):
    """The mean over a data set was one of means, and so was a step with shards."""
    model = network()
    run = trainer(model, loss=own_loss, batch_size=20, **settings)
    assert run.evaluate(DATA)["loss"] == pytest.approx(own_loss(model(X), Y)[0], rel=1e-6)
    expected = own_loss(model(X[:20]), Y[:20])[0]
    assert run.step(nn.Data(X[:20], Y[:20]))["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_sum_over_a_data_set_is_a_sum():
    def total(outputs, targets):
        return nn.mse(outputs, targets, reduction="sum")

    run = trainer(network(), loss=total, rate=0.0, batch_size=10)
    expected = pytest.approx(((run.model(X) - Y) ** 2).sum(), rel=1e-5)
    assert run.evaluate(DATA)["loss"] == expected
    assert run.fit(DATA, 1)["loss"][0] == expected


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: nn.mse(Y, Y, weights=WEIGHTS[:3]), "expected weights >= 0"),
        (lambda: nn.mse(Y, Y, weights=-WEIGHTS), "expected weights >= 0"),
        (lambda: nn.Loader(X, Y, weights=WEIGHTS[:9]), "found 64 and 64 and 9"),
    ],
)
def test_weights_that_are_none_are_refused(run, words):
    with pytest.raises(ShapeError, match=words):
        run()


def test_a_loss_without_weights_is_named_where_the_data_has_some():
    def plain(outputs, targets):
        return nn.mse(outputs, targets)

    with pytest.raises(ConfigError, match=r"def plain\(outputs, targets, weights\)"):
        trainer(network(), loss=plain).fit(nn.Data(X, Y, weights=WEIGHTS), 1)


def test_weights_stay_with_a_batch_that_prepare_makes_anew():
    loader = nn.Loader(
        X, Y, prepare=lambda batch: nn.Data(batch.inputs, batch.targets), weights=WEIGHTS
    )
    assert np.array_equal(loader.batch(np.array([5, 2])).weights, WEIGHTS[[5, 2]])


# ---- gradient_check ------------------------------------------------------------------------------


class Both(Layer):
    """Two outputs, one of them called as the check calls a single one; a parameter called as its
    input.
    """

    def __init__(self):
        self.params = {"x": np.ones(3, np.float32)}

    def forward(self, x, training=False):
        scale = self.params["x"]

        def backward(dy):
            total = dy["y"] + dy["z"][0]
            return total * scale, {"x": (total * x).sum(axis=0)}

        return {"y": x * scale, "z": (x * scale,)}, backward


@pytest.mark.parametrize(
    ("layer", "tensors"),
    [
        (Both(), ["x", "x"]),
        (
            nn.MultiHead(
                nn.Dense(3, 2, RNG), {"y": nn.MultiHead(nn.Flatten(), {"y": nn.Dense(2, 2, RNG)})}
            ),
            ["x", "trunk.weight", "trunk.bias", "y.y.weight", "y.y.bias"],
        ),
    ],
)
def test_gradients_are_checked_whatever_outputs_are_called(layer, tensors):
    check = nn.gradient_check(layer, X[:2])
    assert [tensor.name for tensor in check.tensors] == tensors
    assert check.error < 1e-6
