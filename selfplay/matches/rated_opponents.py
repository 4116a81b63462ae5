"""The gauntlet: an engine plays several opponents whose ratings are known, and gets one itself.

The ratings of a list hold for its own time control and machines. The interval knows the chance of
the games, and that a difference on the list may be a larger or smaller one here (`rating`).
"""

from dataclasses import dataclass

from engine.errors import ConfigError
from engine.options.settings import setting
from selfplay.matches.contestant import Contestant
from selfplay.matches.engine_match import MatchStanding, standing
from selfplay.matches.rating import FittedRating, fit_gauntlet, points_by_rating
from selfplay.matches.series import NumberedSeries, NumberedSettings, check_even


@dataclass(frozen=True, kw_only=True)
class GauntletSettings(NumberedSettings):
    """Which engine plays whom. Raises ConfigError for bad values."""

    engine: Contestant
    opponents: tuple[Contestant, ...]
    ratings: tuple[int, ...]  # of the opponents, in Elo
    games: int = setting(60, "play this many games against each opponent, an even number")

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [contestant.name for contestant in self.contestants]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two engines are called {name!r}: give one a name=")
        if not self.opponents:
            raise ConfigError("expected at least one opponent")
        check_even(self.games)

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        return self.engine, *self.opponents

    @property
    def most_games(self) -> int:
        return self.games * len(self.opponents)


@dataclass(frozen=True)
class GauntletStanding:
    """The rating so far, None before a pair is complete, and the standing against each opponent."""

    rating: FittedRating | None
    against: dict[str, MatchStanding]
    games: int


class Gauntlet(NumberedSeries):
    """A running gauntlet. The opponents take turns, so that each has had as many games when it is
    interrupted.
    """

    settings: GauntletSettings

    def standing(self) -> GauntletStanding:
        rows = list(self._archive.rows.values())
        pairs = points_by_rating(rows, self.settings.ratings)
        rating = fit_gauntlet(pairs) if pairs else None
        against = {}
        for opponent in self.settings.opponents:
            met = [row for row in rows if opponent.name in (row.white, row.black)]
            against[opponent.name] = standing(met, (self.settings.engine.name, opponent.name))
        return GauntletStanding(rating, against, len(rows))

    def _players(self, number: int) -> tuple[Contestant, Contestant]:
        opponents = self.settings.opponents
        return self.settings.engine, opponents[number // 2 % len(opponents)]

    def _opening(self, number: int) -> str:
        return super()._opening(number // len(self.settings.opponents))
