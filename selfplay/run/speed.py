"""How fast self-play is on this machine, beside the evaluator alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import chess

from engine.board.convert import row_from_board
from engine.evaluation import make_evaluator
from engine.evaluation.protocol import Evaluator, InKernelEvaluator, LeafBatch
from engine.search.session import Search
from engine.search.tree import DESCENTS
from selfplay.games.game_settings import GameSettings
from selfplay.games.player import KernelVisits
from selfplay.games.pool import play_games, play_in_turn
from selfplay.games.seats import Seating, Seats
from selfplay.games.selfplay_game import SelfPlayGame

ROUNDS = 6  # repeats of each measurement, interleaved so that a change in machine speed affects all of them
WARM_UP = 8  # untimed batches
SEED = 1

Speeds = dict[str, float]


def self_play_speeds(net: Path, settings: GameSettings, workers: int, seconds: float) -> Speeds:
    """Speeds a second of so many processes, each measured for about `seconds`.

    `raw evaluations` are those of the evaluator alone at the same batch and workers. In-kernel searches use no batches:
    for them `visits` are counted, and `share of the search alone` is the share of the time spent inside the kernel.
    """
    with ProcessPoolExecutor(workers, get_context("spawn")) if workers > 1 else nullcontext() as pool:
        rounds = [_measure_round(net, settings, seconds / ROUNDS, workers, pool) for _ in range(ROUNDS)]
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


def _measure_round(net: Path, settings: GameSettings, seconds: float, workers: int, pool: Executor | None) -> Speeds:
    def by_workers(measure: Callable[[Path, GameSettings, float], Speeds]) -> Speeds:
        asked = [pool.submit(measure, net, settings, seconds) for _ in range(workers)] if pool else []
        results = [each.result() for each in asked] or [measure(net, settings, seconds)]
        return {name: sum(result[name] for result in results) for name in results[0]}

    speeds = by_workers(_raw_speed)
    playing = by_workers(_kernel_speeds if _is_in_kernel(net) else _batch_speeds)
    if "inside" in playing:
        speeds |= {"visits/s": playing["visits"], "share of the search alone": playing["inside"] / workers}
    else:
        speeds |= {"evaluations/s": playing["evaluations"],
                   "share of raw": playing["evaluations"] / speeds["raw evaluations/s"]}  # fmt: skip
    return speeds | {"positions/s": playing["positions"]}


def _is_in_kernel(net: Path) -> bool:
    evaluator = make_evaluator("network", net)
    evaluator.close()
    return isinstance(evaluator, InKernelEvaluator)


class _Table:
    """One worker's evaluator, seats and endless games."""

    def __init__(self, net: Path, settings: GameSettings) -> None:
        self.evaluator = make_evaluator("network", net, threads=1, backend=settings.backend)
        self._settings = settings
        visits = max(settings.visits, settings.fast_visits)
        self.seating = Seating(settings.concurrent, visits, settings.longest)
        self.started: list[SelfPlayGame] = []

    def games(self) -> Iterator[SelfPlayGame]:
        """Games from the start position, without end."""
        start = row_from_board(chess.Board())
        while True:
            self.started.append(SelfPlayGame(start, self._settings, SEED, 0, len(self.started)))
            yield self.started[-1]

    def moves(self) -> int:
        """Moves made so far in all games."""
        return sum(game.moves_played for game in self.started)


def _raw_speed(net: Path, settings: GameSettings, seconds: float) -> Speeds:
    """The evaluator on a full batch, again and again."""
    table = _Table(net, settings)
    seats = Seats(table.evaluator, table.seating)
    numbers = list(range(settings.concurrent))
    for number, game in zip(numbers, table.games(), strict=False):
        game.sit_down([seats.players[number]])
    seats.gather(numbers)
    done, begin = 0, 0.0
    while not done or time.perf_counter() - begin < seconds:
        table.evaluator.evaluate(seats.leaves, settings.concurrent)
        if not begin:
            begin = time.perf_counter()  # the first batch compiles or loads kernels
        else:
            done += settings.concurrent
    table.evaluator.close()
    return {"raw evaluations/s": done / (time.perf_counter() - begin)}


class _CountingEvaluator:
    """Wraps an evaluator and counts the positions it was given."""

    def __init__(self, inner: Evaluator, count: Callable[[int], None]) -> None:
        self.name, self.round_size, self.needs_planes = inner.name, inner.round_size, inner.needs_planes
        self._inner, self._count = inner, count

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """As in Evaluator."""
        self._inner.evaluate(leaves, count)
        self._count(count)

    def close(self) -> None:
        """As in Evaluator."""
        self._inner.close()


def _batch_speeds(net: Path, settings: GameSettings, seconds: float) -> Speeds:
    """Many games at once, measured in mid-game: they are too long to wait for their ends."""
    table = _Table(net, settings)
    evaluated: list[tuple[float, int, int]] = []  # (time, positions, moves played in all games) of every batch

    def count(positions: int) -> None:
        evaluated.append((time.perf_counter(), positions, table.moves()))

    def stop() -> bool:
        if len(evaluated) <= WARM_UP or evaluated[-1][0] - evaluated[WARM_UP][0] < seconds:
            return False
        return evaluated[-1][2] >= len(table.started)

    seats = Seats(_CountingEvaluator(table.evaluator, count), table.seating)
    play_games(table.games(), [seats], lambda game: None, stop)
    table.evaluator.close()
    # All games move at about the same time. The evaluations of a move are therefore counted from the first batch to
    # the last one that ended a move, not over the timed part, which may begin and end anywhere between two moves.
    elapsed = evaluated[-1][0] - evaluated[WARM_UP][0]
    evaluations = sum(positions for _, positions, _ in evaluated[WARM_UP + 1 :]) / elapsed
    moves = evaluated[-1][2]
    last_move = next(number for number, (_, _, made) in enumerate(evaluated) if made == moves)
    per_move = sum(positions for _, positions, _ in evaluated[:last_move]) / moves
    return {"evaluations": evaluations, "positions": evaluations / per_move}


class _TimedVisits(KernelVisits):
    """Visits in the kernel, with the time inside it and the descents that it makes."""

    inside = 0.0
    descents = 0

    def _run(self, search: Search, visits: int) -> None:
        before, begin = int(search.tree.depths[DESCENTS]), time.perf_counter()
        super()._run(search, visits)
        self.inside += time.perf_counter() - begin
        self.descents += int(search.tree.depths[DESCENTS]) - before


def _kernel_speeds(net: Path, settings: GameSettings, seconds: float) -> Speeds:
    """One game after the other inside the kernel; the first move is not timed."""
    table = _Table(net, settings)
    assert isinstance(table.evaluator, InKernelEvaluator)
    kernel = _TimedVisits(table.evaluator)
    begin = 0.0

    def stop() -> bool:
        nonlocal begin
        if not begin and table.moves():
            begin, kernel.inside, kernel.descents = time.perf_counter(), 0.0, 0
        return begin > 0 and kernel.descents > 0 and time.perf_counter() - begin >= seconds

    seats = Seats(table.evaluator, replace(table.seating, games=1))
    play_in_turn(table.games(), [seats], [kernel], lambda game: None, stop)
    elapsed = time.perf_counter() - begin
    table.evaluator.close()
    return {
        "visits": kernel.descents / elapsed,
        "positions": (table.moves() - 1) / elapsed,
        "inside": kernel.inside / elapsed,
    }
