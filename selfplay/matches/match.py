"""A match between two UCI engines: pairs of games with colours swapped, resumable, with an Elo estimate."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import chess
import chess.engine
import numpy as np

from engine.errors import ConfigError
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant, open_engine
from selfplay.matches.play import FAULTS, TimeControl, play_match_game
from selfplay.matches.statistics import EloEstimate, estimate_elo, pentanomial

__all__ = ["MatchSettings", "MatchStanding", "play_match", "standing"]


@dataclass(frozen=True)
class MatchSettings:
    """Who plays whom, how long and how often."""

    first: Contestant
    second: Contestant
    control: TimeControl
    games: int  # even: every opening is played with both colours
    openings: tuple[str, ...]  # FEN
    seed: int = 1  # of the order of the openings
    concurrency: int = 1
    longest: int = 400  # plies; then the game is a draw

    def __post_init__(self) -> None:
        if self.games < 2 or self.games % 2:
            raise ConfigError(
                f"games: expected an even number of at least 2 (pairs with colours swapped), got {self.games}"
            )
        if self.first.name == self.second.name:
            raise ConfigError(f"both engines are called {self.first.name!r}: give one a name=")
        if self.concurrency < 1 or self.longest < 1 or not self.openings:
            raise ConfigError("a match needs openings, a concurrency and a length limit of at least 1")

    def description(self) -> dict[str, object]:
        """What must stay the same for a match to be continued, as JSON values."""
        contestants = {"first": asdict(self.first), "second": asdict(self.second)}
        for contestant in contestants.values():
            contestant["command"] = list(contestant["command"])
            contestant["options"] = [list(option) for option in contestant["options"]]
        return {**contestants, "time_control": str(self.control), "seed": self.seed, "openings": len(self.openings)}


@dataclass(frozen=True)
class MatchStanding:
    """Where a match stands, from the first engine's side. Elo comes from complete pairs, None without one."""

    wins: int
    draws: int
    losses: int
    pentanomial: tuple[int, ...]
    estimate: EloEstimate | None
    faults: dict[str, dict[str, int]]  # by engine and reason: forfeits, illegal moves, crashes

    @property
    def games(self) -> int:
        """Games played."""
        return self.wins + self.draws + self.losses


def standing(rows: Sequence[GameRow], names: tuple[str, str]) -> MatchStanding:
    """The standing after the given games between the two engines."""
    points = {row.number: row.first_points for row in rows}
    values = list(points.values())
    pairs = [points[n] + points[n + 1] for n in points if n % 2 == 0 and n + 1 in points]
    counts = pentanomial(pairs)
    faults = {name: {str(reason): 0 for reason in FAULTS} for name in names}
    for row in rows:
        if row.offender:
            faults[row.offender][row.reason] += 1
    return MatchStanding(
        values.count(1.0), values.count(0.5), values.count(0.0), tuple(counts.tolist()),
        estimate_elo(counts) if pairs else None, faults,
    )  # fmt: skip


def play_match(
    settings: MatchSettings, archive: MatchArchive, report: Callable[[GameRow], None], stop: Callable[[], bool]
) -> bool:
    """Play the games the archive does not have; True when all are played, False when stopped.

    Every worker keeps its two processes from game to game; one that crashed or hung is started again.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(settings.games):
        if number not in archive.rows:
            waiting.put(number)
    lock = threading.Lock()
    failed = threading.Event()

    def work() -> None:
        table = _Table(settings)
        try:
            while not stop() and not failed.is_set():
                number = waiting.get_nowait()
                row = table.play(number, lambda: stop() or failed.is_set())
                if row is not None:
                    with lock:
                        archive.add(row)
                        report(row)
        except queue.Empty:
            return
        except BaseException:
            failed.set()
            raise
        finally:
            table.close()

    with ThreadPoolExecutor(settings.concurrency, "match") as pool:
        for future in [pool.submit(work) for _ in range(settings.concurrency)]:
            future.result()
    return len([number for number in range(settings.games) if number in archive.rows]) == settings.games


class _Table:
    """Two engine processes that play one game after another."""

    def __init__(self, settings: MatchSettings) -> None:
        self._settings = settings
        self._engines: dict[str, chess.engine.SimpleEngine] = {}
        self._order = np.random.default_rng(settings.seed).permutation(len(settings.openings))

    def play(self, number: int, stop: Callable[[], bool]) -> GameRow | None:
        """The game of that number; None when stopped before its end."""
        settings = self._settings
        fen = settings.openings[self._order[number // 2 % len(self._order)]]
        pair = (settings.first, settings.second)
        white, black = pair if number % 2 == 0 else pair[::-1]
        engines = {chess.WHITE: self._engine(white), chess.BLACK: self._engine(black)}
        game = play_match_game(chess.Board(fen), engines, settings.control, settings.longest, (id(self), number), stop)
        if game is None:
            return None
        offender = "" if game.offender is None else (white if game.offender == chess.WHITE else black).name
        if game.reason in FAULTS:
            self._engines.pop(offender).close()
        return GameRow(
            number, white.name, black.name, game.start_fen, " ".join(move.uci() for move in game.moves), game.result,
            str(game.reason), offender, game.detail, (round(game.slowest_ms[0], 1), round(game.slowest_ms[1], 1)),
        )  # fmt: skip

    def _engine(self, contestant: Contestant) -> chess.engine.SimpleEngine:
        if contestant.name not in self._engines:
            self._engines[contestant.name] = open_engine(contestant)
        return self._engines[contestant.name]

    def close(self) -> None:
        """End the processes."""
        for engine in self._engines.values():
            engine.close()
