"""The trainer: repeatable, resumable bit for bit, with validation, early stop and a history."""

import signal

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, NetFileError, ShapeError, TrainingError
from engine.native.pool import ThreadPool
from engine.nn.training.gradient_source import GradientSource


def network(seed=1):
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        dense1=nn.Dense(3, 8, rng),
        norm=nn.BatchNorm(8, relu=True),
        drop=nn.Dropout(0.2, rng),
        dense2=nn.Dense(8, 2, rng),
    )


def examples(count=50, seed=2):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 3)).astype(np.float32)
    return nn.Data(x, (x[:, 0] * x[:, 1] > 0).astype(np.int64))


HELD_OUT = nn.Data(examples(40, seed=7).inputs, np.random.default_rng(6).integers(0, 2, 40))


def trainer(**settings):
    options = nn.TrainerSettings(
        **{"batch_size": 8, "clip_norm": 1.0, "average_decay": 0.9, **settings}
    )
    schedule = nn.WarmupCosine(0.02, 100, 5)
    return nn.Trainer(
        network(),
        nn.softmax_cross_entropy,
        nn.AdamW(),
        schedule,
        options,
        {"accuracy": nn.accuracy},
    )


def everything(run):
    averages = {
        f"average.{name}": array for name, array in run.averaged_model().named_parameters().items()
    }
    return (
        run.model.named_parameters()
        | run.model.named_buffers()
        | run.optimizer.state()["tensors"]
        | averages
    )


def assert_same(one, other):
    here, there = everything(one), everything(other)
    assert here.keys() == there.keys()
    assert all(np.array_equal(here[name], there[name]) for name in here)
    assert one.history == other.history
    assert one.steps_done == other.steps_done


def test_a_run_follows_its_seed_with_any_threads():
    runs = [
        trainer(seed=seed, shard_size=3, threads=threads)
        for seed, threads in ((4, 1), (4, 3), (5, 1))
    ]
    for run in runs:
        run.fit(examples(), 2)
    assert_same(runs[0], runs[1])
    assert runs[0].history != runs[2].history


def test_a_checkpoint_goes_on_with_its_own_data_alone(tmp_path):
    run = trainer()
    run.fit(examples(), 1, checkpoint=tmp_path / "run.npz")
    resumed = trainer()
    resumed.resume(tmp_path / "run.npz")
    with pytest.raises(ConfigError, match=r"50 examples.*new data needs a new Trainer"):
        resumed.fit(examples(60), 2)


def test_a_checkpoint_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(NetFileError, match="nowhere"):
        trainer().save(tmp_path / "nowhere" / "run.npz")


def test_training_stops_when_validation_gets_no_better(tmp_path):
    run = trainer(patience=3, clip_norm=None)
    history = run.fit(examples(), 200, HELD_OUT, checkpoint=tmp_path / "checkpoint.npz")
    losses = history["validation_loss"]
    assert 3 < len(losses) < 200
    assert losses.index(min(losses)) == len(losses) - 4
    assert run.evaluate(HELD_OUT)["loss"] == min(losses)
    again = trainer(patience=3, clip_norm=None)
    again.resume(tmp_path / "checkpoint.npz")
    again.fit(examples(), 200, HELD_OUT)
    assert again.history == history
    assert again.evaluate(HELD_OUT)["loss"] == min(losses)
    # epochs were counted by steps, and a run that had stopped trained no more
    for size, steps in ((16, 4), (4, 13)):
        other = trainer(patience=30, clip_norm=None, batch_size=size)
        other.resume(tmp_path / "checkpoint.npz", changed=["settings"])
        assert other.fit(examples(), len(losses) + 3, HELD_OUT)["epoch"] == [
            *range(1, len(losses) + 4)
        ]
        assert other.steps_done == run.steps_done + 3 * steps


@pytest.mark.parametrize("saved", [False, True])
def test_training_with_patience_in_two_parts_is_training_in_one(tmp_path, saved):
    """The second part began at the best weights, with the state of the optimizer at the last ones."""
    whole, parts = trainer(patience=8), trainer(patience=8)
    whole.fit(examples(), 8, HELD_OUT)
    parts.fit(examples(), 6, HELD_OUT)
    losses = parts.history["validation_loss"]
    assert losses.index(min(losses)) < 5, "the best weights are the last ones: nothing is tested"
    assert parts.evaluate(HELD_OUT)["loss"] == min(losses)
    if saved:
        parts.save(tmp_path / "run.npz")
        parts = trainer(patience=8)
        parts.resume(tmp_path / "run.npz")
    for _ in range(2):  # at the second time, nothing is left to do
        parts.fit(examples(), 8, HELD_OUT)
        assert_same(whole, parts)


def test_scalars_of_numpy_do_not_spoil_the_checkpoint(tmp_path):
    """The first epoch was trained, and then could not be written."""

    def single(outputs, targets):
        loss, gradient = nn.softmax_cross_entropy(outputs, targets)
        return np.float32(loss), gradient

    def made():
        metrics = {
            "count": lambda outputs, targets: np.int64(3),
            "nothing": lambda outputs, targets: float("nan"),
        }
        layer = nn.Dense(np.int64(3), np.int64(2), np.random.default_rng(0))
        return nn.Trainer(layer, single, nn.AdamW(), lambda step: np.float32(0.01), metrics=metrics)

    run = made()
    run.fit(examples(), 2, examples(), checkpoint=tmp_path / "run.npz")
    again = made()
    again.resume(tmp_path / "run.npz")
    assert repr(again.history) == repr(run.history)
    assert {type(value) for record in run.history for value in record.values()} == {int, float}
    nn.dit.save(tmp_path / "model.dit", run.model, {"accuracy": np.float32(0.5)})


def test_a_step_that_fails_leaves_the_running_statistics_alone():
    """They were NaN from then on, although the weights had been kept."""
    run = trainer()
    data = examples()
    run.fit(data, 1)
    before = {name: array.copy() for name, array in everything(run).items()}
    for broken in (
        nn.Data(np.full((8, 3), np.nan, np.float32), data.targets[:8]),
        nn.Data(data.inputs[:8], data.targets[:, None]),
    ):
        with pytest.raises((TrainingError, ShapeError)):
            run.step(broken)
    with pytest.raises(ConfigError):
        run.step(nn.Data(data.inputs[:8], data.targets[:8]), rate=-1.0)
    assert all(np.array_equal(array, before[name]) for name, array in everything(run).items())


class Scaled(nn.Layer):
    """Scales its input, and has further parts and gradients."""

    def __init__(self, dtype=np.float32, lost=None, **parts):
        super().__init__()
        self.params = {"scale": np.ones(3, dtype)}
        self.lost = lost or {}
        vars(self).update(parts)

    def forward(self, x, training=False):
        return x, lambda dy: (dy, {"scale": dy.sum(axis=0), **self.lost})


X, CLASSES = examples()
# Other tables than arrays: of pandas and of SciPy, by what they have.
FRAME = type("DataFrame", (), dict.fromkeys(("shape", "iloc"), (50, 3)))()
SPARSE = type("csr_array", (), dict.fromkeys(("shape", "toarray"), (50, 3)))()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (nn.Data(X[:0], CLASSES[:0]), "found 0 and 0"),
        (nn.Data(X.tolist(), CLASSES), "found list and 50"),
        (nn.Data(X, np.array(1.0)), "found 50 and ndarray"),
        (nn.Data(FRAME, CLASSES), "found DataFrame and 50"),
        (nn.Data(SPARSE, CLASSES), "found csr_array and 50"),
        (nn.Data(np.ma.masked_array(X), CLASSES), "found MaskedArray"),  # multiplied in its own way
        (nn.Data(np.ones((50, 3), int), CLASSES), "float32"),
        (X, r"expected Data\(inputs, targets\) or a Loader, found ndarray"),
    ],
)
def test_data_of_another_kind_is_refused(data, found):
    with pytest.raises(ShapeError, match=found):
        trainer().fit(data, 1)


PARTS = {"model": network(), "loss": nn.mse, "optimizer": nn.SGD(), "schedule": 0.1}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("model", nn.Dense),
        ("loss", "mse"),
        ("optimizer", nn.SGD),
        ("schedule", -0.1),
        ("settings", 32),
        ("metrics", [nn.accuracy]),
        *(("metrics", {one: nn.mse}) for one in ("loss", "epoch", "validation_mse")),
    ],
)
def test_a_part_of_another_kind_is_refused(name, wrong):
    with pytest.raises(ConfigError, match=f"Trainer: {name} must be "):
        nn.Trainer(**PARTS | {name: wrong})


DENSE = nn.Dense(3, 3, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (Scaled(first=DENSE, second=DENSE), "first and second are one layer"),
        (nn.Sequential(Scaled(np.float64), DENSE), r"one dtype, .* not float64 .* and float32"),
        (Scaled(lost={"lost": X}), r"gradients of \['lost'\], which are no parameters"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(model, told):
    with pytest.raises(ConfigError, match=told):
        nn.Trainer(model, nn.mse, nn.SGD(), 0.1).fit(nn.Data(X, X), 1)


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (lambda: trainer(patience=2).fit(examples(), 1), "validation"),
        (lambda: nn.TrainerSettings(clip_norm=-1.0), "clip_norm"),
        (lambda: nn.Trainer(**PARTS).averaged_model(), "average_decay"),
    ],
)
def test_a_setting_that_cannot_be_kept_is_refused(refused, told):
    with pytest.raises(ConfigError, match=told):
        refused()


def test_only_a_training_that_asks_for_it_shows_a_bar(capsys):
    trainer().fit(examples(), 1)
    assert capsys.readouterr() == ("", "")
    trainer().fit(examples(), 2, progress=True)
    shown = capsys.readouterr().out
    assert "epoch 2" in shown
    assert "loss 0." in shown


def test_a_history_holds_every_epoch():
    seen = []
    held_out = examples(10, seed=5)
    history = trainer().fit(examples(), 3, validation=held_out, callbacks=[seen.append])
    assert list(history) == seen
    assert set(seen[0]) == {
        "epoch", "step", "rate", "loss", "accuracy", "gradient_norm", "validation_loss", "validation_accuracy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("records", "told"), [([{"epoch": 1, "accuracy": 1}], "accuracy, epoch"), ([], "nothing")]
)
def test_a_measure_that_a_history_lacks_is_refused(records, told):
    history = nn.History()
    history.records.extend(records)
    with pytest.raises(ConfigError, match=told):
        history["speed"]


def test_a_source_of_gradients_takes_batches_by_step_alone():
    source = GradientSource()
    source.pool = ThreadPool(1, "test")
    run = nn.Trainer(nn.Dense(3, 2, np.random.default_rng(1)), source, nn.SGD(), 0.1)
    for refused in (lambda: run.fit(examples(), 1), lambda: run.evaluate(examples())):
        with pytest.raises(ConfigError, match="takes batches by `step`"):
            refused()
    run.close()


@pytest.mark.parametrize("name", ["named_parameters", "named_buffers", "reseed"])
def test_the_model_is_walked_over_once_an_epoch(name, monkeypatch):
    """Names of parameters three times a step made that of a small network 2.2 times as long."""
    calls = []
    plain = getattr(nn.Layer, name)
    monkeypatch.setattr(nn.Layer, name, lambda *given: calls.append(name) or plain(*given))
    counts = []
    for count in (8, 80):
        layer, settings = nn.Dense(3, 2, np.random.default_rng(0)), nn.TrainerSettings(batch_size=4)
        run = nn.Trainer(layer, nn.softmax_cross_entropy, nn.SGD(), 0.1, settings)
        calls.clear()
        run.fit(examples(count), 1)
        counts.append(len(calls))
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("listens_to_interrupts")
def test_a_handler_of_interrupts_that_a_callback_sets_stays():
    def own(number, frame):
        pass

    class Sets(nn.Callback):
        def on_step(self, trainer, record):
            signal.signal(signal.SIGINT, own)

    trainer().fit(examples(), 1, callbacks=[Sets()])
    assert signal.getsignal(signal.SIGINT) is own
