"""How the networks of a family are trained unless told otherwise: the one source of defaults for every command."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SPARSE_RECIPE", "TOWER_RECIPE", "Recipe"]


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
