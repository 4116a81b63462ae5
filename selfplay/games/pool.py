"""Many games on one thread: together, with one leaf each in a batch, or in turn, inside a family's
kernel.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.board.makemove import push
from engine.native.pool import ThreadPool
from selfplay.games.seats import Seats
from selfplay.games.tree_player import KernelVisits, TreePlayer
from selfplay.interrupt import Stop, Take
from selfplay.records.endings import game_ending


class PooledGame(ABC):
    """A game that leaves the search to its pool, so that games can share batches.

    Attributes:
        number: which game of its phase it is.
        ply: plies played.
    """

    def __init__(self, number: int, start: np.ndarray, longest: int) -> None:
        """start: uint64[16]; from `longest` plies on the game is a draw."""
        self.number = number
        self.ply = 0
        self._longest = longest
        self._stack = np.zeros((longest + 2, ROW_WORDS), np.uint64)
        self._stack[0] = start
        self._ending = game_ending(start, 0, longest)

    @property
    def finished(self) -> bool:
        return self._ending is not None

    @property
    def evaluator(self) -> int:
        """Number of the evaluator that the side to move plays with."""
        return 0

    def sit_down(self, players: Sequence[TreePlayer]) -> None:
        """Empty the trees and begin the first move; `players` has one entry per evaluator, in the
        same order.
        """
        self._players = players
        for player in players:
            player.search.clear()
        if not self.finished:
            self._begin_move()

    @abstractmethod
    def make_move(self) -> None:
        """Play the move that the search of the side to move has found, and begin the next one."""

    @abstractmethod
    def record(self) -> Any:
        """Return what the finished game leaves."""

    @abstractmethod
    def _begin_move(self) -> None:
        """Begin the search of the side to move."""

    def _play(self, move: np.uint16) -> None:
        """Make a move and begin the next one."""
        push(self._stack, self.ply, move)
        self.ply += 1
        self._ending = game_ending(self._stack[self.ply], self.ply, self._longest)
        if not self.finished:
            self._begin_move()


class _Room:
    """Games that sit at the same tables, one table per evaluator, and share batches."""

    def __init__(self, tables: Sequence[Seats]) -> None:
        self.seated: dict[int, PooledGame] = {}
        self._tables = tables
        self._free = list(range(len(tables[0].players)))
        self._answers: Future[None] | None = None

    def fill(self, games: Iterator[PooledGame]) -> None:
        """Let new games begin in the free seats."""
        while self._free and (game := next(games, None)) is not None:
            seat = self._free.pop()
            self.seated[seat] = game
            game.sit_down([table.players[seat] for table in self._tables])

    def gather(self) -> None:
        """Search until each game waits for an evaluation or is over."""
        searching = [seat for seat, game in self.seated.items() if not game.finished]
        while searching:
            searching = _search_on(self.seated, searching, self._tables)

    def evaluate(self, pool: ThreadPool) -> None:
        """Evaluate the batches, on the pool's other thread if it has one."""
        if pool.threads > 1:
            self._answers = pool.start(self._evaluate)
        else:
            self._evaluate()

    def _evaluate(self) -> None:
        for table in self._tables:
            table.evaluate()

    def finished(self) -> Iterator[PooledGame]:
        """Wait for the answers, and let the games leave that are over."""
        if self._answers is not None:
            self._answers.result()
        for seat, game in list(self.seated.items()):
            if game.finished:
                self._free.append(seat)
                yield self.seated.pop(seat)


def play_games(
    games: Iterator[PooledGame],
    rooms: Sequence[Sequence[Seats]],
    finish: Take,
    stop: Stop,
) -> None:
    """Play as many games at a time as there are seats, and call `finish` with each game's record
    when it ends.

    A room is a sequence of tables, one per evaluator, in the same order. With several rooms, one
    gathers its leaves while another's are evaluated on a second thread. Stops between batches when
    asked. The other games in a batch do not affect a game, because evaluators return the same bits
    for a leaf in any batch.
    """
    places = list(map(_Room, rooms))
    with ThreadPool(min(2, len(places)), "evaluate") as pool:
        for room in itertools.cycle(places):
            if stop():
                return
            for game in room.finished():
                finish(game.record())
            room.fill(games)
            if not any(place.seated for place in places):
                return
            room.gather()
            room.evaluate(pool)


def _search_on(
    games: dict[int, PooledGame], seats: Sequence[int], tables: Sequence[Seats]
) -> list[int]:
    """Search in these seats until each waits for an evaluation. Returns the seats that paused and
    can resume.
    """
    paused = []
    for number, table in enumerate(tables):
        to_move = [seat for seat in seats if games[seat].evaluator == number]
        paused += [(seat, table) for seat in table.gather(to_move)]
    for seat, table in paused:
        if not table.players[seat].resume():
            games[seat].make_move()
    return [seat for seat, _ in paused if not games[seat].finished]


def play_in_turn(
    games: Iterator[PooledGame],
    tables: Sequence[Seats],
    kernels: Sequence[KernelVisits],
    finish: Take,
    stop: Stop,
) -> None:
    """Play the games in turn in seat 0. Without batches, games have nothing to share.

    Stops between moves when asked.
    """
    players = [table.players[0] for table in tables]
    while not stop() and (game := next(games, None)) is not None:
        game.sit_down(players)
        while not game.finished:
            if stop():
                return
            kernels[game.evaluator].search(players[game.evaluator])
            game.make_move()
        finish(game.record())
