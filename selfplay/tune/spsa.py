"""Simultaneous perturbation stochastic approximation: every pair of games moves all values a little.

Iteration k tests theta + c_k d against theta - c_k d, where each component of d is +1 or -1 by chance. The points that
the first scores above the second, r in [-2, 2] for a pair of games, tell whether d leads up or down:

    theta <- theta + (a_k / c_k) r d        c_k = c (N / (k + 1))^gamma        a_k = a ((A + N) / (A + k + 1))^alpha

N is the number of iterations, c the step and a = rate c^2 at the last of them, A = N / 10. alpha = 0.602 and gamma =
0.101 are Spall's; stating step and rate of the last iteration is fishtest's and OpenBench's way.

Spall 1998, "Implementation of the simultaneous perturbation algorithm for stochastic optimization".

Games run at once, so an iteration does not wait for the one just before. It starts from the values after iteration
k - `lag`, whatever finished meanwhile: the same results give the same values, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.errors import ConfigError
from selfplay.tune.tunable import Tunable

ALPHA: Final = 0.602
GAMMA: Final = 0.101
STABILITY: Final = 0.1  # A as a share of N.


@dataclass(frozen=True)
class GainSchedule:
    """Number of iterations, and how many are under way at once at most. Raises ConfigError if either is below 1."""

    iterations: int
    lag: int = 1

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.lag < 1:
            raise ConfigError(f"expected at least one iteration and a lag of at least 1, got {self}")

    def step_share(self, iteration: int) -> float:
        """c_k as a multiple of the last iteration's."""
        return (self.iterations / (iteration + 1.0)) ** GAMMA

    def gain_share(self, iteration: int) -> float:
        """a_k as a multiple of the last iteration's."""
        stability = STABILITY * self.iterations
        return ((stability + self.iterations) / (stability + iteration + 1.0)) ** ALPHA


class Spsa:
    """The values of several options, moved by results. Its state depends on the results alone.

    Attributes:
        path: rows float64[n] of the options' values after 0, 1, 2 ... iterations.
    """

    def __init__(self, options: Sequence[Tunable], schedule: GainSchedule, seed: int) -> None:
        self.options = tuple(options)
        self.schedule = schedule
        self._seed = seed
        self._low = np.array([option.low for option in options])
        self._high = np.array([option.high for option in options])
        self._step = np.array([option.step for option in options])
        self._rate = np.array([option.rate for option in options])
        self._results: dict[int, float] = {}
        self.path = [np.array([option.start for option in options], np.float64)]

    @property
    def done(self) -> int:
        """Iterations whose results, and those of all before, are known."""
        return len(self.path) - 1

    @property
    def values(self) -> np.ndarray:
        """The values so far, float64[n]."""
        return self.path[-1]

    def may_begin(self, iteration: int) -> bool:
        """Whether the values from which an iteration starts are known."""
        return self._origin(iteration) <= self.done

    def tested(self, iteration: int) -> tuple[np.ndarray, np.ndarray]:
        """The values that play each other in an iteration, each float64[n] within the options' ranges."""
        origin = self.path[self._origin(iteration)]
        shift = self._step * self.schedule.step_share(iteration) * self._directions(iteration)
        plus, minus = origin + shift, origin - shift
        return np.clip(plus, self._low, self._high), np.clip(minus, self._low, self._high)

    def record(self, results: Mapping[int, float]) -> None:
        """Add results by iteration: points of the first values minus those of the second."""
        self._results.update(results)
        while self.done in self._results:
            k = self.done
            gain = self._rate * self._step * self.schedule.gain_share(k) / self.schedule.step_share(k)
            moved = self.values + gain * self._results[k] * self._directions(k)
            self.path.append(np.clip(moved, self._low, self._high))

    def _origin(self, iteration: int) -> int:
        return max(0, iteration - self.schedule.lag + 1)

    def _directions(self, iteration: int) -> np.ndarray:
        return np.random.default_rng((self._seed, iteration)).choice([-1.0, 1.0], len(self.options))
