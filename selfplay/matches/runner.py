"""Play several games between UCI engines at once: a schedule picks the next game, a table plays it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import chess
import chess.engine

from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import Contestant, close_engine, open_engine, set_options
from selfplay.matches.control import TimeControl
from selfplay.matches.opening_book import opening_board
from selfplay.matches.play import Player, Rules, play_match_game
from selfplay.threads import run_on_threads

LOOK_AGAIN_S = 0.5  # A table without a game looks this often whether the match was stopped.


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
        pair = (self.first, self.second) if self.number % 2 == 0 else (self.second, self.first)
        return dict(zip((chess.WHITE, chess.BLACK), pair, strict=True))


class Schedule(Protocol):
    """Decides which games are played. Only one thread at a time may call it."""

    @property
    def decided(self) -> bool:
        """Whether no more games are needed. If so, games still running are abandoned."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether there will be a next game once others have finished, although there is none yet."""
        ...

    def next_game(self) -> PlannedGame | None:
        """The next game, or None when no game is left, or none yet."""
        ...

    def finish(self, row: GameRow) -> None:
        """Record a finished game."""
        ...


def play_schedule(
    schedule: Schedule,
    control: TimeControl,
    rules: Rules,
    concurrency: int,
    archive: MatchArchive,
    report: Callable[[GameRow], None],
    stop: Callable[[], bool],
) -> None:
    """Play the schedule's games, `concurrency` at once, until it is decided or empty, or until stopped.

    Every finished game is archived before the schedule and `report` hear of it. The first error of a table stops the
    others and is raised here.
    """
    lock = threading.Condition()

    def next_game(halted: Callable[[], bool]) -> PlannedGame | None:
        while (game := schedule.next_game()) is None and schedule.is_waiting and not halted():
            lock.wait(LOOK_AGAIN_S)
        return game

    def work(halted: Callable[[], bool]) -> None:
        table = _Table(control, rules, archive.folder)
        try:
            while not halted():
                with lock:
                    game = next_game(halted)
                row = None if game is None else table.play(game, halted)
                if row is None:
                    return
                with lock:
                    archive.add(row)
                    schedule.finish(row)
                    report(row)
                    lock.notify_all()
        finally:
            table.close()

    run_on_threads(concurrency, "table", work, lambda: stop() or schedule.decided)


class _Table:
    """Two engine processes that play game after game. An engine that was at fault is restarted.

    A contestant that differs from an earlier one only in the values of its options keeps that one's process.
    """

    def __init__(self, control: TimeControl, rules: Rules, folder: Path) -> None:
        self._control = control
        self._rules = rules
        self._folder = folder  # the engines' stderr is stored here
        self._engines: dict[Contestant, chess.engine.SimpleEngine] = {}

    def play(self, planned: PlannedGame, stop: Callable[[], bool]) -> GameRow | None:
        """Play the game. Returns None when stopped before its end."""
        colours = planned.colours
        self._close_others(set(colours.values()))
        players = {colour: self._player(contestant) for colour, contestant in colours.items()}
        start = opening_board(planned.opening, self._rules.chess960)
        game = play_match_game(start, players, self._rules, stop)
        if game is None:
            return None
        offender = None if game.offender is None else colours[game.offender]
        if offender is not None:
            close_engine(self._engines.pop(offender), force=True)
        white, black = colours[chess.WHITE], colours[chess.BLACK]
        return GameRow(
            planned.number, white.name, black.name, game.start_fen, " ".join(move.uci() for move in game.moves),
            game.result, str(game.reason), "" if offender is None else offender.name, game.detail,
            (round(game.slowest_ms[0], 1), round(game.slowest_ms[1], 1)), tuple(game.thoughts),
            (str(players[chess.WHITE].control), str(players[chess.BLACK].control)), self._rules.chess960,
        )  # fmt: skip

    def _player(self, contestant: Contestant) -> Player:
        if contestant not in self._engines:
            self._engines[contestant] = self._with_other_values(contestant) or self._open(contestant)
        return Player(self._engines[contestant], contestant.control or self._control)

    def _open(self, contestant: Contestant) -> chess.engine.SimpleEngine:
        return open_engine(contestant, self._folder / "stderr.log")

    def _with_other_values(self, contestant: Contestant) -> chess.engine.SimpleEngine | None:
        """The engine of such a contestant, with the values of this one; None if there is none alive."""
        like = next((other for other in self._engines if _differ_in_values(other, contestant)), None)
        if like is None:
            return None
        engine = self._engines.pop(like)
        if engine.returncode.done():
            close_engine(engine, force=True)
            return None
        try:
            set_options(engine, contestant, sorted(set(contestant.options) - set(like.options)))
        except BaseException:
            close_engine(engine, force=True)
            raise
        return engine

    def _close_others(self, needed: set[Contestant]) -> None:
        for contestant in set(self._engines) - needed:
            if not any(_differ_in_values(contestant, other) for other in needed):
                close_engine(self._engines.pop(contestant))

    def close(self) -> None:
        """End both engine processes."""
        self._close_others(set())


def _differ_in_values(one: Contestant, other: Contestant) -> bool:
    """Whether two contestants are one engine with the same options, of which some have other values."""
    names = [[name for name, _ in contestant.options] for contestant in (one, other)]
    return one != other and names[0] == names[1] and replace(one, options=other.options) == other
