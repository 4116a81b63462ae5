"""What data, optimizers, trainers and checkpoints refuse, and words of the sentences that say so."""

import math
import operator
import sys

import numpy as np
import pytest

from engine import nn
from engine.errors import ConfigError, DataError, NetFileError, ShapeError, TrainingError
from engine.native.pool import ThreadPool
from engine.nn.foreign_names import CLASSES as CLASS_NAMES
from engine.nn.onnx_file import save_onnx
from engine.nn.training.gradient_source import GradientSource
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from tests.unit.nn.small_trainings import CLASSES, DATA, RNG, X, Y, dense, trainer

INF, NAN = math.inf, math.nan
WHOLE = "expected a whole number"


def settings(**values):
    return lambda: nn.TrainerSettings(**values)


def cosine(**values):
    return lambda: nn.WarmupCosine(**{"peak": 1.0, "total": 10, **values})


def with_part(**parts):
    """Make a trainer with another part."""
    usual = {"model": dense(), "loss": nn.mse, "optimizer": nn.SGD(), "schedule": 0.1}
    return lambda: nn.Trainer(**usual | parts)


def assigned(name, value):
    return lambda: setattr(trainer(), name, value)


def fitted(data=DATA, *given, epochs=1, **parts):
    """Train for an epoch; `parts` are of the trainer."""
    return lambda: trainer(**parts).fit(data, epochs, *given)


def told_by(*callbacks):
    return lambda: trainer().fit(DATA, 1, callbacks=callbacks)


def step(optimizer, dtype=np.float32, rate=0.1, shape=(2,), gradient="w"):
    """Take a step of one parameter."""
    array = np.ones(shape, dtype)
    return lambda: optimizer.step({"w": array}, {gradient: array}, rate)


def source_of_gradients():
    source = GradientSource()
    source.pool = ThreadPool(1, "test")
    return trainer(loss=source)


class Lossy(nn.Layer):
    """Has further gradients, and a parameter of another dtype."""

    def __init__(self, dtype=np.float32, grads=()):
        self.params["scale"] = np.ones(3, dtype)
        self.grads = dict.fromkeys(grads, X)

    def forward(self, x, training=False):
        return x, lambda dy: (dy, self.grads)


class Named(nn.Optimizer):
    """Keeps something under a name."""

    def __init__(self, name, value=None):
        super().__init__()
        setattr(self, name, value)


def unweighted(outputs, targets):
    return nn.mse(outputs, targets)


# Other tables than arrays: of pandas and of SciPy, by what they have.
FRAME = type("DataFrame", (), dict.fromkeys(("shape", "iloc"), (64, 3)))()
SPARSE = type("csr_array", (), dict.fromkeys(("shape", "toarray"), (64, 3)))()
ROWS = nn.JoinedRows([X[:10], X[10:]])
SHARED = SharedRows(outer=2, rows=3, inner=4)
IGNORED = nn.Data(X, np.full(64, -100))
GRU = {"g.weight_ih_l0": np.ones((6, 3)), "g.weight_hh_l0": np.ones((6, 2))}
SQUARE = nn.Sequential(nn.Dense(3, 3, RNG))


def ignoring(outputs, targets):
    return nn.softmax_cross_entropy(outputs, targets, ignore_index=-100)


ACTS = {
    ConfigError: [
        (fitted(epochs=NAN), f"epochs: {WHOLE}"),
        (lambda: trainer().fit(DATA, 1, checkpoint_steps=0), f"checkpoint_steps: {WHOLE}"),
        *[(settings(batch_size=value), f"batch_size: {WHOLE}") for value in (2.5, INF)],
        *[
            (settings(**{name: -1}), f"{name}: expected")
            for name in ("patience", "shard_size", "threads", "seed", "clip_norm", "clip_value")
        ],
        *[
            (cosine(**{name: value}), "needs 0 <= warmup")
            for name, value in (("peak", INF), ("peak", NAN), ("total", NAN), ("warmup", 10))
        ],
        # It began at peak / warmup.
        (cosine(total=1.0, warmup=0.05), "less than one step needs a start"),
        (lambda: nn.StepDecay(0.5, every=0), "every >= 1"),
        (lambda: nn.StochasticAverage(every=NAN), "every"),
        (lambda: nn.ReduceLROnPlateau(1), "factor must be between 0 and 1, not 1"),
        (lambda: nn.clip_value({}, 0), "must be > 0, not 0"),
        (fitted(rate=lambda number: None), "expected a rate for step 0, found None"),
        # ---- optimizers
        (
            step(nn.SGD(), np.float16),
            "w: expected float32 or float64 to train, found float16",
        ),
        *[
            (step(nn.SGD(), rate=rate), "learning rate must be a finite number")
            for rate in (-0.1, INF, NAN, np.array([0.1]))
        ],
        (step(nn.SGD(), gradient="v"), r"no gradient for \['w'\]: call the backward of each part"),
        *[(lambda e=e: nn.Adam(epsilon=e), "epsilon > 0") for e in (1e-50, NAN)],
        (lambda: nn.RMSProp(epsilon=0), "epsilon > 0"),
        (lambda: nn.RMSProp(decay=1.0), r"RMSProp\(decay=1.0, .*expected decay in \[0, 1\)"),
        (lambda: nn.SGD(weight_decay=NAN), r"SGD\(momentum=0.0, weight_decay=nan\): .*_decay >= 0"),
        (lambda: nn.Adam(beta1=1.5), r"Adam\(beta1=1.5, .*expected beta1 and beta2 in \[0, 1\)"),
        (
            lambda: nn.SGD().load_state({"steps": 1, "tensors": {"square.w": X}}),
            r"slots .*square\.w",
        ),
        (lambda: Named("queue", [X]).state(), r"Named\.queue: expected a number, an array or a"),
        (lambda: Named("queue", {("w", 1): 2.0}).state(), r"Named\.queue: expected a number"),
        (lambda: Named("state"), "Named: 'state' is a name of Optimizer's own"),
        # ---- parts of a trainer
        (with_part(model=nn.Dense), "Trainer: model must be "),
        (with_part(loss="mse"), "Trainer: loss must be "),
        (with_part(optimizer=nn.SGD), "Trainer: optimizer must be "),
        (with_part(schedule=NAN), "Trainer: schedule must be "),
        (with_part(settings=32), "Trainer: settings must be "),
        (with_part(metrics=nn.accuracy), 'such as {"accuracy": accuracy}'),
        *[
            (with_part(metrics={name: nn.mse}), "Trainer: metrics must be ")
            for name in ("loss", "epoch", "validation_mse")
        ],
        (with_part(rates={"trnk.": 0}), "no parameter begins with 'trnk.'"),
        *[(with_part(rates={"weight": factor}), "needs a factor >= 0") for factor in (-1, NAN)],
        (with_part(rates={"": 0}), "nothing would learn"),
        (with_part(rates=[0.1]), "factors by the beginnings of names"),
        # `fit` ignored some that `evaluate` used.
        (assigned("loss", nn.mae), "loss stays as it is: make a new trainer"),
        (assigned("schedule", -1), "schedule must be"),
        # ---- a training
        (fitted(patience=2), "patience on validation_loss needs validation data"),
        (fitted(patience=2, measure="speed"), "no epoch has a 'speed'; expected loss"),
        (lambda: trainer().averaged_model(), "average_decay"),
        (lambda: nn.History([{"epoch": 1, "accuracy": 1}])["speed"], "accuracy, epoch"),
        (fitted(model=nn.Sequential(Lossy(np.float64), dense())), "one dtype, .* and float32"),
        (
            fitted(nn.Data(X, X), model=Lossy(grads=["scale", "lost"])),
            r"of \['lost'\], which are no parameters",
        ),
        (
            fitted(loss=lambda y, _: float(y.mean())),
            "`return mean_loss, gradient`.*found float",
        ),
        (fitted(loss=lambda y, _: (y.mean(axis=1), y)), r"found \['float32 \[32\]'"),
        (
            fitted(nn.Data(X, Y, weights=X[:, 0] ** 2), loss=unweighted),
            r"unweighted\(outputs, targ",
        ),
        (lambda: source_of_gradients().fit(DATA, 1), "takes batches by `step`"),
        (told_by(nn.SaveBest), "found <class"),
        (told_by(nn.SaveBest("best.dit")), "no 'validation_loss'"),
        (told_by(nn.LiveCurve()), "notebook"),
        (lambda: ROWS[np.array([0, 64])], "row numbers 0 to 64 of 64 rows"),
        *[
            (lambda chosen=chosen: ROWS[chosen], "or a bool for each of 64 rows")
            for chosen in (np.ones(3, bool), np.array([0.0, 1.0]), np.array([[1]]))
        ],
        (lambda: nn.random_shift(0), "at least 1"),
        # ---- weights of PyTorch
        (lambda: nn.load_torch(SQUARE, {"a.weight": X}, {"a": "b"}), "a goes to 'b'"),
        (lambda: nn.load_torch(SQUARE, {"a.w": X, "b.w": X}), "2 modules for 1"),
        # It computed something else.
        (lambda: nn.load_torch(nn.GRU(3, 2, RNG, reset_first=True), GRU), "without reset_first"),
        # ---- packages that are missing
        (lambda: nn.plot_confusion(np.eye(2), "no.png"), r"pip install '\.\[plots\]'"),
        (lambda: save_onnx("no.onnx", nn.Flatten(), X), "pip install onnx"),
    ],
    ShapeError: [
        *[
            (fitted(nn.Data(inputs, CLASSES)), f"found {words}")
            for inputs, words in (
                (FRAME, "DataFrame and 64"),
                (SPARSE, "csr_array and 64"),
                (np.ma.masked_array(X), "MaskedArray"),  # multiplied in its own way
            )
        ],
        (fitted(nn.Data(X[:0], Y[:0])), "found 0 and 0"),
        (fitted(nn.Data(X, np.array(1.0))), "found 64 and ndarray"),
        (fitted(X), r"expected Data\(inputs, targets\) or a Loader, found ndarray"),
        (lambda: trainer().step(nn.Data((X, X[:5]), Y)), "found 64 and 5 and 64"),
        (lambda: nn.Loader(X, Y, weights=X[:9]), "found 64 and 64 and 9"),
        (fitted(nn.Loader(X, Y, prepare=lambda batch: X)), "prepare must return Data"),
        (fitted(nn.Loader(X, Y, augment=lambda batch, rng: X)), "augment must return Data"),
        (fitted(nn.Loader(X, Y, augment=nn.random_shift(1))), r"images \[B, C, H, W\], found flo"),
        (lambda: nn.random_shift(1)(nn.Data((X, X), Y), RNG), r"\[B, C, H, W\], found tuple"),
        (lambda: nn.JoinedRows([X, Y]), "one shape and dtype"),
        *[
            (step(SharedRowsAdamW({"w": SHARED}), shape=shape), "24 rows or more, in multiples of")
            for shape in ((9, 16), (29, 8))
        ],
    ],
    DataError: [
        (fitted(IGNORED, loss=ignoring), "that the loss ignores"),
        (lambda: trainer(loss=ignoring).evaluate(IGNORED), "that the loss ignores"),
    ],
    TrainingError: [
        (
            lambda bad=bad: nn.clip_global_norm({"a": np.array([3e38, bad])}, 1.0),
            "finite gradients",
        )
        for bad in (NAN, INF, -INF)
    ],
    NetFileError: [(lambda: trainer().save("nowhere/run.npz"), "nowhere")],
    TypeError: [(lambda: operator.setitem(trainer().metrics, "mae", nn.mae), "item assignment")],
}


@pytest.mark.parametrize(
    ("error", "act", "words"), [(error, *row) for error, rows in ACTS.items() for row in rows]
)
def test_a_mistake_is_told(error, act, words, monkeypatch):
    for package in ("matplotlib.figure", "onnx.helper", "IPython.display"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(error, match=words):
        act()


def test_every_name_that_is_advised_is_here():
    for advice in CLASS_NAMES.values():
        first = advice.replace("an array in ", "").split("(")[0].split()[0].strip(",")
        assert first in ("a", 'self.params["name"]') or hasattr(nn, first), advice
