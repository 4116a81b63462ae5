"""The games of a generation's phase without the run folder: a worker's task and how it plays.

A game depends only on the task and the game's number, never on other games, the process or the
machine that plays it. So any number of workers may share the numbers, and a replayed lost game
comes out the same.
"""

import functools
import itertools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import chess
import numpy as np

from engine.backend import NUMPY, get_backend
from engine.board.convert import row_from_board
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, is_elsewhere, news_of
from engine.native.blas import one_blas_thread
from selfplay.families.by_name import family_of
from selfplay.families.planes.custom import is_custom
from selfplay.games.game_settings import GameSettings, SearchSettings
from selfplay.games.pool import PooledGame, play_games, play_in_turn
from selfplay.games.seats import Seating, Seats, game_params
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.games.tree_player import KernelVisits
from selfplay.interrupt import Stop, Take, Tell
from selfplay.matches.opening_book import OpeningRows

GAMES_AT_ONCE = 32  # default of games.concurrent
GAMES_ON_DEVICE = 512  # a GPU is fast with large batches only
OPENING_STREAM = 0x0BE7  # separates the choice of openings from the games' own random numbers
CHESS960_STARTS = 960


@functools.cache
def usual_start() -> np.ndarray:
    """Return the start row of games without an opening."""
    return row_from_board(chess.Board())


@dataclass(frozen=True)
class PlayTask(ABC):
    """Everything that the games of a phase depend on; picklable."""

    seed: int
    generation: int  # with `seed` and a game's number, the seed of its random numbers
    # How self-play games are played; of the gate, how many games at once and by which backend.
    settings: GameSettings
    nets: tuple[Path, ...]  # `.dit` files of the networks that play, where this process finds them
    openings: OpeningRows  # to choose from
    # What the run trains, which may be a class of one's own.
    net: str = field(default="", kw_only=True)
    # Constants of the search.
    search: SearchSettings = field(default_factory=SearchSettings, kw_only=True)

    @abstractmethod
    def new_game(self, number: int) -> PooledGame:
        """Return the game of that number, at its beginning."""

    @abstractmethod
    def seating(self) -> Seating:
        """How many games are played at once, and their limits."""

    @abstractmethod
    def shortest(self) -> Self:
        """Return the task with games of hardly a move, to load the networks and the kernels."""


@dataclass(frozen=True)
class GenerationTask(PlayTask):
    """Self-play games."""

    def new_game(self, number: int) -> SelfPlayGame:
        rng = np.random.default_rng([self.seed, self.generation, number, OPENING_STREAM])
        row = usual_start()
        if rng.random() < self.settings.opening_share:
            row = self.openings[rng.integers(len(self.openings))]
        elif rng.random() < self.settings.chess960_share:
            row = row_from_board(chess.Board.from_chess960_pos(int(rng.integers(CHESS960_STARTS))))
        return SelfPlayGame(row, self.settings, self.seed, self.generation, number)

    def seating(self) -> Seating:
        visits = max(self.settings.visits, self.settings.fast_visits)
        return Seating(
            self.settings.concurrent, game_params(self.search), visits, self.settings.longest
        )

    def shortest(self) -> Self:
        return replace(self, settings=replace(self.settings, visits=2, fast_visits=2, longest=2))


PlayBackend = Callable[[PlayTask, Sequence[int], Take, Stop], None]
"""Plays the games of these numbers and hands each record over, one at a time; returns early when
asked to stop, with the games in flight given up."""


def uses_gpu(task: PlayTask) -> bool:
    """Whether the games are to be played on a GPU, as far as this machine can tell."""
    backend = task.settings.backend
    if backend == "numpy" or not task.net or not family_of(task.net).runs_on_gpu:
        return False
    return backend == "cupy" or get_backend(backend) is not NUMPY


def shared_task(task: PlayTask, games: int, workers: int) -> PlayTask:
    """Return the task for one of so many workers: it has no more games at once than its share of
    them.
    """
    most = task.settings.concurrent or (GAMES_ON_DEVICE if uses_gpu(task) else GAMES_AT_ONCE)
    concurrent = min(most, max(1, -(-games // workers)))
    return replace(task, settings=replace(task.settings, concurrent=concurrent))


def play_numbers(
    task: PlayTask,
    numbers: Iterable[int],
    finish: Take,
    stop: Stop,
    tell: Tell = lambda text: None,
) -> None:
    """Make the PlayBackend of the calling thread: many games at once, or one where all evaluators
    work in kernels.

    Numbers that are no sequence are taken one at a time, as games end and leave room for others.
    `tell` gets what the evaluators have to say, such as that a GPU failed.
    """
    count = sys.maxsize
    if isinstance(numbers, Sequence):
        count = len(numbers)
    task = shared_task(task, count, 1)
    evaluators = _evaluators(task)
    games = map(task.new_game, numbers)
    kernels = [
        KernelVisits(evaluator)
        for evaluator in evaluators
        if isinstance(evaluator, InKernelEvaluator)
    ]
    in_turn = len(kernels) == len(evaluators)
    seating = task.seating()
    if in_turn:
        seating = replace(seating, games=1)
    rooms = _rooms(evaluators, seating)

    def stops() -> bool:
        for text in itertools.chain.from_iterable(map(news_of, evaluators)):
            tell(text)
        return stop()

    try:
        if in_turn:
            play_in_turn(games, rooms[0], kernels, finish, stops)
        else:
            # There is a worker for each processor, so the products of a network of one's own get
            # one thread each.
            with one_blas_thread:
                play_games(games, rooms, finish, stops)
    finally:
        stops()
        for evaluator in evaluators:
            evaluator.close()


def _evaluators(task: PlayTask) -> list[Evaluator]:
    """Return an evaluator for each network of a task."""
    name = task.net if is_custom(task.net) else "network"
    return [
        make_evaluator(name, net, threads=1, backend=task.settings.backend) for net in task.nets
    ]


def _rooms(evaluators: Sequence[Evaluator], seating: Seating) -> list[list[Seats]]:
    """Return rooms for so many games, with a table for each evaluator: two where a GPU evaluates
    one half of the games while the processor searches in the other.
    """
    count = 2 if seating.games > 1 and any(map(is_elsewhere, evaluators)) else 1
    seating = replace(seating, games=-(-seating.games // count))
    return [[Seats(evaluator, seating) for evaluator in evaluators] for _ in range(count)]
