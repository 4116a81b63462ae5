"""What a trainer is made from, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from engine.backend import NUMPY, backend_of_all
from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.layers.containers import check_distinct
from engine.nn.training.data import check_whole
from engine.nn.training.history import OWN_COLUMNS
from engine.nn.training.optimizers import Optimizer, check_precision
from engine.nn.training.parallel import PRECISIONS, GradientSource


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
    patience: int | None = None  # stop after this many epochs without a better validation loss
    shard_size: int | None = None  # examples per shard; None = the whole batch in one shard
    threads: int = 1
    # "mixed" works on a GPU: convolutions and dense layers multiply in half precision.
    precision: str = "single"

    def __post_init__(self) -> None:
        for name in ("batch_size", "patience", "shard_size", "threads"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value, 1)
        check_whole("seed", self.seed, 0)
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision: expected {' or '.join(PRECISIONS)}, got {self.precision!r}"
            )
        for name in ("clip_norm", "clip_value"):
            if (limit := getattr(self, name)) is not None and not limit > 0:
                raise ConfigError(f"{name}: expected more than 0, got {limit}")


def check_arguments(
    model: Any, loss: Any, optimizer: Any, schedule: Any, settings: Any, metrics: Any
) -> None:
    """Raise ConfigError for an argument of `Trainer` that is of another kind or out of range."""
    is_rate = isinstance(schedule, Real) and 0 <= float(schedule) < math.inf
    are_metrics = isinstance(metrics, Mapping | None) and all(
        callable(one) and not OWN_COLUMNS.fullmatch(str(name))
        for name, one in (metrics or {}).items()
    )
    for name, value, fits, expected in (
        ("model", model, isinstance(model, Layer), "a layer, such as Sequential(...)"),
        (
            "loss",
            loss,
            callable(loss) or isinstance(loss, GradientSource),
            "a function, such as mse",
        ),
        ("optimizer", optimizer, isinstance(optimizer, Optimizer), "an optimizer, such as Adam()"),
        (
            "schedule",
            schedule,
            is_rate or callable(schedule),
            "a rate >= 0, such as 0.001, or a function",
        ),
        (
            "settings",
            settings,
            isinstance(settings, TrainerSettings | None),
            "TrainerSettings(batch_size=32, ...)",
        ),
        (
            "metrics",
            metrics,
            are_metrics,
            'functions by names of their own, such as {"accuracy": accuracy}',
        ),
    ):
        if not fits:
            raise ConfigError(f"Trainer: {name} must be {expected}, not {value!r:.60}")
    _check_model(model)
    is_mixed = settings is not None and settings.precision == "mixed"
    if is_mixed and isinstance(loss, GradientSource):
        raise ConfigError('precision="mixed": a source of gradients scales its own')
    if is_mixed and backend_of_all(model.named_parameters()) is NUMPY:
        expected = 'expected a model on a GPU, by model.to("cupy")'
        raise ConfigError(
            f'precision="mixed": {expected}; a processor has no fast arithmetic in half precision'
        )


def _check_model(model: Layer) -> None:
    """Raise ConfigError for a model with an array that would be trained twice, or not at all, or of
    another dtype than the others.
    """
    check_distinct(model.children())
    if hidden := model.hidden_parts():
        advice = "parts are public attributes, so that they learn and are saved"
        raise ConfigError(f"Trainer: {', '.join(hidden)} would not learn: {advice}")
    parameters = model.named_parameters()
    if len(kinds := {str(one.dtype): name for name, one in parameters.items()}) > 1:
        found = " and ".join(f"{kind} ({name})" for kind, name in kinds.items())
        raise ConfigError(
            f"Trainer: parameters must be arrays of one dtype, such as np.float32, not {found}"
        )
    check_precision(parameters)
