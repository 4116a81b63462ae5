"""The terms of the training loss: policy, value, moves left."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms; the policy has weight 1."""

    value: float = 1.0
    moves_left: float = 0.1


def mean_of(total: float, count: float) -> float | None:
    """Return the mean of `count` numbers; None of none."""
    if not count:
        return None
    return total / count


def number_text(value: float | None, form: str = ".4f") -> str:
    """Return a number in this format, or a dash for one that was not measured."""
    if value is None:
        return "-"
    return format(value, form)


@dataclass(frozen=True)
class Losses:
    """Means over the positions that have the target: cross-entropies in nats, moves left as Huber
    loss in 100 plies.

    None where no position has the target.
    """

    policy: float | None
    value: float | None
    moves_left: float | None


@dataclass(frozen=True)
class LossSums:
    """Sums over positions, and how many positions have each target. Sums of parts add up; means do
    not.
    """

    policy: float
    value: float
    moves_left: float
    with_policy: float
    with_value: float
    with_moves_left: float

    @property
    def means(self) -> Losses:
        return Losses(
            mean_of(self.policy, self.with_policy),
            mean_of(self.value, self.with_value),
            mean_of(self.moves_left, self.with_moves_left),
        )

    def metrics(self, count: int) -> dict[str, float]:
        """Return the sums of `count` positions divided by `count`; such means add up over the parts
        of a batch.
        """
        return {name: value / count for name, value in vars(self).items()}

    def total(self, count: int, weights: LossWeights) -> float:
        """Return the mean over `count` positions of the loss that training minimises."""
        return (
            self.policy + weights.value * self.value + weights.moves_left * self.moves_left
        ) / count
