"""A match between two UCI engines: pairs of games with colours swapped, resumable, with an Elo
estimate or an SPRT.

Its text is one line per game, and a summary.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import chess

from engine.errors import ConfigError
from selfplay.matches import statistics
from selfplay.matches.archive import GameRow, MatchArchive, points_of
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.match_game import FAULTS
from selfplay.matches.opening_book import opening_board
from selfplay.matches.series import NumberedSeries, NumberedSettings, check_even
from selfplay.matches.statistics import EloEstimate, Sprt, SprtState, leading_pairs


@dataclass(frozen=True, kw_only=True)
class MatchSettings(NumberedSettings):
    """The engines that play, and the number of games."""

    first: Contestant
    second: Contestant
    sprt: Sprt | None = None  # ends the match when it reaches a decision
    first_to_move: bool = False  # play each opening once, the first engine with the side to move

    def __post_init__(self) -> None:
        super().__post_init__()
        games = self.games
        if self.first_to_move:
            games *= 2  # the numbers of those with the other colours are left out
        if self.first_to_move and self.sprt:
            raise ConfigError("a test between two engines needs each opening with both colours")
        check_even(games)
        if self.first.name == self.second.name:
            raise ConfigError(f"both engines are called {self.first.name!r}: give one a name=")

    @property
    def contestants(self) -> tuple[Contestant, Contestant]:
        return self.first, self.second

    @property
    def names(self) -> tuple[str, str]:
        return self.first.name, self.second.name

    @property
    def controls(self) -> tuple[TimeControl, TimeControl]:
        """The engines' time controls."""
        return self.first.control_in(self.control), self.second.control_in(self.control)

    @property
    def warning(self) -> str:
        """What makes the games tell less than their number promises; empty for nothing."""
        needed, what = (self.games, "games") if self.first_to_move else (self.games // 2, "pairs")
        if needed <= len(self.openings) or any(control.allowed_s(1.0) for control in self.controls):
            return ""
        return (
            f"{needed:,} {what} share {len(self.openings):,} openings, and only nodes limit the engines: with "
            "one thread each they play the same games again, and the intervals come out too narrow. Use more openings"
        )


@dataclass(frozen=True)
class MatchStanding:
    """A match's standing from the first engine's side. Elo comes from complete pairs; None when
    there are none.
    """

    wins: int
    draws: int
    losses: int
    pentanomial: tuple[int, ...]
    estimate: EloEstimate | None
    faults: dict[str, dict[str, int]]  # engine -> reason -> number of games
    copies: int = 0  # games that repeat an earlier one move by move: they count, but tell nothing
    twins: int = 0  # pairs of games with the same moves, which score 50%: they tell nothing either
    sprt: SprtState | None = None

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """The first engine's points divided by the games played, 0..1; 0 before the first game."""
        return (self.wins + self.draws / 2) / max(1, self.games)


def standing(
    rows: Sequence[GameRow], names: tuple[str, str], sprt: SprtState | None = None
) -> MatchStanding:
    """Return the standing after the given games between the two engines."""
    points = points_of(rows)
    games_with = Counter(points.values())
    pairs = statistics.pentanomial(statistics.complete_pairs(points).values())
    estimate = statistics.estimate_elo(pairs) if pairs.any() else None
    faultless = [row for row in rows if not row.offender]
    return MatchStanding(
        wins=games_with[1.0],
        draws=games_with[0.5],
        losses=games_with[0.0],
        pentanomial=tuple(pairs.tolist()),
        estimate=estimate,
        faults=count_faults(rows, names),
        copies=count_copies(faultless),
        twins=count_twins(faultless),
        sprt=sprt,
    )


def count_copies(rows: Sequence[GameRow]) -> int:
    """Return how many games repeat an earlier one move by move."""
    return len(rows) - len({(row.white, row.start_fen, row.uci) for row in rows})


def count_twins(rows: Sequence[GameRow]) -> int:
    """Return how many pairs have the same moves and result in both games."""
    games = {row.number: (row.start_fen, row.uci, row.result) for row in rows}
    return sum(games[first] == games.get(first + 1) for first in games if first % 2 == 0)


def count_faults(rows: Iterable[GameRow], names: Iterable[str]) -> dict[str, dict[str, int]]:
    faults = {name: dict.fromkeys(map(str, FAULTS), 0) for name in names}
    for row in rows:
        if row.offender:
            faults[row.offender][row.reason] += 1
    return faults


class Match(NumberedSeries):
    """A running match: plays games in order of their numbers until all are played or the SPRT
    decides.
    """

    settings: MatchSettings

    def __init__(self, settings: MatchSettings, archive: MatchArchive) -> None:
        super().__init__(settings, archive)
        self._sprt: SprtState | None = None
        self._follow()

    def standing(self) -> MatchStanding:
        return standing(list(self._archive.rows.values()), self.settings.names, self._sprt)

    def finish(self, row: GameRow) -> None:
        """Add a result to the SPRT."""
        self._follow()

    def _players(self, number: int) -> tuple[Contestant, Contestant]:
        return self.settings.contestants

    def _numbers(self) -> Iterator[int]:
        for game in range(self.settings.games):
            if self.settings.first_to_move:
                game = 2 * game + (
                    opening_board(self._openings[game], self.settings.chess960).turn == chess.BLACK
                )
            yield game

    def _follow(self) -> None:
        if self.settings.sprt is not None:
            pairs = leading_pairs(points_of(self._archive.rows.values()))
            self._sprt = self.settings.sprt.follow(pairs, self._sprt)
            self.decided = self._sprt.decision is not None


def score_text(now: MatchStanding, test: Sprt | None = None) -> str:
    """Wins, draws, losses and score so far, and what a test says of them."""
    text = f"+{now.wins} ={now.draws} -{now.losses} ({now.score:.1%})"
    if test is not None:
        text += f"  {sprt_text(now, test)}"
    return text


def game_line(row: GameRow, behind: str) -> str:
    """One line for a finished game, followed by the caller's text `behind`."""
    reason = row.reason
    if row.offender:
        reason += f" by {row.offender}: {row.detail}"
    how = f"{reason}, {len(row.uci.split())} plies"
    return f"game {row.number + 1}: {row.white} - {row.black} {row.result} ({how})  {behind}"


def sprt_text(now: MatchStanding, test: Sprt) -> str:
    """Return the test's hypotheses, its log-likelihood ratio with both bounds, and its decision."""
    assert now.sprt is not None
    reject, accept = test.bounds
    verdict = {
        None: "undecided",
        True: f"elo1 = {test.elo1:g} accepted",
        False: f"elo0 = {test.elo0:g} accepted",
    }
    return (
        f"SPRT [{test.elo0:g}, {test.elo1:g}] alpha {test.alpha:g} beta {test.beta:g}: "
        f"LLR {now.sprt.llr:+.2f} ({reject:.2f}, {accept:.2f}) after {sum(now.sprt.pentanomial)} pairs, "
        f"{verdict[now.sprt.decision]}"
    )


def fault_lines(faults: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line of faults per engine, even for an engine without faults."""
    lines = []
    for name, counts in faults.items():
        numbers = (f"{reason} {count}" for reason, count in counts.items())
        lines.append(f"  {name}: {', '.join(numbers)}")
    return lines


def standing_lines(
    now: MatchStanding, names: tuple[str, str], control: object, test: Sprt | None = None
) -> list[str]:
    """Return the summary: score and Elo with 95% intervals, the SPRT, and every engine's faults."""
    lines = [f"{names[0]} against {names[1]}, {now.games} games at {control}: {score_text(now)}"]
    if (e := now.estimate) is not None:
        lines.append(
            f"  score {e.score:.1%} [{e.score_low:.1%}, {e.score_high:.1%}], Elo {e.elo:+.0f} [{e.elo_low:+.0f}, "
            f"{e.elo_high:+.0f}], LOS {e.los:.1%} (95%, {e.pairs} pairs {list(now.pentanomial)})"
        )
    if test is not None:
        lines.append(f"  {sprt_text(now, test)}")
    if now.copies:
        lines.append(
            f"  {now.copies:,} games repeat an earlier one move by move: the intervals are too narrow"
        )
    if now.twins:
        pairs = f"in {now.twins:,} of {sum(now.pentanomial):,} pairs"
        lines.append(
            f"  {pairs} both games have the same moves and split the points, as of one program against itself"
        )
    return lines + fault_lines(now.faults)


def match_json(now: MatchStanding) -> dict[str, Any]:
    """Return the standing as JSON values."""
    return asdict(now) | {"games": now.games, "score": now.score}
