"""The ladder: an engine plays Stockfish's `UCI_Elo` rungs, and each new pair is on the most
informative rung.
"""

from dataclasses import dataclass, replace

from engine.errors import ConfigError, RunError
from engine.options.settings import setting
from selfplay.matches.archive import GAMES_FILE, GameRow, MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.rating import LadderRating, fit_rung, most_informative_rung
from selfplay.matches.runner import PlannedGame, Series, SeriesSettings, check_even
from selfplay.matches.series import count_faults
from selfplay.matches.statistics import EloEstimate, complete_pairs, estimate_elo, pentanomial

# Stop at this probability of lying beyond the last rung, after OUTSIDE_PAIRS pairs on it.
SURE = 0.975
OUTSIDE_PAIRS = 15


@dataclass(frozen=True, kw_only=True)
class LadderSettings(SeriesSettings):
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
    def most_games(self) -> int:
        return self.games

    @property
    def rungs(self) -> list[int]:
        return list(range(self.lowest, self.highest + 1, self.step))


@dataclass(frozen=True)
class LadderStanding:
    """The even rung so far, and the score on each rung played."""

    rating: LadderRating
    rungs: dict[int, EloEstimate]  # from complete pairs only
    games: int
    faults: dict[str, dict[str, int]]
    below: bool  # the engine is weaker than the lowest rung; its score there tells by how much
    above: bool  # the engine is stronger than the highest rung


class Ladder(Series):
    """A running ladder. A pair keeps its rung after an interruption, because its row's names hold
    the rung.
    """

    settings: LadderSettings

    def __init__(self, settings: LadderSettings, archive: MatchArchive) -> None:
        super().__init__(settings, archive)
        self._rung_of_pair = {row.number // 2: self._rung_of(row) for row in archive.rows.values()}
        self._handed_out = set(archive.rows)
        self._refit()

    def standing(self) -> LadderStanding:
        rows = self._archive.rows.values()
        names = [
            self.settings.engine.name,
            *(name for row in rows for name in (row.white, row.black)),
        ]
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

    @property
    def decided(self) -> bool:
        """Whether the interval is narrow enough, or the engine is almost surely outside the
        ladder.
        """
        return self._decided

    @property
    def is_complete(self) -> bool:
        return len(self._archive.rows) >= self.settings.games

    def next_game(self) -> PlannedGame | None:
        """Return the missing second game of a pair, or else the first of a new pair on the most
        informative rung.
        """
        number = next(n for n in range(self.settings.games + 1) if n not in self._handed_out)
        if number == self.settings.games:
            return None
        self._handed_out.add(number)
        pair = number // 2
        if pair not in self._rung_of_pair:
            self._rung_of_pair[pair] = most_informative_rung(self._rating, self.settings.rungs)
        rung = self._rung_of_pair[pair]
        opponent = self.settings.opponent
        options = (*opponent.options, ("UCI_LimitStrength", "true"), ("UCI_Elo", str(rung)))
        opponent = replace(opponent, name=f"{opponent.name}-{rung}", options=options)
        return PlannedGame(number, self.settings.engine, opponent, self._openings[pair])

    def finish(self, row: GameRow) -> None:
        """Add a result to the fit."""
        if row.number ^ 1 in self._archive.rows:
            self._refit()

    def _refit(self) -> None:
        points = {number: row.first_points for number, row in self._archive.rows.items()}
        self._pairs: dict[int, list[float]] = {}
        for pair, value in complete_pairs(points).items():
            self._pairs.setdefault(self._rung_of_pair[pair], []).append(value)
        self._rating = fit_rung(self._pairs, self.settings.rungs)
        now = self.standing()
        self._decided = now.below or now.above or self._rating.half_width <= self.settings.precision

    def _outside(self, rung: int, share: float) -> bool:
        return len(self._pairs.get(rung, ())) >= OUTSIDE_PAIRS and share >= SURE

    def _rung_of(self, row: GameRow) -> int:
        opponent = row.black if row.number % 2 == 0 else row.white
        try:
            return int(opponent.rpartition("-")[2])
        except ValueError:
            text = f"game {row.number} is against {opponent!r}, which is on no rung"
            raise RunError(f"{self._archive.folder / GAMES_FILE}: {text}") from None
