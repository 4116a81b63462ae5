"""A match between two UCI engines: pairs of games with colours swapped, resumable, with an Elo estimate or an SPRT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

import chess

from engine.errors import ConfigError
from selfplay.matches.adjudication import Adjudication
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.opening_book import OpeningOrder, opening_board, readable
from selfplay.matches.play import FAULTS, Rules
from selfplay.matches.runner import PlannedGame, play_schedule
from selfplay.matches.statistics import (
    EloEstimate,
    Sprt,
    SprtState,
    complete_pairs,
    estimate_elo,
    leading_pairs,
    pentanomial,
)


@dataclass(frozen=True, kw_only=True)
class SeriesSettings:
    """How the games of a match, a ladder or a tuning are played. Raises ConfigError for bad values."""

    FREE: ClassVar[tuple[str, ...]] = ()  # more settings that may differ when a series is resumed

    control: TimeControl  # for all, unless a contestant has its own
    openings: Sequence[str]  # in the form of `selfplay.matches.opening_book`, such as a FEN
    seed: int = 1  # of all draws, such as the order of the openings
    concurrency: int = 1
    longest: int = 400  # plies; a game that reaches it is a draw
    adjudication: Adjudication = field(default_factory=Adjudication)
    patience_s: float = 30.0  # see Rules
    chess960: bool = False

    def __post_init__(self) -> None:
        if self.concurrency < 1 or not self.openings:
            raise ConfigError("games need openings and a concurrency of at least 1")
        self.rules()  # raises for bad values

    def rules(self) -> Rules:
        """The rules of every game."""
        return Rules(self.longest, self.adjudication, self.patience_s, self.chess960)

    def description(self) -> dict[str, Any]:
        """The settings that must stay the same when a series is resumed, as JSON values."""
        free = (*self.FREE, "concurrency", "patience_s")
        return {key: value for key, value in self.resolved().items() if key not in free}

    def resolved(self) -> dict[str, Any]:
        """Every setting as JSON values. `openings` becomes their number, the first and the last one.

        Raises DataError where no opening can be read.
        """
        numbers = range(len(self.openings))
        first, last = (next(readable(self.openings, order)) for order in (numbers, reversed(numbers)))
        values = {
            one.name: asdict(value) if hasattr(value := getattr(self, one.name), "__dataclass_fields__") else value
            for one in fields(self)
        }
        return values | {"openings": {"count": len(self.openings), "first": first, "last": last}}


@dataclass(frozen=True, kw_only=True)
class MatchSettings(SeriesSettings):
    """Who plays, and the number of games."""

    FREE = ("games",)

    first: Contestant
    second: Contestant
    games: int  # even, as each opening is played with both colours; an SPRT may stop earlier
    sprt: Sprt | None = None  # ends the match when it reaches a decision
    first_to_move: bool = False  # play each opening once, the first engine with the side to move

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_to_move and self.sprt:
            raise ConfigError("a test between two engines needs each opening with both colours")
        if self.games < 2 - self.first_to_move or (self.games % 2 and not self.first_to_move):
            raise ConfigError(
                f"games: expected an even number of at least 2 (pairs with colours swapped), got {self.games}"
            )
        if self.first.name == self.second.name:
            raise ConfigError(f"both engines are called {self.first.name!r}: give one a name=")

    @property
    def warning(self) -> str:
        """What makes the games tell less than their number promises; empty for nothing."""
        controls = [one.control or self.control for one in (self.first, self.second)]
        needed, what = (self.games, "games") if self.first_to_move else (self.games // 2, "pairs")
        if needed <= len(self.openings) or not all(one.is_nodes_alone for one in controls):
            return ""
        return (
            f"{needed:,} {what} share {len(self.openings):,} openings, and only nodes limit the engines: with "
            "one thread each they play the same games again, and the intervals come out too narrow. Use more openings"
        )


@dataclass(frozen=True)
class MatchStanding:
    """A match's standing from the first engine's side. Elo comes from complete pairs; None when there are none."""

    wins: int
    draws: int
    losses: int
    pentanomial: tuple[int, ...]
    estimate: EloEstimate | None
    faults: dict[str, dict[str, int]]  # engine -> reason -> number of games
    copies: int = 0  # games that repeat an earlier one move by move: they count, but tell nothing
    sprt: SprtState | None = None

    @property
    def games(self) -> int:
        """Games played."""
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """The first engine's points divided by the games played, 0..1; 0 before the first game."""
        return (self.wins + self.draws / 2) / max(1, self.games)


def standing(rows: Sequence[GameRow], names: tuple[str, str], sprt: SprtState | None = None) -> MatchStanding:
    """The standing after the given games between the two engines."""
    points = {row.number: row.first_points for row in rows}
    values = list(points.values())
    counts = pentanomial(complete_pairs(points))
    whole = [(row.white, row.start_fen, row.uci) for row in rows if not row.offender]
    return MatchStanding(
        values.count(1.0), values.count(0.5), values.count(0.0), tuple(counts.tolist()),
        estimate_elo(counts) if counts.any() else None, count_faults(rows, names), len(whole) - len(set(whole)), sprt,
    )  # fmt: skip


def count_faults(rows: Iterable[GameRow], names: Iterable[str]) -> dict[str, dict[str, int]]:
    """Number of faults by engine and reason."""
    faults = {name: {str(reason): 0 for reason in FAULTS} for name in names}
    for row in rows:
        if row.offender:
            faults[row.offender][row.reason] += 1
    return faults


class Match:
    """A running match: plays games in order of their numbers until all are played or the SPRT decides."""

    def __init__(self, settings: MatchSettings, archive: MatchArchive) -> None:
        self.settings = settings
        self._archive = archive
        self._openings = OpeningOrder(settings.openings, settings.seed)
        self._numbers = [self._number_of(game) for game in range(settings.games)]
        self._missing = iter([number for number in self._numbers if number not in archive.rows])
        self._points = {number: row.first_points for number, row in archive.rows.items()}
        self._sprt = SprtState()
        self._follow()

    def play(self, report: Callable[[GameRow], None], stop: Callable[[], bool]) -> bool:
        """Play the missing games. Returns True when all are played or the SPRT decided, False when stopped."""
        settings = self.settings
        if not self.decided:
            play_schedule(self, settings.control, settings.rules(), settings.concurrency, self._archive, report, stop)
        return self.decided or all(number in self._archive.rows for number in self._numbers)

    def standing(self) -> MatchStanding:
        """The current standing."""
        names = self.settings.first.name, self.settings.second.name
        return standing(list(self._archive.rows.values()), names, self._sprt if self.settings.sprt else None)

    @property
    def decided(self) -> bool:
        """Whether the SPRT has decided."""
        return self._sprt.decision is not None

    @property
    def is_waiting(self) -> bool:
        """Never: no game depends on another's result."""
        return False

    def next_game(self) -> PlannedGame | None:
        """The next missing game."""
        number = next(self._missing, None)
        if number is None:
            return None
        return PlannedGame(number, self.settings.first, self.settings.second, self._openings[number // 2])

    def finish(self, row: GameRow) -> None:
        """Add a result to the SPRT."""
        self._points[row.number] = row.first_points
        self._follow()

    def _number_of(self, game: int) -> int:
        """The number of a game, which says who has White (`GameRow`)."""
        if not self.settings.first_to_move:
            return game
        return 2 * game + (opening_board(self._openings[game], self.settings.chess960).turn == chess.BLACK)

    def _follow(self) -> None:
        if self.settings.sprt is not None:
            self._sprt = self.settings.sprt.follow(leading_pairs(self._points), self._sprt)
