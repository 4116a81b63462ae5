"""The first phase of a generation: self-play games into the replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from engine.evaluation import make_evaluator
from engine.search.select import SearchParams
from selfplay.games.record import SelfPlayRecord
from selfplay.games.replay import ReplayWriter
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.run.actors import play_with_actors
from selfplay.run.folder import RunFolder

__all__ = ["GenerateProgress", "generate"]

OPENING_STREAM = 0x0BE7  # separates the choice of openings from the games' own random numbers


@dataclass(frozen=True)
class GenerateProgress:
    """Games and positions so far, of how many games, and positions a second of this call."""

    games: int
    of_games: int
    positions: int
    positions_per_s: float


def generate(
    run: RunFolder,
    generation: int,
    report: Callable[[GenerateProgress], None],
    tell: Callable[[str], None],
    stop: Callable[[], bool],
) -> bool:
    """Play the generation's missing games with the best network; True once it is published, False if stopped."""
    writer = ReplayWriter(run.replay, generation)
    if writer.cut_bytes:
        tell(f"replay of generation {generation}: cut a torn tail of {writer.cut_bytes} bytes")
    settings = run.config.games
    missing = [number for number in range(settings.count) if number not in writer.games]
    started, played = time.monotonic(), 0

    def finish(game: SelfPlayGame) -> None:
        nonlocal played
        record = game.record()
        writer.append(record)
        run.ledger.note_games(generation, [ledger_row(record)])
        played += len(record.moves)
        total = sum(len(stored.moves) for stored in writer.games.values())
        report(GenerateProgress(len(writer.games), settings.count, total, played / (time.monotonic() - started)))

    try:
        run.ledger.note_games(generation, [ledger_row(record) for record in writer.games.values()])
        play_with_actors(
            _new_games(run, generation, missing),
            lambda: [make_evaluator("network", run.best, threads=1)],
            settings.actors,
            min(settings.concurrent, max(1, -(-len(missing) // settings.actors))),
            finish,
            stop,
        )
        if len(writer.games) == settings.count:
            writer.publish()
    finally:
        writer.close()
    return len(writer.games) == settings.count


def ledger_row(record: SelfPlayRecord) -> tuple[int, int, int, str]:
    """(number, plies, White's points, ending) of a game."""
    return record.number, len(record.moves), record.white_points, record.ending.name.lower()


def _new_games(run: RunFolder, generation: int, numbers: list[int]) -> Iterator[SelfPlayGame]:
    openings, start = run.opening_rows(), run.start_row()
    for number in numbers:
        rng = np.random.default_rng([run.config.seed, generation, number, OPENING_STREAM])
        from_set = rng.random() < run.config.games.opening_share
        row = openings[rng.integers(len(openings))] if from_set else start
        yield SelfPlayGame(row, run.config.games, SearchParams(), run.config.seed, generation, number)
