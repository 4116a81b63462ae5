"""Threads that play: each has its own evaluators and games, all take the next game from one list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from engine.evaluation.protocol import Evaluator
from selfplay.games.pool import PooledGame, play_games

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
    concurrent: int,
    finish: Callable[[Game], None],
    stop: Callable[[], bool],
) -> None:
    """Play all games on `actors` threads with `concurrent` games each; `finish` is called by one thread at a time.

    The first error of an actor stops the others and is raised here.
    """
    shared = _SharedIterator(games)
    finishing = threading.Lock()
    failed = threading.Event()

    def finish_one(game: Game) -> None:
        with finishing:
            finish(game)

    def act() -> None:
        evaluators = new_evaluators()
        try:
            play_games(shared, evaluators, concurrent, finish_one, lambda: failed.is_set() or stop())
        except BaseException:
            failed.set()
            raise
        finally:
            for evaluator in evaluators:
                evaluator.close()

    with ThreadPoolExecutor(actors, "actor") as pool:
        for future in [pool.submit(act) for _ in range(actors)]:
            future.result()
