"""What a move costs besides its visits: CPU milliseconds from `go` to `bestmove` in one process.

    python -m benchmarks.fixed_costs
    python -m benchmarks.fixed_costs --nodes 1 --hash-mib 16 1024 --rounds 10

Searches the positions of a game, in turn, from a kept tree. One row for each number of nodes and
each size of `Hash`; searches of one node must cost the same at any size. Then the moves of
self-play games of a network with random weights, one row for each number of visits. All figures are
medians.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measuring import Row, game_boards, new_parser, report
from engine import Engine
from engine.nn import dit
from engine.options import EngineOptions
from engine.search.limits import Limits
from selfplay.families.by_name import family_of
from selfplay.games.game_settings import GameSettings
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.matches.opening_book import OpeningRows
from selfplay.run.phase_games import GenerationTask, play_numbers, usual_start

NET = "sparse-256"  # What self-play searches with.
SEED = 1


def main(words: Sequence[str] | None = None) -> None:
    parser = new_parser(
        __doc__,
        nodes=[1, 100, 1000],
        hash_mib=[16, 256, 1024],
        rounds=(4, "search the game so often"),
        visits=[50, 200],
        moves=(300, "moves of self-play games"),
    )
    parser.add_argument("--evaluator", choices=("sparse", "material"), default="sparse")
    options = parser.parse_args(words)
    rows: list[Row] = []
    for nodes in options.nodes:
        for hash_mib in options.hash_mib:
            cost = move_ms(options.evaluator, nodes, hash_mib, options.rounds)
            rows.append({"what": f"{nodes} nodes, Hash {hash_mib}", "CPU ms a move": cost})
    for visits in options.visits:
        cost = selfplay_move_ms(visits, options.moves)
        rows.append({"what": f"self-play, {visits} visits", "CPU ms a move": cost})
    report(rows, options.json)


def move_ms(evaluator: str, nodes: int, hash_mib: int, rounds: int) -> float:
    """Median CPU milliseconds of a move of one game that searches so many new nodes."""
    boards = [board for board in game_boards() if board.legal_moves]
    settings = EngineOptions(evaluator=evaluator, threads=1, hash_mib=hash_mib)
    times = []
    with Engine(settings) as engine:
        engine.warm_up()
        for number in range(rounds + 1):
            engine.new_game()
            for board in boards:
                begun = time.process_time()
                engine.set_position(board)
                result = engine.search(Limits(nodes=nodes))
                if number > 0 and result.nodes:  # The first round fills memory and caches.
                    times.append(time.process_time() - begun)
    return 1000.0 * statistics.median(times)


class _TimedGame(SelfPlayGame):
    """A game that notes when it moves."""

    moved_at: list[float]

    def make_move(self) -> None:
        super().make_move()
        self.moved_at.append(time.process_time())


class _TimedTask(GenerationTask):
    """Games that note together when they move."""

    def new_game(self, number: int) -> SelfPlayGame:
        game = _TimedGame(usual_start(), self.settings, self.seed, self.generation, number)
        game.moved_at = MOVED_AT
        return game


MOVED_AT: list[float] = []


def selfplay_move_ms(visits: int, moves: int) -> float:
    """Median CPU milliseconds of a move of self-play, one game after the other."""
    MOVED_AT.clear()
    with TemporaryDirectory() as folder:
        net = Path(folder) / "net.dit"
        dit.save(net, family_of(NET).build(np.random.default_rng(SEED)))
        settings = GameSettings(visits=visits, concurrent=1, resign_below=-1.0, opening_share=0.0)
        task = _TimedTask(SEED, 0, settings, (net,), OpeningRows([]))
        play_numbers(task, itertools.count(), lambda record: None, lambda: len(MOVED_AT) > moves)
    return 1000.0 * float(np.median(np.diff(MOVED_AT)))


if __name__ == "__main__":
    main()
