"""Self-play of one generation without the run folder: a worker's task and how it plays.

A game depends only on the task and the game's number, never on other games, the thread, the process or the machine
that plays it. So any number of workers may share the numbers, and a replayed lost game comes out the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chess
import numpy as np

from engine.board.convert import row_from_board
from engine.evaluation import make_evaluator
from engine.search.params import SearchParams
from selfplay.games.game_settings import GameSettings
from selfplay.games.seats import Seating
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.records.game import SelfPlayRecord
from selfplay.run.actors import play_with_actors

__all__ = ["GenerationTask", "PlayBackend", "play_numbers"]

OPENING_STREAM = 0x0BE7  # separates the choice of openings from the games' own random numbers
CHESS960_STARTS = 960


@dataclass(frozen=True)
class GenerationTask:
    """Everything that the games of a generation depend on; picklable.

    Attributes:
        seed, generation: with a game's number, the seed of its random numbers.
        settings: how the games are played.
        net: `.dit` file of the network that plays, where this process finds it.
        openings: uint64[n, 16] start rows to draw from.
        start: uint64[16], the start row of the other games.
    """

    seed: int
    generation: int
    settings: GameSettings
    net: Path
    openings: np.ndarray
    start: np.ndarray

    def new_game(self, number: int) -> SelfPlayGame:
        """The game of that number, at its beginning."""
        rng = np.random.default_rng([self.seed, self.generation, number, OPENING_STREAM])
        row = self.start
        if rng.random() < self.settings.opening_share:
            row = self.openings[rng.integers(len(self.openings))]
        elif rng.random() < self.settings.chess960_share:
            row = row_from_board(chess.Board.from_chess960_pos(int(rng.integers(CHESS960_STARTS))))
        return SelfPlayGame(row, self.settings, self.seed, self.generation, number)


PlayBackend = Callable[
    [GenerationTask, Sequence[int], Callable[[SelfPlayRecord], None], Callable[[], bool]],
    None,
]
"""Plays the games of these numbers and hands each record over, by one thread at a time; returns early when asked to
stop, with the games in flight given up."""


def play_numbers(
    task: GenerationTask,
    numbers: Iterable[int],
    finish: Callable[[SelfPlayRecord], None],
    stop: Callable[[], bool],
    threads: int,
) -> None:
    """Play the games of these numbers in this process; `finish` gets each record as its game ends.

    Numbers that are no sequence are drawn one at a time, as games end and leave room for others.
    """
    settings = task.settings
    share = -(-len(numbers) // threads) if isinstance(numbers, Sequence) else settings.concurrent
    games: Iterator[SelfPlayGame] = (task.new_game(number) for number in numbers)
    play_with_actors(
        games,
        lambda: [make_evaluator("network", task.net, threads=1, backend=settings.backend)],
        threads,
        Seating(
            games=min(settings.concurrent, max(1, share)),
            params=SearchParams(decide_root=settings.gumbel == 0, mate_moves=1),
            visits=max(settings.visits, settings.fast_visits),
            plies=settings.longest,
        ),
        lambda game: finish(game.record()),
        stop,
    )
