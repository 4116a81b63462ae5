"""Callbacks: functions and objects that the trainer calls, one that stops it and one that saves the
best model.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError

RNG = np.random.default_rng(6)
X = RNG.standard_normal((20, 2)).astype(np.float32)
DATA = nn.Data(X, X[:, :1])


def trainer(rate=0.05):
    return nn.Trainer(
        nn.Dense(2, 1, np.random.default_rng(1)),
        nn.mse,
        nn.Adam(),
        rate,
        nn.TrainerSettings(batch_size=8),
    )


class Watcher(nn.Callback):
    """Notes every call."""

    def __init__(self):
        self.calls = []

    def on_step(self, trainer, record):
        assert record.keys() == {"loss", "gradient_norm"}
        self.calls.append(("step", trainer.steps_done))

    def on_epoch(self, trainer, record):
        assert record is trainer.history.records[-1]
        self.calls.append(("epoch", int(record["epoch"])))


def test_a_callback_hears_of_each_step_within_its_epoch():
    watcher = Watcher()
    trainer().fit(DATA, 2, callbacks=[watcher])
    steps = [("step", number) for number in range(1, 7)]
    assert watcher.calls == [*steps[:3], ("epoch", 1), *steps[3:], ("epoch", 2)]


@pytest.mark.parametrize(
    ("callback", "match"),
    [
        (nn.SaveBest, "found <class"),
        ("print", "found 'print'"),
        (nn.SaveBest("best.dit"), "no 'validation_loss'"),
        (nn.LiveCurve(), "notebook"),
    ],
)
def test_a_callback_that_cannot_work_is_refused(callback, match, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ConfigError, match=match):
        trainer().fit(DATA, 1, callbacks=[callback])


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
    monkeypatch.setitem(
        sys.modules, "IPython", SimpleNamespace(version_info=(9, 0), get_ipython=lambda: None)
    )
    trainer().fit(DATA, epochs=3, callbacks=[nn.LiveCurve()])
    assert shown == [[1, 2, 3]]


def test_activations_are_the_outputs_of_all_layers_by_name():
    rng = np.random.default_rng(1)
    model = nn.Sequential(
        first=nn.Dense(2, 3, rng), act=nn.Activation("relu"), out=nn.Dense(3, 1, rng)
    )
    found = nn.activations(model, X)
    assert list(found) == ["first", "act", "out"]
    assert np.array_equal(found["act"], np.maximum(found["first"], 0))
    assert np.array_equal(found["out"], model(X))


@pytest.mark.parametrize("values", [[], [1.0, np.inf, np.nan], [-np.inf] * 3])
def test_histograms_show_numbers_that_are_not_finite_too(values, tmp_path):
    """Matplotlib refused them."""
    arrays = {"a": np.array(values, np.float32)} if values else {}
    nn.plot_histograms(arrays, tmp_path / "broken.png", "title")
    assert (tmp_path / "broken.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_plateau_lowers_the_rate_also_after_a_resume(tmp_path, stop):
    """The number of steps only grows, so its first value stays the best: every two more epochs are
    a plateau.
    """

    def trainer():
        model = nn.Sequential(nn.Dense(2, 1, np.random.default_rng(2)))
        return nn.Trainer(model, nn.mse, nn.SGD(), lambda step: 0.01 * (1 + step))

    plateau = nn.ReduceLROnPlateau(factor=0.5, patience=2, measure="step")
    once = trainer()
    first = trainer()
    second = trainer()
    once.fit(DATA, 6, callbacks=[plateau])
    first.fit(DATA, stop, checkpoint=tmp_path / "run.npz", callbacks=[plateau])
    second.resume(tmp_path / "run.npz")
    second.fit(DATA, 6, callbacks=[plateau])
    assert np.divide(once.history["rate"], once.history["step"]) / 0.01 == pytest.approx(
        [1, 1, 1, 0.5, 0.5, 0.25]
    )
    assert second.history.records == once.history.records
    assert np.array_equal(once.model[0].params["weight"], second.model[0].params["weight"])
