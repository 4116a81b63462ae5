"""A tuning run: pairs of games of an engine against itself, each side with its own values (`spsa`). Resumable.

The games are a match's archive. What was played is the whole state: values and what they tested follow from the
results by number, so that a killed run goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.errors import ConfigError
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.runner import PlannedGame, Series, SeriesSettings
from selfplay.matches.series import count_faults
from selfplay.matches.statistics import complete_pairs
from selfplay.tune.spsa import GainSchedule, Spsa
from selfplay.tune.tunable import Tunable

LAG = 8  # Pairs under way at once at most; enough for several games at once. Set by hand.


@dataclass(frozen=True, kw_only=True)
class TuningSettings(SeriesSettings):
    """Which engine and options, and how many pairs of games. The seed also chooses the directions."""

    engine: Contestant
    options: tuple[Tunable, ...]
    pairs: int
    lag: int = LAG

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [option.name for option in self.options]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"expected options to tune, each once, got {names}")
        set_twice = sorted(set(names) & {name for name, _ in self.engine.options})
        if set_twice:
            raise ConfigError(f"the engine's options and the tuned ones overlap: {', '.join(set_twice)}")
        self.schedule()  # raises for bad values

    def schedule(self) -> GainSchedule:
        """Number of iterations and lag."""
        return GainSchedule(self.pairs, self.lag)

    def resolved(self) -> dict[str, Any]:
        return super().resolved() | {"options": [vars(option) for option in self.options]}

    def player(self, side: str, values: np.ndarray) -> Contestant:
        """The engine with some values of the tuned options, float64[n]."""
        tuned = tuple((option.name, option.text(value)) for option, value in zip(self.options, values, strict=True))
        return replace(self.engine, name=f"{self.engine.name}{side}", options=self.engine.options + tuned)


@dataclass(frozen=True)
class TuningStanding:
    """Values after the pairs so far.

    Attributes:
        pairs: those that count: all up to the first that is not complete.
        path: float64[pairs + 1, n], the options' values after 0, 1, 2 ... pairs.
    """

    pairs: int
    games: int
    path: np.ndarray
    faults: dict[str, dict[str, int]]

    @property
    def values(self) -> np.ndarray:
        """The values now, float64[n]."""
        return np.asarray(self.path[-1])


def pair_results(rows: Iterable[GameRow]) -> dict[int, float]:
    """By pair, the first engine's points minus the second's, of pairs with both games."""
    pairs = complete_pairs({row.number: row.first_points for row in rows})
    return {pair: 2.0 * points - 2.0 for pair, points in pairs.items()}


class Tuning(Series):
    """A running tuning: games whose players depend on earlier results."""

    settings: TuningSettings

    def __init__(self, settings: TuningSettings, archive: MatchArchive) -> None:
        super().__init__(settings, archive)
        self._missing = [number for number in range(2 * settings.pairs) if number not in archive.rows]
        self.spsa = Spsa(settings.options, settings.schedule(), settings.seed)
        self.spsa.record(pair_results(archive.rows.values()))

    @property
    def is_complete(self) -> bool:
        return self.spsa.done == self.settings.pairs

    @property
    def is_waiting(self) -> bool:
        """Whether the next game depends on results of games under way."""
        return bool(self._missing) and not self.spsa.may_begin(self._missing[0] // 2)

    def next_game(self) -> PlannedGame | None:
        """The next missing game; None when there is none, or while its players are not known."""
        if not self._missing or self.is_waiting:
            return None
        number = self._missing.pop(0)
        plus, minus = self.spsa.tested(number // 2)
        players = self.settings.player("+", plus), self.settings.player("-", minus)
        return PlannedGame(number, *players, self._openings[number // 2])

    def finish(self, row: GameRow) -> None:
        """Move the values when both games of a pair are there."""
        other = self._archive.rows.get(row.number ^ 1)
        self.spsa.record(pair_results([row, other] if other else []))

    def standing(self) -> TuningStanding:
        """The current standing."""
        rows = list(self._archive.rows.values())
        names = (f"{self.settings.engine.name}+", f"{self.settings.engine.name}-")
        return TuningStanding(self.spsa.done, len(rows), np.array(self.spsa.path), count_faults(rows, names))
