"""What a trainer is made from, and what is wrong with it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from engine.errors import ConfigError
from engine.nn.layer import Layer, check_distinct
from engine.nn.training.data import check_whole
from engine.nn.training.gradient_source import GradientSource
from engine.nn.training.history import OWN_COLUMNS
from engine.nn.training.optimizers import Optimizer, check_precision


@dataclass(frozen=True)
class TrainerSettings:
    """Training settings; results depend on every field except `threads`.

    Raises ConfigError for numbers out of range. The last two batches of an epoch share the examples
    left over for them.
    """

    batch_size: int = 32
    seed: int = 0
    clip_norm: float | None = None  # maximum norm of the whole gradient; None = no clipping
    clip_value: float | None = None  # largest size of a number of the gradient, before `clip_norm`
    # Decay of the exponential weight average (`Trainer.averaged_model`)
    average_decay: float | None = None
    patience: int | None = None  # stop after this many epochs without a better `measure`
    measure: str = "validation_loss"  # a column of the history, for `patience`
    highest: bool = False  # whether larger values of it are better
    shard_size: int | None = None  # examples per shard; None = the whole batch in one shard
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "patience", "shard_size", "threads"):
            count = getattr(self, name)
            if count is not None:
                check_whole(name, count, 1)
        check_whole("seed", self.seed, 0)
        for name in ("clip_norm", "clip_value"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise ConfigError(f"{name}: expected more than 0, got {limit}")


def check_arguments(
    model: Any, loss: Any, optimizer: Any, schedule: Any, settings: Any, metrics: Any
) -> None:
    """Raise ConfigError for an argument of `Trainer` that is of another kind or out of range."""
    if not isinstance(model, Layer):
        raise _another("model", "a layer, such as Sequential(...)", model)
    if not callable(loss) and not isinstance(loss, GradientSource):
        raise _another("loss", "a function, such as mse", loss)
    if not isinstance(optimizer, Optimizer):
        raise _another("optimizer", "an optimizer, such as Adam()", optimizer)
    if not isinstance(settings, TrainerSettings | None):
        raise _another("settings", "TrainerSettings(batch_size=32, ...)", settings)
    are_metrics = isinstance(metrics, Mapping | None)
    if are_metrics:
        for name, metric in (metrics or {}).items():
            are_metrics &= callable(metric) and not OWN_COLUMNS.fullmatch(str(name))
    if not are_metrics:
        expected = 'functions by names of their own, such as {"accuracy": accuracy}'
        raise _another("metrics", expected, metrics)
    _check_model(model)
    check_schedule(schedule)


def check_schedule(schedule: Any) -> None:
    """Raise ConfigError unless this is a rate, or a function that may give one."""
    is_rate = isinstance(schedule, Real) and 0 <= float(schedule) < math.inf
    if not is_rate and not callable(schedule):
        raise _another("schedule", "a rate >= 0, such as 0.001, or a function", schedule)


def _another(name: str, expected: str, value: Any) -> ConfigError:
    return ConfigError(f"Trainer: {name} must be {expected}, not {value!r:.60}")


def _check_model(model: Layer) -> None:
    """Raise ConfigError for a model with an array that would be trained twice, or not at all, or of
    another dtype than the others.
    """
    check_distinct(model.children())
    parameters = model.named_parameters()
    if len(kinds := {str(array.dtype): name for name, array in parameters.items()}) > 1:
        forms = " and ".join(f"{kind} ({name})" for kind, name in kinds.items())
        raise ConfigError(
            f"Trainer: parameters must be arrays of one dtype, such as np.float32, not {forms}"
        )
    check_precision(parameters)
