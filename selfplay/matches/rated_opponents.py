"""The gauntlet: an engine plays several opponents whose ratings are known, and gets one itself.

The ratings of a list hold for its own time control and machines. The interval knows the chance of
the games, and that a difference on the list may be a larger or smaller one here (`rating`).
"""

from dataclasses import dataclass

from engine.errors import ConfigError
from engine.options.settings import setting
from selfplay.matches.archive import MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.rating import LadderRating, fit_rung
from selfplay.matches.runner import PlannedGame, Series, SeriesSettings, check_even
from selfplay.matches.series import MatchStanding, standing
from selfplay.matches.statistics import complete_pairs


@dataclass(frozen=True, kw_only=True)
class GauntletSettings(SeriesSettings):
    """Which engine plays whom. Raises ConfigError for bad values."""

    FREE = ("games",)

    engine: Contestant
    opponents: tuple[Contestant, ...]
    ratings: tuple[int, ...]  # of the opponents, in Elo
    games: int = setting(60, "play this many games against each opponent, an even number")

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [one.name for one in (self.engine, *self.opponents)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two engines are called {name!r}: give one a name=")
        if not self.opponents:
            raise ConfigError("expected at least one opponent")
        check_even(self.games)

    @property
    def most_games(self) -> int:
        return self.games * len(self.opponents)


@dataclass(frozen=True)
class GauntletStanding:
    """The rating so far, None before a pair is complete, and the standing against each opponent."""

    rating: LadderRating | None
    against: dict[str, MatchStanding]
    games: int


class Gauntlet(Series):
    """A running gauntlet. The opponents take turns, so that each has had as many games when it is
    interrupted.
    """

    settings: GauntletSettings

    def __init__(self, settings: GauntletSettings, archive: MatchArchive) -> None:
        super().__init__(settings, archive)
        self._check_players(lambda number: {settings.engine.name, self._opponent(number).name})
        numbers = range(settings.most_games)
        self._missing = (number for number in numbers if number not in archive.rows)

    def standing(self) -> GauntletStanding:
        rows = list(self._archive.rows.values())
        pairs = dict[int, list[float]]()
        points = {row.number: row.first_points for row in rows}
        for pair, value in complete_pairs(points).items():
            rating = self.settings.ratings[pair % len(self.settings.opponents)]
            pairs.setdefault(rating, []).append(value)
        against = {}
        for opponent in self.settings.opponents:
            met = [row for row in rows if opponent.name in (row.white, row.black)]
            against[opponent.name] = standing(met, (self.settings.engine.name, opponent.name))
        return GauntletStanding(fit_rung(pairs, list(pairs)) if pairs else None, against, len(rows))

    @property
    def is_complete(self) -> bool:
        return len(self._archive.rows) >= self.settings.most_games

    def next_game(self) -> PlannedGame | None:
        number = next(self._missing, None)
        if number is None:
            return None
        opening = self._openings[number // 2 // len(self.settings.opponents)]
        return PlannedGame(number, self.settings.engine, self._opponent(number), opening)

    def _opponent(self, number: int) -> Contestant:
        return self.settings.opponents[number // 2 % len(self.settings.opponents)]
