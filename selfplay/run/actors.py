"""Threads that play: each has its own evaluators and games, and takes its next game from a shared list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from engine.evaluation.protocol import Evaluator, InKernelEvaluator
from selfplay.games.player import KernelVisits
from selfplay.games.pool import PooledGame, play_games, play_in_turn
from selfplay.games.seats import Seating, Seats
from selfplay.threads import run_on_threads

__all__ = ["play_with_actors"]

Game = TypeVar("Game", bound=PooledGame)


class _SharedIterator(Generic[Game]):
    """An iterator that several threads may draw from."""

    def __init__(self, games: Iterator[Game]) -> None:
        self._games = games
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Game]:
        return self

    def __next__(self) -> Game:
        with self._lock:
            return next(self._games)


def play_with_actors(
    games: Iterator[Game],
    new_evaluators: Callable[[], Sequence[Evaluator]],
    actors: int,
    seating: Seating,
    finish: Callable[[Game], None],
    stop: Callable[[], bool],
) -> None:
    """Play all games on `actors` threads; `finish` is called by one thread at a time.

    An actor has as many games at once as it has seats, or one game where all evaluators work inside kernels.

    The first error of an actor stops the others and is raised here.
    """
    shared = _SharedIterator(games)
    finishing = threading.Lock()

    def finish_one(game: Game) -> None:
        with finishing:
            finish(game)

    def act(halted: Callable[[], bool]) -> None:
        evaluators = new_evaluators()
        kernels = [KernelVisits(one) for one in evaluators if isinstance(one, InKernelEvaluator)]
        in_turn = len(kernels) == len(evaluators)
        tables = [Seats(one, replace(seating, games=1) if in_turn else seating) for one in evaluators]
        try:
            if in_turn:
                play_in_turn(shared, tables, kernels, finish_one, halted)
            else:
                play_games(shared, tables, finish_one, halted)
        finally:
            for evaluator in evaluators:
                evaluator.close()

    run_on_threads(actors, "actor", act, stop)
