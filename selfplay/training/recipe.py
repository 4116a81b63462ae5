"""Default training settings of each family, for every command."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from engine.options.settings import REQUIRED, check_settings, setting
from selfplay.training.losses import LossWeights


@dataclass(frozen=True)
class Recipe:
    """Defaults of a family. `pretrain`, `loop` and `bench` use them unless a flag or file overrides
    them.
    """

    batch_size: int  # positions per step
    peak_rate: float  # the highest learning rate of a run
    weight_decay: float  # see `StepSettings`
    variations: float  # see `StepSettings`
    fit_positions: (
        int  # positions trained on per generation of a self-play run, counting repetitions
    )
    loss: LossWeights = field(default_factory=LossWeights)

    def learner_settings(self, **changes: Any) -> LearnerSettings:
        """Return the settings of a learner, with those that are given in place of the recipe's."""
        settings = LearnerSettings(
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            variations=self.variations,
            loss=self.loss,
        )
        return replace(settings, **changes)


TOWER_RECIPE = Recipe(
    batch_size=256, peak_rate=2e-3, weight_decay=1e-2, variations=0.0, fit_positions=32_768
)
# The tables cost most of a step, and large batches share that cost. With less decay the network
# memorises labels, because it sees each several times. `fit_positions` makes 32 steps (set by
# hand).
SPARSE_RECIPE = Recipe(
    batch_size=8192, peak_rate=4e-3, weight_decay=0.8, variations=0.3, fit_positions=262_144
)

# A hundred million labels are each seen once or twice, so there is little to memorise.
VALUE_RECIPE = Recipe(
    batch_size=8192, peak_rate=3e-3, weight_decay=0.05, variations=0.0, fit_positions=262_144
)

# A policy tells much more than a move, so there is little to memorise.
PEOPLE_RECIPE = Recipe(
    batch_size=8192, peak_rate=4e-3, weight_decay=0.1, variations=0.0, fit_positions=262_144
)

# Nobody asks a tower of people for values; a little of them helps its trunk. Set by hand.
PEOPLE_TOWER_RECIPE = Recipe(
    batch_size=256,
    peak_rate=1e-3,
    weight_decay=1e-2,
    variations=0.0,
    fit_positions=32_768,
    loss=LossWeights(value=0.1, moves_left=0.01),
)

TRAIN_BACKEND = "train on the CPU (numpy) or a GPU (cupy); auto = a GPU if one computes"
AVERAGE_DECAY = "decay the running average of the weights by this factor, per step"


@dataclass(frozen=True)
class StepSettings:
    """How each step of a training is made. Results depend on every field."""

    # fmt: off
    batch_size: int = setting(REQUIRED,
        # Batch normalisation needs two.
        "train on this many positions per step", least=2, flag="--batch")
    weight_decay: float = setting(REQUIRED,
        # Decoupled: AdamW.
        "shrink each weight by the learning rate times this, every step", least=0)
    shard_size: int = setting(64, "normalise batches in groups of this many positions", least=2)
    average_decay: float = setting(0.999, AVERAGE_DECAY, least=0, below=1)
    variations: float = setting(0.0,
        "replace this share of scored positions by the one after a scored move, with its value as target; for sparse "
        "networks", least=0, most=1)
    # fmt: on


@dataclass(frozen=True)
class LearnerSettings(StepSettings):
    """How to train. Fields without a default come from the `Recipe`."""

    threads: int = setting(2, "train on this many threads", least=1)  # changes no result
    clip_norm: float = 5.0  # largest norm of the whole gradient
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        check_settings(self)
