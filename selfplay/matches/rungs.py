"""The ladder: an engine plays Stockfish's `UCI_Elo` rungs, and each new pair is on the most
informative rung.
"""

from dataclasses import dataclass, replace

from engine.errors import ConfigError
from engine.options.settings import setting
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.engine_match import count_faults
from selfplay.matches.rating import LadderRating, fit_rung, most_informative_rung, points_by_rung
from selfplay.matches.series import NumberedSeries, NumberedSettings, check_even
from selfplay.matches.statistics import EloEstimate, estimate_elo, pentanomial

# Stop at this probability of lying beyond the last rung, after OUTSIDE_PAIRS pairs on it.
SURE = 0.975
OUTSIDE_PAIRS = 15


@dataclass(frozen=True, kw_only=True)
class LadderSettings(NumberedSettings):
    """Which engine climbs, and when the ladder stops. Elo: Stockfish 15.1 accepts 1350 to 2850."""

    FREE = ("games", "precision")

    engine: Contestant
    opponent: Contestant  # Stockfish; the ladder sets UCI_LimitStrength and UCI_Elo
    lowest: int = setting(
        1350, "start the ladder at this Elo; the opponent's UCI_Elo must allow it", metavar="ELO"
    )
    highest: int = setting(2850, "end the ladder at this Elo", metavar="ELO")
    step: int = setting(50, "set neighbouring rungs this many Elo apart", metavar="ELO")
    games: int = setting(200, "play at most N games, an even number")
    precision: float = setting(
        50.0, "stop when the 95% interval is within this many Elo of its centre", metavar="ELO"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.step > 0 and 0 <= self.lowest < self.highest) or not self.precision > 0:
            raise ConfigError(
                "ladder: expected lowest < highest and a step and a precision above 0"
            )
        check_even(self.games)

    @property
    def rungs(self) -> list[int]:
        return list(range(self.lowest, self.highest + 1, self.step))

    def on_rung(self, rung: int) -> Contestant:
        """Return the opponent as it plays there."""
        options = (*self.opponent.options, ("UCI_LimitStrength", "true"), ("UCI_Elo", str(rung)))
        return replace(self.opponent, name=f"{self.opponent.name}-{rung}", options=options)


@dataclass(frozen=True)
class LadderStanding:
    """The even rung so far, and the score on each rung played."""

    rating: LadderRating
    rungs: dict[int, EloEstimate]  # from complete pairs only
    games: int
    faults: dict[str, dict[str, int]]
    below: bool  # the engine is weaker than the lowest rung; its score there tells by how much
    above: bool  # the engine is stronger than the highest rung


class Ladder(NumberedSeries):
    """A running ladder. A pair keeps its rung after an interruption, because its row's names hold
    the rung.
    """

    settings: LadderSettings

    def __init__(self, settings: LadderSettings, archive: MatchArchive) -> None:
        rungs = {settings.on_rung(rung).name: rung for rung in settings.rungs}
        self._rung_of_pair = {
            row.number // 2: rungs.get(row.players[1], settings.lowest)
            for row in archive.rows.values()
        }
        super().__init__(settings, archive)
        self._refit()

    def standing(self) -> LadderStanding:
        rows = self._archive.rows.values()
        names = [self.settings.engine.name, *(row.players[1] for row in rows)]
        return LadderStanding(
            rating=self._rating,
            rungs={
                rung: estimate_elo(pentanomial(pairs))
                for rung, pairs in sorted(self._pairs.items())
            },
            games=len(rows),
            faults=count_faults(rows, dict.fromkeys(names)),
            below=self._outside(
                self.settings.rungs[0], self._rating.share_below(self.settings.rungs[0])
            ),
            above=self._outside(
                self.settings.rungs[-1], 1.0 - self._rating.share_below(self.settings.rungs[-1])
            ),
        )

    def _players(self, number: int) -> tuple[Contestant, Contestant]:
        """Return them with the opponent on the pair's rung; a new pair's is the most informative
        one.
        """
        pair = number // 2
        if pair not in self._rung_of_pair:
            self._rung_of_pair[pair] = most_informative_rung(self._rating, self.settings.rungs)
        return self.settings.engine, self.settings.on_rung(self._rung_of_pair[pair])

    def finish(self, row: GameRow) -> None:
        """Add a result to the fit."""
        if row.number ^ 1 in self._archive.rows:
            self._refit()

    def _refit(self) -> None:
        rows = self._archive.rows.values()
        self._pairs = points_by_rung(rows, self._rung_of_pair.__getitem__)
        self._rating = fit_rung(self._pairs, self.settings.rungs)
        now = self.standing()
        # The engine is almost surely outside the ladder, or the interval is narrow enough.
        self.decided = now.below or now.above or self._rating.half_width <= self.settings.precision

    def _outside(self, rung: int, share: float) -> bool:
        return len(self._pairs.get(rung, ())) >= OUTSIDE_PAIRS and share >= SURE
