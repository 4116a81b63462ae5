"""What is kept in one place: replicas, averages, parts of a trainer, rows, and threads of BLAS."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from engine import nn
from engine.native.blas import one_blas_thread
from tests.unit.nn.small_trainings import DATA, RNG, X, Y, changed, dense, in_shards, trainer


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        one=nn.Dense(3, 4, rng), drop=nn.Dropout(0.0, rng), two=nn.Dense(4, 2, rng)
    )


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


class After(nn.Callback):
    """Does something after the first step."""

    def __init__(self, act):
        self.act = act

    def on_step(self, trainer, record):
        if trainer.steps_done == 1:
            self.act(trainer.model)


def stepped(model, steps_done, rows, **settings):
    """Take a step with a new trainer, whose masks of dropout are those of this step."""
    run = trainer(model, **settings)
    run._step.run.steps_done = steps_done
    return run.step(nn.Data(X[rows], Y[rows]))


@in_shards
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_callback_changes_counts_from_the_next_step(change, settings):
    """Gradients came from the arrays and settings that replicas had kept."""
    model, other = network(), network()
    trainer(model, **settings).fit(DATA, 1, callbacks=[After(change)])
    order = np.random.default_rng([0, 0]).permutation(64)
    stepped(other, 0, order[:32], **settings)
    change(other)
    stepped(other, 1, order[32:], **settings)
    assert not changed(model, other)


@pytest.mark.parametrize("change", [change for change in CHANGES if change is not other_rate])
def test_what_changes_behind_the_best_epoch_is_trained_on(change):
    """The weights of the last step came back over it."""
    rising = nn.Data(X, Y + np.arange(64)[:, None])
    model = network()
    run = trainer(model, rate=0.5, patience=1)
    run.fit(DATA, 9, validation=rising)
    assert run._step.run.last
    fresh = model.copy()
    change(model)
    change(fresh)
    run.step(nn.Data(X[:32], Y[:32]))
    stepped(fresh, run.steps_done - 1, slice(32), rate=0.5)
    assert not changed(model, fresh)


@pytest.mark.parametrize("change", CHANGES)
def test_the_average_follows_a_model_with_other_parts(change):
    run = trainer(network(), average_decay=0.5)
    run.fit(DATA, 1)
    change(run.model)
    run.fit(DATA, 2)
    averages = run.averaged_model().named_parameters()
    assert averages.keys() == run.model.named_parameters().keys()


def test_the_average_is_a_model_of_its_own():
    """Training went on in the average, where replicas shared what they adopt."""
    run = trainer(average_decay=0.5)
    run.fit(DATA, 1)
    before = run.model(X)
    for array in run.averaged_model().named_parameters().values():
        array[...] = 0
    assert np.array_equal(run.model(X), before)


# ---- parts of a trainer and of layers ------------------------------------------------------------


def test_another_schedule_and_other_arrays_of_a_loader_count_from_the_next_epoch():
    run = trainer()
    loader = nn.Loader(X, Y)
    loader.inputs, loader.targets = X[:8], Y[:8]
    run.fit(loader, 1)
    run.schedule = 0.25
    history = run.fit(loader, 2)
    assert history["rate"] == [0.05, 0.25]
    assert history["step"] == [1, 2]


def test_another_function_of_an_activation_is_computed():
    """It was saved, and the first one was computed."""
    layer = nn.Activation("relu")
    layer.function = "tanh"
    assert np.array_equal(layer(X), np.tanh(X))
    block = nn.Residual(nn.Sequential(dense(3, 3)))
    block.activation = "tanh"
    assert (block(X) < 0).any()


# ---- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [slice(2, 9), np.arange(2, 9)])
def test_what_prepare_changes_in_place_is_a_copy(rows, tmp_path):
    """The caller's arrays shrank from epoch to epoch, and files with them."""
    np.save(tmp_path / "x.npy", X)

    def halved(batch):
        batch.inputs[...] /= 2
        batch.targets[...] /= 2
        return batch

    for inputs in (X.copy(), np.load(tmp_path / "x.npy", mmap_mode="r+")):
        targets = Y.copy()
        batch = nn.Loader(inputs, targets, prepare=halved).batch(rows)
        assert type(batch.inputs) is np.ndarray
        assert np.array_equal(batch.inputs, X[rows] / 2)
        assert np.array_equal(inputs, X)
        assert np.array_equal(targets, Y)


def test_weights_stay_with_a_batch_that_prepare_makes_anew():
    def prepared(batch):
        return nn.Data(batch.inputs, batch.targets)

    batch = nn.Loader(X, Y, prepared, weights=np.arange(64)).batch(np.array([5, 2]))
    assert batch.weights.tolist() == [5, 2]


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
    run = trainer(nn.Sequential(nn.Dense(3, 2, RNG), Watching(seen)))
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        run.fit(DATA, 1, validation=DATA)
        run.evaluate(DATA)
        run.model.predict(X)
        run.model.forward(X, training=True)[1](Y)
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


# ---- gradient_check ------------------------------------------------------------------------------


class Both(nn.Layer):
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


def test_gradients_are_checked_whatever_outputs_are_called():
    check = nn.gradient_check(Both(), X[:2])
    assert [tensor.name for tensor in check.tensors] == ["x", "x"]
    assert check.error < 1e-6
