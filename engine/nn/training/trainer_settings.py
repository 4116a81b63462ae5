"""What a trainer is made from, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import ConfigError
from engine.nn.advice import built_with_advice, check_whole
from engine.nn.layer import Layer
from engine.nn.layers.containers import Sequential, check_distinct
from engine.nn.training.optimizers import Optimizer, check_precision
from engine.nn.training.parallel import GradientSource


@built_with_advice
@dataclass(frozen=True)
class TrainerSettings:
    """Training settings; results depend on every field except `threads`.

    Raises ConfigError for numbers out of range. The last two batches of an epoch share the examples left over for them.
    """

    batch_size: int = 32
    seed: int = 0
    clip_norm: float | None = None  # maximum norm of the whole gradient; None = no clipping
    average_decay: float | None = None  # decay of the exponential weight average (`Trainer.averaged_model`)
    patience: int | None = None  # stop after this many epochs without a better validation loss
    shard_size: int | None = None  # examples per shard; None = the whole batch in one shard
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("batch_size", "patience", "shard_size", "threads"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value, 1)
        check_whole("seed", self.seed, 0)
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"clip_norm: expected more than 0, got {self.clip_norm}")


def check_arguments(model: Any, loss: Any, optimizer: Any, schedule: Any, settings: Any, metrics: Any) -> None:
    """Raise ConfigError for an argument of `Trainer` that is of another kind or out of range."""
    if not isinstance(model, Layer):
        raise ConfigError(f"Trainer: model must be a layer, such as Sequential(...), not {model!r:.60}")
    if not callable(loss) and not isinstance(loss, GradientSource):
        raise ConfigError(f"Trainer: loss must be a function, such as mse or softmax_cross_entropy, not {loss!r:.60}")
    if not isinstance(optimizer, Optimizer):
        raise ConfigError(f"Trainer: optimizer must be one, such as Adam(), not {optimizer!r:.60}")
    if isinstance(schedule, type):
        raise ConfigError(f"Trainer: build the schedule, {schedule.__name__}(...), or give a rate such as 0.001")
    if not callable(schedule) and not (isinstance(schedule, int | float) and 0 <= schedule < math.inf):
        raise ConfigError(f"Trainer: schedule must be a rate >= 0, such as 0.001, or a function, not {schedule!r:.60}")
    if not isinstance(settings, TrainerSettings | None):
        raise ConfigError(f"Trainer: settings must be TrainerSettings(batch_size=32, ...), not {settings!r:.60}")
    if not isinstance(metrics, Mapping | None) or not all(map(callable, (metrics or {}).values())):
        raise ConfigError(f'Trainer: metrics must be functions by name, {{"accuracy": accuracy}}, not {metrics!r:.60}')
    check_distinct(model.children())
    last = list(model.layers.values())[-1:] if isinstance(model, Sequential) else []
    name = getattr(loss, "__name__", "")
    if name.endswith("_cross_entropy") and any(getattr(layer, "function", "") == "sigmoid" for layer in last):
        raise ConfigError(f"Trainer: leave out the last layer, {last[0]!r}: {name} takes raw outputs")
    parameters = model.named_parameters()
    kinds = {str(getattr(one, "dtype", type(one).__name__)): name for name, one in parameters.items()}
    if len(kinds) > 1 or "list" in kinds:
        found = " and ".join(f"{kind} ({name})" for kind, name in kinds.items())
        raise ConfigError(f"Trainer: parameters must be arrays of one dtype, such as np.float32, not {found}")
    check_precision(parameters)
