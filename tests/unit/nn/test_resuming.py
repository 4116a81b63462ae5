"""A run that is interrupted anywhere ends as one that never was, and nothing else goes on from its
checkpoint.
"""

import signal
import threading

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, TrainingError
from engine.native.interrupts import Uninterrupted
from engine.nn.training import trainer as trainer_module
from tests.unit.nn.small_trainings import assert_same_run, changed, dense, small_net, trainer

X = np.random.default_rng(2).standard_normal((27, 3)).astype(np.float32)
DATA = nn.Data(X, (X[:, 0] * X[:, 1] > 0).astype(np.int64))
# its loss falls at first, as the outputs shrink, and then rises
HELD_OUT = nn.Data(X + 0.1, 1 - DATA.targets)
EPOCHS, STEPS = 6, 2  # batches of 14


def made(**parts):
    usual = {"loss": nn.softmax_cross_entropy, "optimizer": nn.AdamW(), "batch_size": 14}
    return trainer(**usual | {"rate": nn.WarmupCosine(0.01, 100)} | parts)


class Moments:
    """Counts the moments of a run at which it may be interrupted, and interrupts it at one of them."""

    def __init__(self, last=None):
        self.passed = 0
        self.last = last

    def __call__(self, *passed_on):
        self.passed += 1
        if self.passed == self.last:
            raise KeyboardInterrupt
        return passed_on[0] if passed_on else None


class Watcher(nn.Callback):
    """A moment after each step and epoch; ends the run after the epoch with this number."""

    def __init__(self, moments, last_epoch):
        self.moments, self.last_epoch = moments, last_epoch

    def on_step(self, trainer, record):
        if trainer.steps_done == 0.5 * STEPS + STEPS * ((self.last_epoch or 0) - 1):
            trainer.stop()  # in the middle of the epoch
        self.moments()

    def on_epoch(self, trainer, record):
        self.moments()


class Run:
    """A training with a best model in a file, a moment in every part of it, and files in its own
    folder.
    """

    def __init__(self, folder, moments, monkeypatch, last_epoch=None):
        folder.mkdir(exist_ok=True)
        self.checkpoint = folder / "run.npz"
        self.best = folder / "best.dit"
        self.moments = moments
        rate = nn.WarmupCosine(0.05, 100, 5)
        self.trainer = made(
            model=small_net(),
            rate=lambda step: moments(rate(step)),
            metrics={"accuracy": lambda outputs, targets: moments(nn.accuracy(outputs, targets))},
            average=nn.StochasticAverage(every=STEPS),
            patience=2,
        )
        watcher = Watcher(moments, last_epoch)
        self.watchers = [watcher, nn.SaveBest(self.best), watcher]

        def written(path, arrays, values):
            moments()
            write(path, arrays, values)
            moments()

        monkeypatch.setattr(trainer_module, "write_checkpoint", written)

    def fit(self):
        loader = nn.Loader(*HELD_OUT, prepare=self.moments)
        self.trainer.fit(
            DATA, EPOCHS, loader, self.checkpoint, checkpoint_steps=1, callbacks=self.watchers
        )

    def assert_ends_as(self, whole):
        """Also the best model in the file."""
        assert_same_run(self.trainer, whole.trainer)
        assert self.trainer.stopped == whole.trainer.stopped
        (best, header), (whole_best, whole_header) = map(nn.dit.load, (self.best, whole.best))
        assert header["card"] == whole_header["card"]
        assert not changed(best, whole_best)


write = trainer_module.write_checkpoint


@pytest.mark.parametrize("last_epoch", [pytest.param(None, marks=pytest.mark.slow), 2])
def test_a_run_interrupted_at_any_moment_ends_as_one_that_never_was(
    tmp_path, monkeypatch, last_epoch
):
    """An epoch whose validation was interrupted had no record, and its loss was added to the next
    one's; a best model was lost between the checkpoint and the callbacks; statistics of a step cut
    short by Ctrl-C moved twice."""
    whole = Run(tmp_path / "whole", Moments(), monkeypatch, last_epoch)
    whole.fit()
    epochs = len(whole.trainer.history)
    if last_epoch is None:
        assert 2 < epochs < EPOCHS
    else:
        assert epochs == last_epoch
    assert whole.trainer.stopped == (last_epoch is None)
    assert whole.moments.passed > 40
    # the first half is that of the shorter run
    new = 1 if last_epoch is not None else whole.moments.passed // 2
    in_file = np.random.default_rng(4).random(whole.moments.passed + 1) < 0.5  # else in memory
    for last in range(new, whole.moments.passed + 1):
        run = Run(tmp_path / f"{last}", Moments(last), monkeypatch, last_epoch)
        with pytest.raises(KeyboardInterrupt):
            run.fit()
        if in_file[last]:
            old = run
            run = Run(run.best.parent, Moments(), monkeypatch, last_epoch)
            if old.checkpoint.is_file():
                run.trainer.resume(old.checkpoint)
        run.fit()
        if last_epoch is not None and last == whole.moments.passed and in_file[last]:
            continue  # all was written, and `stop` lets a later fit train on
        run.assert_ends_as(whole)


@pytest.mark.usefixtures("listens_to_interrupts")
def test_ctrl_c_while_the_weights_move_waits_for_the_step():
    """It left half of the weights moved, and the step was taken again from there."""

    class Interrupted(nn.SGD):
        at = -1

        def _update(self, name, *rest):
            super()._update(name, *rest)
            if self.steps == self.at and name == "weight":
                signal.raise_signal(signal.SIGINT)

    whole, run = (made(optimizer=Interrupted(momentum=0.5)) for _ in range(2))
    whole.fit(DATA, 3)
    run.optimizer.at = 3
    with pytest.raises(KeyboardInterrupt):
        run.fit(DATA, 3)
    assert run.steps_done == 3
    run.fit(DATA, 3)
    assert not changed(run.model, whole.model)
    assert run.history == whole.history


@pytest.mark.usefixtures("listens_to_interrupts")
def test_interrupts_are_held_back_only_where_there_are_any():
    done = []

    def held():
        with Uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("main")

    def elsewhere():
        with Uninterrupted():
            done.append("thread")

    with pytest.raises(KeyboardInterrupt):
        held()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done == ["main", "thread"]


def test_steps_of_ones_own_between_two_fits_take_no_part_in_an_epochs_mean():
    """The sums of an epoch were divided by all examples, whether its steps had added to them or
    not.
    """
    run = made(loss=lambda outputs, targets: (2.0, 0 * outputs))
    run.step(nn.Data(X[:8], DATA.targets[:8]))
    assert run.fit(DATA, 1)["loss"] == [2.0]


def test_weights_that_are_not_finite_do_not_replace_a_good_checkpoint(path):
    good = path.read_bytes()
    run = made()
    run.model.params["weight"][0, 0] = np.nan
    with pytest.raises(
        TrainingError, match=r"run\.npz: expected finite numbers to save, found others in weight"
    ):
        run.save(path)
    assert path.read_bytes() == good


# ---- what must be the same -----------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    """A checkpoint of one epoch."""
    made().fit(DATA, 1, checkpoint=tmp_path / "run.npz")
    return tmp_path / "run.npz"


OTHERS = {  # what differs, and how it is called
    "optimizer: beta2": {"optimizer": nn.AdamW(beta2=0.99)},
    "metrics": {"metrics": {"accuracy": nn.accuracy}},
    "average: class": {"average": nn.ExponentialAverage(0.9)},
    "settings: seed": {"seed": 1},
    "settings: rates": {"rates": {"weight": 0.5}},
    "dtype": {"model": dense().astype(np.float64)},
    "model: outputs": {"model": dense(3, 3)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_with_something_else_is_named(path, name):
    run = made(**OTHERS[name])
    before = run.model.copy()
    with pytest.raises(
        ConfigError, match=rf"run\.npz: another run, {name}.*on purpose: resume\(path, changed="
    ):
        run.resume(path)
    assert not changed(run.model, before)
    assert not run.steps_done
    assert not len(run.history)


def test_what_is_changed_on_purpose_is_said(path):
    run = made(rate=np.float32(2**-10), optimizer=nn.AdamW(weight_decay=0.5))
    with pytest.raises(
        ConfigError, match=r"changed: expected names out of model, .*, data, found \['schedule'\]"
    ):
        run.resume(path, changed=["schedule"])
    run.resume(path, changed=["optimizer"])
    assert run.fit(DATA, 2)["rate"][-1] == 2**-10


@pytest.mark.parametrize(
    ("first", "second", "steps"),
    [
        (nn.SGD(), nn.Adam(), 0),
        (nn.SGD(momentum=0.5), nn.Adam(), 0),
        (nn.AdamW(), nn.SGD(momentum=0.5), 0),
        (nn.AdamW(), nn.Adam(), STEPS),
    ],
)
def test_another_optimizer_goes_on_from_where_one_ended(first, second, steps, tmp_path):
    """One of other slots was refused even on purpose, and one after another without any took its
    steps for its own.
    """
    made(optimizer=first).fit(DATA, 1, checkpoint=tmp_path / "run.npz")
    run = made(optimizer=second)
    run.resume(tmp_path / "run.npz", changed=["optimizer"])
    assert (second.steps, bool(second.state()["tensors"])) == (steps, bool(steps))
    assert len(run.fit(DATA, 2)) == 2


def test_what_changes_no_number_may_differ(path):
    made(loss=lambda *given: nn.softmax_cross_entropy(*given), threads=2).resume(path)


RELABELLED = nn.Data(X, np.where(np.arange(27) == 13, 1 - DATA.targets, DATA.targets))
FEWER = nn.Data(X[:9], DATA.targets[:9])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (nn.Data(X[::-1].copy(), DATA.targets), r"the checkpoint: another run, data: contents.*"),
        (RELABELLED, r"another run, data: contents.*changed=\[.data.\]"),
        (FEWER, "began with 27 examples.*new data needs a new Trainer"),
    ],
)
def test_other_data_is_trained_on_only_on_purpose(data, words, path):
    run = made()
    run.resume(path)
    with pytest.raises(ConfigError, match=words):
        run.fit(data, 2)
    run.resume(path, changed=["data"])
    assert run.fit(data, 3)["epoch"] == [1, 2, 3]


def test_a_model_no_checkpoint_can_describe_is_refused_before_training(tmp_path):
    class Unregistered(nn.Layer):
        pass

    run = made(model=nn.Sequential(dense(), Unregistered()))
    with pytest.raises(ConfigError, match="has no name in files"):
        run.fit(DATA, 1, checkpoint=tmp_path / "run.npz")
    assert run.steps_done == 0


def test_a_file_of_another_kind_is_refused(tmp_path):
    write(tmp_path / "other.npz", *made().state())
    with pytest.raises(ConfigError, match=r"expected a checkpoint of Trainer\.save"):
        made().resume(tmp_path / "other.npz")


@pytest.mark.parametrize("count", [0, 3])
def test_an_average_continues_with_its_own_number_of_updates(tmp_path, count):
    """It took the number of steps for it, and kept its old tensors where the checkpoint had none."""
    average = nn.ExponentialAverage(0.999, quick_start=True)
    for _ in range(count):
        average.update({name: np.ones_like(array) for name, array in dense().params.items()})
    whole = made(average=average)
    whole.fit(DATA, 1, checkpoint=tmp_path / "run.npz")
    resumed = made(average=nn.ExponentialAverage(0.999, quick_start=True))
    resumed.resume(tmp_path / "run.npz")
    for run in (whole, resumed):
        run.fit(DATA, 2)
    assert_same_run(resumed, whole)
