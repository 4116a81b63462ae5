"""The terms of the training loss, which both families have: policy, value, moves left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

__all__ = ["LossSums", "LossWeights", "Losses"]


@dataclass(frozen=True)
class LossWeights:
    """Factors of the loss terms; the policy's is 1."""

    value: float = 1.0
    moves_left: float = 0.1


@dataclass(frozen=True)
class Losses:
    """Means over the positions that have the target: cross-entropies in nats, moves left as Huber loss in 100 plies."""

    policy: float
    value: float
    moves_left: float


@dataclass(frozen=True)
class LossSums:
    """Sums over positions, and how many of them have the target in question. Sums of parts add up; means do not."""

    policy: float
    value: float
    moves_left: float
    with_policy: float
    with_value: float
    with_moves_left: float

    @property
    def means(self) -> Losses:
        """The means; 0 of a loss for which no position has a target."""
        return Losses(
            self.policy / (self.with_policy or 1.0),
            self.value / (self.with_value or 1.0),
            self.moves_left / (self.with_moves_left or 1.0),
        )

    def metrics(self, count: int) -> dict[str, float]:
        """The sums of `count` positions divided by their number: as means, they add up over the parts of a batch."""
        return {name: value / count for name, value in asdict(self).items()}

    def total(self, count: int, weights: LossWeights) -> float:
        """The mean over `count` positions of the loss that training minimises."""
        return (self.policy + weights.value * self.value + weights.moves_left * self.moves_left) / count

    @classmethod
    def of_metrics(cls, metrics: Mapping[str, float]) -> Self:
        """The sums, up to a common factor, of what `metrics` returned; other entries are ignored."""
        return cls(**{one.name: metrics[one.name] for one in fields(cls)})
