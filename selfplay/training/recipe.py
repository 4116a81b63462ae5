"""How the networks of a family are trained unless told otherwise: the one source of defaults for every command."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import ConfigError
from selfplay.training.losses import LossWeights

__all__ = ["SPARSE_RECIPE", "TOWER_RECIPE", "LearnerSettings", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Defaults of a family. `pretrain`, `fit`, `loop` and `bench` take them where a flag or a file says nothing else.

    Attributes:
        batch_size: positions a step.
        peak_rate: the highest learning rate of a run.
        weight_decay: see `LearnerSettings`.
        variations: see `LearnerSettings`; games of self-play hold no scored moves, so it changes nothing for them.
        fit_positions: positions that a generation of a self-play run is trained on, repetitions counted.
    """

    batch_size: int
    peak_rate: float
    weight_decay: float
    variations: float
    fit_positions: int


TOWER_RECIPE = Recipe(batch_size=256, peak_rate=2e-3, weight_decay=1e-2, variations=0.0, fit_positions=32_768)
# Most of a step's cost is that of the tables: large batches share it. With less decay the network learns labels by
# heart, as it sees each of them several times. The positions make 32 steps (set by hand).
SPARSE_RECIPE = Recipe(batch_size=8192, peak_rate=4e-3, weight_decay=0.8, variations=0.3, fit_positions=262_144)


@dataclass(frozen=True)
class LearnerSettings:
    """How to train; the results depend on every field but `threads`. A family's `Recipe` has what has no default."""

    batch_size: int
    weight_decay: float  # decoupled (AdamW): a weight shrinks by rate * weight_decay a step
    shard_size: int = 64  # positions that batch normalisation sees together
    threads: int = 2
    clip_norm: float = 5.0  # of the whole gradient
    average_decay: float = 0.999  # of the exponential moving average of the weights, a step
    variations: float = 0.0  # share of positions with scored moves replaced by one after such a move; sparse nets only
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name in ("batch_size", "shard_size"):
            if getattr(self, name) < 2:
                raise ConfigError(
                    f"{name}: expected at least 2 (batch normalisation needs it), got {getattr(self, name)}"
                )
        if self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")
