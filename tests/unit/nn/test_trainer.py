"""The trainer: repeatable, resumable bit for bit, with validation, early stop and a history."""

import signal

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, ShapeError, TrainingError
from tests.unit.nn.small_trainings import (
    CLASSES,
    DATA,
    X,
    assert_same_run,
    changed,
    dense,
    small_net,
)
from tests.unit.nn.small_trainings import trainer as plain_trainer

EXAMPLES = nn.Data(X[:50], CLASSES[:50])
HELD_OUT = nn.Data(X[::-1] + 0.1, np.random.default_rng(6).integers(0, 2, 64))


def trainer(**settings):
    usual = {"batch_size": 8, "average_decay": 0.9, "metrics": {"accuracy": nn.accuracy}}
    loss, rate = nn.softmax_cross_entropy, nn.WarmupCosine(0.02, 100, 5)
    return plain_trainer(small_net(), loss, nn.AdamW(), rate, **usual | settings)


def test_a_run_follows_its_seed_with_any_threads():
    runs = [
        trainer(seed=seed, shard_size=3, threads=threads)
        for seed, threads in ((4, 1), (4, 3), (5, 1))
    ]
    for run in runs:
        run.fit(EXAMPLES, 2)
    assert_same_run(runs[0], runs[1])
    assert runs[0].history != runs[2].history


def test_dropout_differs_from_shard_to_shard_and_step_to_step():
    seen = []

    def noted(outputs, targets):
        seen.append(outputs.tobytes())
        return 0.0, outputs

    drop = nn.Dropout(0.5, np.random.default_rng(0))
    ones = np.ones((16, 4), np.float32)
    plain_trainer(drop, noted, batch_size=16, shard_size=8).fit(nn.Data(ones, ones), 2)
    assert len(set(seen)) == 4


@pytest.mark.parametrize("saved", [False, True])
def test_training_that_has_stopped_goes_on_as_one_that_has_not(tmp_path, saved):
    """The second part began at the best weights, with the state of the optimizer at the last ones.
    Epochs were counted by steps, and a run that had stopped trained no more.
    """
    run, whole, parts = (trainer(patience=patience) for patience in (3, 30, 30))
    losses = run.fit(EXAMPLES, 200, HELD_OUT)["validation_loss"]
    epochs = len(losses)
    assert 3 < epochs < 200
    assert losses.index(min(losses)) == epochs - 4
    assert run.evaluate(HELD_OUT)["loss"] == min(losses)
    run.save(tmp_path / "run.npz")
    if saved:
        run = trainer(patience=3)
        run.resume(tmp_path / "run.npz")
    run.fit(EXAMPLES, 200, HELD_OUT)
    assert len(run.history) == epochs, "it stays where it stopped"
    assert run.evaluate(HELD_OUT)["loss"] == min(losses)
    whole.fit(EXAMPLES, epochs + 3, HELD_OUT)
    for count in (epochs, epochs + 3):
        parts.fit(EXAMPLES, count, HELD_OUT)
    assert_same_run(whole, parts)
    for size in (8, 4):
        longer = trainer(patience=30, batch_size=size)
        longer.resume(tmp_path / "run.npz", changed=["settings"])
        longer.fit(EXAMPLES, epochs + 3, HELD_OUT)
        assert longer.history["epoch"] == [*range(1, epochs + 4)]
        if size == 8:
            assert_same_run(whole, longer)


def test_scalars_of_numpy_do_not_spoil_the_checkpoint(tmp_path):
    """The first epoch was trained, and then could not be written."""

    def single(outputs, targets):
        loss, gradient = nn.mse(outputs, targets)
        return np.float32(loss), gradient

    def made():
        metrics = {"count": lambda y, t: np.int64(3), "nothing": lambda y, t: float("nan")}
        layer = dense(np.int64(3), np.int64(2))
        return plain_trainer(layer, single, rate=lambda step: np.float32(0.01), metrics=metrics)

    run = made()
    run.fit(DATA, 2, DATA, checkpoint=tmp_path / "run.npz")
    again = made()
    again.resume(tmp_path / "run.npz")
    assert repr(again.history) == repr(run.history)
    assert {type(value) for record in run.history for value in record.values()} == {int, float}
    nn.dit.save(tmp_path / "model.dit", run.model, {"accuracy": np.float32(0.5)})


def test_a_step_that_fails_leaves_the_running_statistics_alone():
    """They were NaN from then on, although the weights had been kept."""
    run = trainer()
    run.fit(EXAMPLES, 1)
    before = run.model.copy()
    for broken in (nn.Data(X + np.nan, CLASSES), nn.Data(X, CLASSES[:, None])):
        with pytest.raises((TrainingError, ShapeError)):
            run.step(broken)
    with pytest.raises(ConfigError):
        run.step(EXAMPLES, rate=-1.0)
    assert not changed(run.model, before)


def test_only_a_training_that_asks_for_it_shows_a_bar(capsys):
    plain_trainer().fit(DATA, 1)
    assert capsys.readouterr() == ("", "")
    plain_trainer().fit(DATA, 2, progress=True)
    shown = capsys.readouterr().out
    assert "epoch 2" in shown
    assert "loss " in shown


def test_a_history_holds_every_epoch():
    seen = []
    history = trainer().fit(EXAMPLES, 3, validation=HELD_OUT, callbacks=[seen.append])
    assert list(history) == seen
    assert set(seen[0]) == {
        "epoch", "step", "rate", "loss", "accuracy", "gradient_norm", "validation_loss", "validation_accuracy",
    }  # fmt: skip


def test_a_history_prints_as_a_table():
    records = [{"epoch": 1, "loss": 0.25}, {"epoch": 2, "loss": 0.125, "accuracy": 1.0}]
    lines = str(nn.History(records)).splitlines()
    words = [" ".join(line.split()) for line in lines]
    assert words == ["epoch loss accuracy", "1 0.25", "2 0.125 1"]


def test_targets_may_be_a_dict():
    model = nn.MultiHead(dense(3, 2), {"a": dense(2, 2)})

    def loss(outputs, targets):
        mean, gradient = nn.mse(outputs["a"], targets["a"])
        return mean, {"a": gradient}

    data = nn.Data(X, {"a": X[:, 1:]})
    history = plain_trainer(model, loss, shard_size=8).fit(data, 9, validation=data)
    assert history["validation_loss"][-1] < history["validation_loss"][0]


@pytest.mark.parametrize("name", ["named_parameters", "named_buffers", "reseed"])
def test_the_model_is_walked_over_once_an_epoch(name, monkeypatch):
    """Names of parameters three times a step made that of a small network 2.2 times as long."""
    calls = []
    plain = getattr(nn.Layer, name)
    monkeypatch.setattr(nn.Layer, name, lambda *given: calls.append(name) or plain(*given))
    counts = []
    for batch_size in (32, 4):
        run = plain_trainer(batch_size=batch_size)
        calls.clear()
        run.fit(DATA, 1)
        counts.append(len(calls))
    assert counts[0] == counts[1]


@pytest.mark.usefixtures("listens_to_interrupts")
def test_a_handler_of_interrupts_that_a_callback_sets_stays():
    def own(number, frame):
        pass

    class Sets(nn.Callback):
        def on_step(self, trainer, record):
            signal.signal(signal.SIGINT, own)

    plain_trainer().fit(DATA, 1, callbacks=[Sets()])
    assert signal.getsignal(signal.SIGINT) is own
