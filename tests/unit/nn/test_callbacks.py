"""Callbacks: functions and objects that the trainer calls, and what they make of the history."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from engine import nn
from tests.unit.nn.small_trainings import DATA, X, Y, dense, trainer, whole_and_resumed

NAN, INF = np.nan, np.inf


def test_a_callback_hears_of_each_step_within_its_epoch():
    calls = []

    class Watcher(nn.Callback):
        def on_step(self, trainer, record):
            assert record.keys() == {"loss", "gradient_norm"}
            calls.append(trainer.steps_done)

        def on_epoch(self, trainer, record):
            assert record is trainer.history.records[-1]
            calls.append("epoch")

    trainer().fit(DATA, 2, callbacks=[Watcher()])
    assert calls == [1, 2, "epoch", 3, 4, "epoch"]


# ---- the best epoch ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "highest", "stalls"),
    [
        ([3.0, 2.0, 2.0, 1.0], False, [0, 0, 1, 0]),
        ([NAN, 3.0, INF, 2.0, 4.0], False, [1, 0, 1, 0, 1]),  # NaN was the best value
        ([3.0, -INF, 2.0], False, [0, 1, 0]),
        ([0.5, 0.6, INF, 0.7], True, [0, 0, 1, 0]),
    ],
)
def test_what_is_not_finite_is_never_the_best(values, highest, stalls):
    history = nn.History([{"measure": value} for value in values])
    assert history.stalls("measure", highest) == stalls


def test_the_best_model_is_saved(tmp_path):
    saver = nn.SaveBest(tmp_path / "best.dit", "measure")
    run = trainer()
    saved_epochs = []
    for epoch, measures in enumerate(({"measure": 3.0}, {"measure": 4.0}, {}, {"measure": 2.0})):
        run.history.records.append({"epoch": epoch, **measures})
        saver.on_epoch(run, run.history.records[-1])
        saved_epochs.append(nn.dit.load(saver.path)[1]["card"]["epoch"])
    assert saved_epochs == [0, 0, 0, 3]


def test_patience_follows_any_measure():
    values = iter([0.5, 0.9, 0.8, 0.7])
    metrics = {"accuracy": lambda outputs, targets: next(values)}
    settings = {"patience": 2, "measure": "accuracy", "highest": True}
    run = trainer(metrics=metrics, batch_size=64, **settings)
    assert len(run.fit(DATA, 9)) == 4


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_plateau_lowers_the_rate_also_after_a_resume(tmp_path, stop):
    """The number of steps only grows, so its first value stays the best: every two more epochs are
    a plateau.
    """

    def make():
        return trainer(rate=lambda step: 0.01 * (1 + step), batch_size=64)

    plateau = nn.ReduceLROnPlateau(factor=0.5, patience=2, measure="step")
    path = tmp_path / "run.npz"
    whole, resumed = whole_and_resumed(make, DATA, stop, 6, path, callbacks=[plateau])
    factors = np.divide(whole.history["rate"], whole.history["step"]) / 0.01
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25])
    assert resumed.history == whole.history


# ---- pictures ------------------------------------------------------------------------------------


def test_a_live_curve_is_drawn_anew_in_its_place_after_every_epoch(monkeypatch):
    shown = []

    class Display:
        """Stands for IPython's: draws what it is given."""

        def update(self, history):
            assert history._repr_png_().startswith(b"\x89PNG")
            shown[-1].append(len(history))

    def display(history, display_id):
        shown.append([len(history)])
        return Display()

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    ipython = SimpleNamespace(version_info=(9, 0), get_ipython=lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    trainer().fit(DATA, epochs=3, callbacks=[nn.LiveCurve()])
    assert shown == [[1, 2, 3]]


def test_activations_are_the_outputs_of_all_layers_by_name():
    model = nn.Sequential(first=dense(3, 3), act=nn.Activation("relu"), out=dense(3, 1))
    outputs = nn.activations(model, X)
    assert list(outputs) == ["first", "act", "out"]
    assert np.array_equal(outputs["act"], np.maximum(outputs["first"], 0))
    assert np.array_equal(outputs["out"], model(X))


@pytest.mark.parametrize("arrays", [{}, {"a": Y[0] + [INF, NAN]}, {"a": np.full(3, -INF)}])
def test_histograms_show_numbers_that_are_not_finite_too(arrays, tmp_path):
    """Matplotlib refused them."""
    nn.plot_histograms(arrays, tmp_path / "broken.png", "title")
    assert (tmp_path / "broken.png").read_bytes().startswith(b"\x89PNG")
