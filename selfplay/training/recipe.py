"""Default training settings of each family, for every command."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.errors import ConfigError
from engine.nn.training.loss_scale import PRECISIONS
from selfplay.training.losses import LossWeights


@dataclass(frozen=True)
class Recipe:
    """Defaults of a family. `pretrain`, `fit`, `loop` and `bench` use them unless a flag or file overrides them."""

    batch_size: int  # positions per step
    peak_rate: float  # the highest learning rate of a run
    weight_decay: float  # see `LearnerSettings`
    variations: float  # see `LearnerSettings`
    fit_positions: int  # positions trained on per generation of a self-play run, counting repetitions


TOWER_RECIPE = Recipe(batch_size=256, peak_rate=2e-3, weight_decay=1e-2, variations=0.0, fit_positions=32_768)
# The tables cost most of a step, and large batches share that cost. With less decay the network memorises labels,
# because it sees each several times. `fit_positions` makes 32 steps (set by hand).
SPARSE_RECIPE = Recipe(batch_size=8192, peak_rate=4e-3, weight_decay=0.8, variations=0.3, fit_positions=262_144)

# A hundred million labels are each seen once or twice, so there is little to memorise.
VALUE_RECIPE = Recipe(batch_size=8192, peak_rate=3e-3, weight_decay=0.05, variations=0.0, fit_positions=262_144)


@dataclass(frozen=True)
class LearnerSettings:
    """How to train. Results depend on every field but `threads`. Fields without a default come from the `Recipe`."""

    batch_size: int
    weight_decay: float  # decoupled (AdamW): a weight shrinks by rate * weight_decay per step
    shard_size: int = 64  # positions that batch normalisation averages over
    threads: int = 2
    clip_norm: float = 5.0  # largest norm of the whole gradient
    average_decay: float = 0.999  # per step, for the exponential moving average of the weights
    variations: float = 0.0  # share of positions with scored moves replaced by one after such a move; sparse nets only
    precision: str = PRECISIONS[0]  # mixed = on a GPU, products in half precision
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        for name in ("batch_size", "shard_size"):
            if getattr(self, name) < 2:
                raise ConfigError(
                    f"{name}: expected at least 2 (batch normalisation needs it), got {getattr(self, name)}"
                )
        if self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")
