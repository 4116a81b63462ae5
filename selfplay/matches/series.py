"""Play several games between UCI engines at once: a series picks the next game, a slot plays
it.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import chess
import chess.engine

from engine.errors import ConfigError, RunError
from engine.options.settings import setting
from selfplay.interrupt import Stop
from selfplay.matches.archive import GAMES_FILE, GameRow, MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_process import close_engine, open_engine, set_virtual_time
from selfplay.matches.match_game import Rules, SeatedEngine, play_match_game
from selfplay.matches.opening_book import OpeningOrder, opening_board, readable
from selfplay.threads import share_out


@dataclass(frozen=True)
class PlannedGame:
    """A game to play. Its number means the same as in GameRow."""

    number: int
    first: Contestant
    second: Contestant
    opening: str

    @property
    def colours(self) -> dict[chess.Color, Contestant]:
        """The contestants by colour. The first has White in even-numbered games."""
        if self.number % 2:
            return {chess.WHITE: self.second, chess.BLACK: self.first}
        return {chess.WHITE: self.first, chess.BLACK: self.second}


@dataclass(frozen=True, kw_only=True)
class SeriesSettings(Rules):
    """How the games of a match or a gauntlet are played."""

    FREE: ClassVar[tuple[str, ...]] = ()  # more settings that may differ when a series is resumed

    control: TimeControl  # for all, unless a contestant has its own
    openings: Sequence[str]  # in the form of `selfplay.matches.opening_book`, such as a FEN
    seed: int = setting(1, "shuffle the openings with this random seed", least=0)
    concurrency: int = setting(1, "play this many games at once", least=1)

    @property
    def contestants(self) -> tuple[Contestant, ...]:
        """Who plays, as far as the settings tell."""
        return ()

    def description(self) -> dict[str, Any]:
        """Return the settings that must stay the same when a series is resumed, as JSON values."""
        free = (*self.FREE, "concurrency", "patience_s")
        return {key: value for key, value in self.resolved().items() if key not in free}

    def resolved(self) -> dict[str, Any]:
        """Every setting as JSON values. `openings` becomes their number, the first and the last
        one.

        Raises DataError where no opening can be read.
        """
        numbers = range(len(self.openings))
        openings = {
            "count": len(self.openings),
            "first": next(readable(self.openings, numbers)),
            "last": next(readable(self.openings, reversed(numbers))),
        }
        values = {name: _plain(value) for name, value in vars(self).items()}
        files = list(chain(*map(Contestant.marks, self.contestants)))
        return values | {"openings": openings, "files": files}


@dataclass(frozen=True, kw_only=True)
class NumberedSettings(SeriesSettings):
    """How a known number of games is played; a resumed series may have another number."""

    FREE: ClassVar[tuple[str, ...]] = ("games",)

    games: int  # even, as each opening is played with both colours; fewer where it is decided

    @property
    def most_games(self) -> int:
        return self.games


def _plain(value: Any) -> Any:
    """Return a setting as JSON values."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value


def check_even(games: int) -> None:
    """Raise ConfigError for a number of games that are no pairs with colours swapped."""
    if games < 2 or games % 2:
        raise ConfigError(
            f"games: expected an even number of at least 2 (pairs with colours swapped), got {games}"
        )


class Series(ABC):
    """Games that are played for one purpose and kept in a folder; what is missing there is played.

    Only one thread at a time calls what chooses the games.

    Attributes:
        decided: whether no more games are needed. If so, games still running are abandoned.
    """

    decided = False

    def __init__(self, settings: SeriesSettings, archive: MatchArchive) -> None:
        self.settings = settings
        self._archive = archive
        self._openings = OpeningOrder(
            settings.openings, settings.seed, settings.chess960, settings.longest
        )

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether all games are played."""

    @abstractmethod
    def next_game(self) -> PlannedGame | None:
        """Return the next game, or None when no game is left."""

    def finish(self, row: GameRow) -> None:
        """Take note of a finished game, which is in the archive."""
        return

    def play(self, report: Callable[[GameRow], None], stop: Stop) -> bool:
        """Play the missing games, several at once. Returns True when all are played or it is
        decided, False if stopped.

        Every finished game is archived before `finish` and `report` hear of it. The first error of
        a slot stops the others and is raised here.
        """

        def work(
            slot: _GameSlot, game: PlannedGame, give: Callable[[GameRow], None], halted: Stop
        ) -> None:
            if (row := slot.play(game, halted)) is not None:
                give(row)

        def take(row: GameRow) -> None:
            self._archive.add(row)
            self.finish(row)
            report(row)

        if not self.decided:
            share_out(
                iter(self.next_game, None), self.settings.concurrency, "slot",
                lambda: _GameSlot(self.settings, self._archive.folder), work, take, lambda: stop() or self.decided,
            )  # fmt: skip
        return self.decided or self.is_complete


class NumberedSeries(Series):
    """A series whose games are played in the order of their numbers, which tell who plays.

    Raises RunError for a game in the archive that others played.
    """

    settings: NumberedSettings

    def __init__(self, settings: NumberedSettings, archive: MatchArchive) -> None:
        super().__init__(settings, archive)
        for row in archive.rows.values():
            expected = tuple(contestant.name for contestant in self._players(row.number))
            if row.players != expected:
                between = " and ".join(sorted(expected))
                path = archive.folder / GAMES_FILE
                raise RunError(f"{path}: game {row.number} is not between {between}")
        self._missing = (number for number in self._numbers() if number not in archive.rows)

    @abstractmethod
    def _players(self, number: int) -> tuple[Contestant, Contestant]:
        """Return the first engine and the second."""

    def _numbers(self) -> Iterable[int]:
        """Return the numbers of the games, each of which says who has White (`GameRow`)."""
        return range(self.settings.most_games)

    def _opening(self, number: int) -> str:
        return self._openings[number // 2]

    @property
    def is_complete(self) -> bool:
        return all(number in self._archive.rows for number in self._numbers())

    def next_game(self) -> PlannedGame | None:
        number = next(self._missing, None)
        if number is None:
            return None
        return PlannedGame(number, *self._players(number), self._opening(number))


class _GameSlot:
    """Two engine processes that play game after game. An engine that was at fault is restarted."""

    def __init__(self, settings: SeriesSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder  # the engines' stderr is stored here
        self._engines: dict[Contestant, chess.engine.SimpleEngine] = {}

    def play(self, planned: PlannedGame, stop: Stop) -> GameRow | None:
        """Play the game. Returns None when stopped before its end."""
        colours = planned.colours
        self._close_others(set(colours.values()))
        players = {colour: self._player(contestant) for colour, contestant in colours.items()}
        start = opening_board(planned.opening, self._settings.chess960)
        date = time.strftime("%Y.%m.%d")
        game = play_match_game(start, players, self._settings, stop)
        if game is None:
            return None
        offender = ""
        if game.offender is not None:
            offender = colours[game.offender].name
            close_engine(self._engines.pop(colours[game.offender]), force=True)
        white, black = colours[chess.WHITE], colours[chess.BLACK]
        return GameRow(
            planned.number, white.name, black.name, game.start_fen, " ".join(map(chess.Move.uci, game.moves)),
            game.result, str(game.reason), offender, game.detail,
            (round(game.slowest_ms[0], 1), round(game.slowest_ms[1], 1)), tuple(game.thoughts),
            (str(players[chess.WHITE].control), str(players[chess.BLACK].control)), self._settings.chess960, date,
        )  # fmt: skip

    def _player(self, contestant: Contestant) -> SeatedEngine:
        control = contestant.control_in(self._settings.control)
        if contestant not in self._engines:
            engine = open_engine(contestant, self._folder / "stderr.log")
            self._engines[contestant] = engine
            if control.nodes_per_ms:
                set_virtual_time(engine, contestant, control.nodes_per_ms)
        engine = self._engines[contestant]
        if self._settings.chess960 and "UCI_Chess960" not in engine.protocol.options:
            raise ConfigError(
                f"{contestant.name} plays no Chess960: it has no UCI option 'UCI_Chess960'"
            )
        return SeatedEngine(engine, control)

    def _close_others(self, needed: set[Contestant]) -> None:
        for contestant in set(self._engines) - needed:
            close_engine(self._engines.pop(contestant))

    def close(self) -> None:
        self._close_others(set())
