"""Callbacks: your own code, which the trainer calls after each step and epoch.

    trainer.fit(data, 20, validation, callbacks=[print, SaveBest("best.dit")])

A callback is a `Callback`, or a function that takes the record of each finished epoch, such as
`print`. Callbacks run in the given order. If a run ends before all of them were called for an
epoch, the resumed run calls them for that epoch again. A callback that needs earlier epochs should
read them from `trainer.history`, which is resumed too. `trainer.stop()` ends the run with this
epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.nn import dit
from engine.nn.training.data import check_whole
from engine.nn.training.history import Record


class Callback:
    """Base class: override what you need. `trainer` is the Trainer, with its model, optimizer and
    history.
    """

    def on_step(self, trainer: Any, record: Record) -> None:
        """After every step; `record` has the batch's loss, metrics and gradient norm, as from
        `Trainer.step`.
        """

    def on_epoch(self, trainer: Any, record: Record) -> None:
        """After every epoch; `record` is the new last one of `trainer.history`."""


@dataclass(eq=False)
class SaveBest(Callback):
    """Saves the model to a `.dit` file after every epoch whose `measure` is the lowest so far.

    `measure` is a column of the history, such as "validation_loss". With `highest` larger values
    are better, as for "validation_accuracy". The history tells what was best before a resumed run.
    Epochs where the measure is NaN or infinite, or missing, are never the best.
    """

    path: str | Path
    measure: str = "validation_loss"
    highest: bool = False

    def __post_init__(self) -> None:
        self.path = Path(self.path)

    def on_epoch(self, trainer: Any, record: Record) -> None:
        """Save if this epoch is the best one. Raises ConfigError when the history has no such
        column.
        """
        stalls = trainer.history.stalls(self.measure, self.highest)
        if self.measure in record and not stalls[-1]:
            card = {"epoch": record["epoch"], self.measure: record[self.measure]}
            dit.save(self.path, trainer.model, card)


@dataclass(eq=False)
class ReduceLROnPlateau(Callback):
    """Multiplies the rate by `factor` whenever `measure` had no new best value for `patience`
    epochs.

    `measure` is a column of the history, in which smaller finite values are better, with `highest`
    larger ones, as for "validation_accuracy". The schedule's rate of each step is multiplied; a
    resumed run goes on with the factor. Raises ConfigError unless 0 < factor < 1 and patience >= 1.
    """

    factor: float = 0.1
    patience: int = 10
    measure: str = "validation_loss"
    highest: bool = False

    def __post_init__(self) -> None:
        check_whole("patience", self.patience, 1)
        if not 0 < self.factor < 1:
            raise ConfigError(
                f"ReduceLROnPlateau: factor must be between 0 and 1, not {self.factor}"
            )

    def on_epoch(self, trainer: Any, record: Record) -> None:
        """Set the factor, which the history alone determines. Raises ConfigError when it has no
        such column.
        """
        reductions = 0
        for stall in trainer.history.stalls(self.measure, self.highest):
            if stall and stall % self.patience == 0:
                reductions += 1
        trainer.scale_rate(self.factor**reductions)


class LiveCurve(Callback):
    """Shows the history in a notebook and draws it anew after every epoch. Needs Matplotlib and
    IPython.
    """

    def __init__(self) -> None:
        self._shown: Any = None

    def on_epoch(self, trainer: Any, record: Record) -> None:
        """Draw. Raises ConfigError outside a notebook that has IPython."""
        if self._shown is not None:
            self._shown.update(trainer.history)
            return
        try:
            from IPython.display import display
        except ImportError:
            raise ConfigError(
                "LiveCurve draws in notebooks: pip install '.[notebook]' in Aino's folder"
            ) from None
        self._shown = display(trainer.history, display_id=True)


@dataclass(eq=False)
class _EachEpoch(Callback):
    function: Callable[[Record], object]

    def on_epoch(self, trainer: Any, record: Record) -> None:
        self.function(record)


def as_callback(callback: Any) -> Callback:
    """Return `given` as a Callback. Raises ConfigError unless it is one, or a function."""
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) or not callable(callback):
        raise ConfigError(
            f"callbacks: expected a Callback or a function of an epoch's record, found {callback!r}"
        )
    return _EachEpoch(callback)
