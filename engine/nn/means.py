"""Means over some places of a batch, and over whole data sets: sums divided by sums, each added up
over all batches.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

SUM = -1.0


class MeanOver(float):
    """A mean over some `places` of a batch, or over a sum of weights. Its parts weigh as much as
    they have places, not examples; those of a sum, whose places are `SUM`, add up.

    A loss or metric of one's own that divides by something else than the number of examples returns
    one: `MeanOver((weights * losses).sum() / weights.sum(), weights.sum())`.

    It stays one times or by a number, and plus a number or a mean over as many places. Anything
    else is a plain number, a mean over the examples; so is a sum by a number.
    """

    places: float

    def __new__(cls, mean: Any, places: float) -> Self:
        value = super().__new__(cls, mean)
        value.places = float(places)
        return value

    def __mul__(self, factor: Any) -> Any:
        return self._of_same_places(self.real * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Any:
        mean = self.real / divisor
        if self.places == SUM:
            return mean
        return self._of_same_places(mean)

    def __add__(self, other: Any) -> Any:
        total = self.real + other.real
        if getattr(other, "places", self.places) != self.places:
            return total
        return self._of_same_places(total)

    __radd__ = __add__

    def _of_same_places(self, value: Any) -> Any:
        if np.ndim(value):
            return value
        return MeanOver(value, self.places)


def weight_of(mean: Any, examples: float) -> float:
    """Return how much a mean of so many examples weighs: as much as its places, if it has them; and
    `SUM` for a sum.
    """
    return getattr(mean, "places", examples)


def add_means(
    sums: dict[str, float], weights: dict[str, float], means: Mapping[str, Any], examples: float
) -> None:
    """Add the means over a batch of so many examples to the sums and the weights of an epoch."""
    for name, mean in means.items():
        weight = weight_of(mean, examples)
        if weight == SUM:
            sums[name] = sums.get(name, 0.0) + float(mean)
            weights[name] = SUM
        else:
            sums[name] = sums.get(name, 0.0) + float(mean) * weight
            weights[name] = weights.get(name, 0.0) + weight


def means_of(sums: Mapping[str, float], weights: Mapping[str, float]) -> dict[str, float]:
    """Return the means, or plain sums, of what `add_means` added up; 0 over nothing."""
    means: dict[str, float] = {}
    for name, total in sums.items():
        means[name] = total
        if weights[name] != SUM:
            means[name] = total / (weights[name] or 1)
    return means
