"""How fast self-play is on this machine."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from selfplay.games.game_settings import GameSettings
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.run.playing import START, GenerationTask, play_numbers

SEED = 1


@dataclass(frozen=True)
class _MeasuredTask(GenerationTask):
    """Games that are remembered: they are too long to wait for their ends.

    Attributes:
        started: the games so far.
    """

    started: list[SelfPlayGame] = field(default_factory=list)

    def new_game(self, number: int) -> SelfPlayGame:
        """As in PlayTask."""
        self.started.append(super().new_game(number))
        return self.started[-1]


def self_play_speed(net: Path, settings: GameSettings, workers: int, seconds: float) -> float:
    """Positions a second that so many processes play, measured for about `seconds`."""
    if workers == 1:
        return _speed_here(net, settings, seconds)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return sum(pool.map(_speed_here, *zip(*[(net, settings, seconds)] * workers, strict=True)))


def _speed_here(net: Path, settings: GameSettings, seconds: float) -> float:
    """The speed of this process, from the first time that a move was made to the last.

    Games that share batches move at about the same time, so a clock that stopped between two moves would be wrong.
    """
    task = _MeasuredTask(SEED, 0, settings, (net,), START[None])
    made: list[tuple[float, int]] = []  # (time, moves in all games) whenever there were more

    def stop() -> bool:
        moves = sum(game.ply for game in task.started)
        if moves > (made[-1][1] if made else 0):
            made.append((time.perf_counter(), moves))
        return len(made) > 1 and made[-1][0] - made[0][0] >= seconds

    play_numbers(task, itertools.count(), lambda record: None, stop)
    (begin, first), (end, last) = made[0], made[-1]
    return (last - first) / (end - begin)
