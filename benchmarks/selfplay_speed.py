"""Speed of self-play and training on this machine, with random weights.

python -m benchmarks.selfplay_speed --net sparse-768 --json
"""

import argparse
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import chess
import numpy as np

from benchmarks.measuring import Row, counted, new_parser, report
from engine.backend import BACKEND_NAMES
from engine.board.convert import encode_move, row_from_board
from engine.cli.live_lines import live_line
from engine.cli.machine import describe_machine, speed_of
from engine.cli.option_forms import add_flag
from engine.nn import dit
from selfplay.data.pgn import record_of_result
from selfplay.families.by_name import family_of
from selfplay.games.game_settings import GameSettings
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.matches.opening_book import OpeningRows
from selfplay.records.collect import collect
from selfplay.records.positions import PositionSet
from selfplay.run.phase_games import GAMES_AT_ONCE, GenerationTask, play_numbers
from selfplay.training.family import Family
from selfplay.training.recipe import SPARSE_RECIPE, TOWER_RECIPE, LearnerSettings
from selfplay.training.source_files import TrainingData

GAMES, PLIES = 100, 80  # random games that are trained on; speed does not depend on what is learned
SEED = 1


def main(words: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        net=("64x6", "use FILTERSxBLOCKS or sparse-WIDTH with random weights"),
        threads=(2, "train on this many threads, and play on as many processes"),
        visits=(GameSettings.visits, "search this many visits per self-play move"),
        concurrency=(GAMES_AT_ONCE, "play this many games at once in each process"),
        seconds=(10.0, "measure each speed for this many seconds"),
    )
    text = f"train on this many positions per step (default {TOWER_RECIPE.batch_size} for towers, "
    text += f"{SPARSE_RECIPE.batch_size} for sparse networks)"
    parser.add_argument("--batch", type=int, metavar="N", help=text)
    add_flag(
        parser,
        "--backend",
        GameSettings.backend,
        "evaluate towers in self-play with this backend",
        choices=BACKEND_NAMES,
    )
    arguments = parser.parse_args(words)
    if arguments.seconds <= 0:
        parser.error(f"--seconds: expected more than 0, got {arguments.seconds}")
    rows: list[Row] = []
    for part, values in measure(arguments).items():
        rows += [{"part": part, "name": name, "value": value} for name, value in values.items()]
    report(rows, arguments.json)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the measurements by part and name; speeds are units of work per second."""
    family = family_of(arguments.net)
    recipe = family.recipe
    batch_size = arguments.batch
    if batch_size is None:
        batch_size = recipe.batch_size
    learning = LearnerSettings(batch_size, recipe.weight_decay, threads=arguments.threads)
    playing = GameSettings(
        concurrent=arguments.concurrency, visits=arguments.visits, backend=arguments.backend
    )
    settings = {
        "net": arguments.net,
        "threads": arguments.threads,
        "visits": arguments.visits,
        "backend": arguments.backend,
        "batch": batch_size,
        "games at once": arguments.concurrency * arguments.threads,
    }
    with live_line("bench") as line, TemporaryDirectory() as folder:
        positions = random_positions(np.random.default_rng(SEED))
        line.update(0.1, "training")
        training = measure_training(family, positions, learning, arguments.seconds)
        line.update(0.5, "self-play")
        net = Path(folder) / "net.dit"
        dit.save(net, family.build(np.random.default_rng(SEED)))
        played = self_play_speed(net, playing, arguments.threads, arguments.seconds)
    speeds = {"training": training, "self-play": {"positions/s": played}}
    return {"machine": describe_machine(), "settings": settings, **speeds}


def random_positions(
    rng: np.random.Generator, games: int = GAMES, plies: int = PLIES
) -> PositionSet:
    """Random games from the start position, each move its own policy target."""
    records = []
    for _ in range(games):
        board = chess.Board()
        moves: list[int] = []
        while len(moves) < plies and (legal := list(board.legal_moves)):
            move = legal[rng.integers(len(legal))]
            moves.append(encode_move(board, move))
            board.push(move)
        records.append(record_of_result(row_from_board(chess.Board()), moves, 0))
    return collect(records)[0]


def measure_training(
    family: Family, positions: PositionSet, settings: LearnerSettings, seconds: float
) -> dict[str, float]:
    """How fast the learner takes positions, sampling included."""
    data = TrainingData((positions,), (1.0,), positions)
    model = family.build(np.random.default_rng(SEED))
    learner = family.learner(model, family.batches(data, settings, SEED), settings, 1e-3, "numpy")
    with closing(learner):
        return {"positions/s": speed_of(counted(learner.step, settings.batch_size), seconds)}


@dataclass(frozen=True)
class _MeasuredTask(GenerationTask):
    """Games that are remembered: they are too long to wait for their ends.

    Attributes:
        started: the games so far.
    """

    started: list[SelfPlayGame] = field(default_factory=list)

    def new_game(self, number: int) -> SelfPlayGame:
        self.started.append(super().new_game(number))
        return self.started[-1]


def self_play_speed(net: Path, settings: GameSettings, workers: int, seconds: float) -> float:
    """Positions a second that so many processes play, measured for about `seconds`."""
    if workers == 1:
        return _speed_here(net, settings, seconds)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return sum(pool.map(_speed_here, *zip(*[(net, settings, seconds)] * workers, strict=True)))


def _speed_here(net: Path, settings: GameSettings, seconds: float) -> float:
    """Return the speed of this process, from the first time that a move was made to the last.

    Games that share batches move at about the same time, so a clock that stopped between two moves
    would be wrong.
    """
    task = _MeasuredTask(SEED, 0, settings, (net,), OpeningRows([chess.STARTING_FEN]))
    counts: list[tuple[float, int]] = []  # (time, moves in all games) whenever there were more
    moves_before = 0

    def stop() -> bool:
        nonlocal moves_before
        moves = sum(game.ply for game in task.started)
        if moves > moves_before:
            counts.append((time.perf_counter(), moves))
            moves_before = moves
        return len(counts) > 1 and counts[-1][0] - counts[0][0] >= seconds

    play_numbers(task, itertools.count(), lambda record: None, stop)
    (begin, first), (end, last) = counts[0], counts[-1]
    return (last - first) / (end - begin)


if __name__ == "__main__":
    main()
