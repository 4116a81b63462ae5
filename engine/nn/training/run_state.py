"""Where a training run stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.nn.array_checks import ArrayDict
from engine.nn.training.history import History, Record


@dataclass
class RunState:
    """Where a run stands: a checkpoint holds it whole, beside the arrays of model, optimizer and
    weight average.
    """

    steps_done: int = 0
    history: History = field(default_factory=History)
    ending: bool = False  # whether a callback asked for the end of the run with this epoch
    untold: bool = False  # whether callbacks may not have heard of the last record
    sums: Record = field(default_factory=dict)  # of loss and metrics over the epoch so far
    weights: Record = field(default_factory=dict)  # what these sums are divided by
    rate_factor: float = 1.0  # of the schedule's rate, as a callback set it
    data: dict[str, Any] | None = None  # what the training data is: `data_identity`
    best: ArrayDict = field(default_factory=dict)  # tensors of the best epoch
    # Tensors after the last step, while the model holds the best.
    last: ArrayDict = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """Return all but the arrays, as JSON values by name."""
        values = vars(self) | {"history": self.history.records}
        del values["best"], values["last"]
        return values

    @classmethod
    def of(cls, values: dict[str, Any], best: ArrayDict) -> RunState:
        """Return the state whose `values` these are, among others."""
        own = {name: values[name] for name in cls().values()}
        return cls(**own | {"history": History(values["history"])}, best=best)
