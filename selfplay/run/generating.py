"""The first phase of a generation: self-play games into the replay."""

from __future__ import annotations

import time
from dataclasses import asdict

import numpy as np

from selfplay.interrupt import Report, Stop, Tell
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import ReplayWriter
from selfplay.run.folder import RunFolder
from selfplay.run.guards import guarded_settings, summarise
from selfplay.run.ledger import ledger_row
from selfplay.run.playing import GenerationTask, PlayBackend, play_numbers


def generate_games(
    run: RunFolder, generation: int, report: Report, tell: Tell, stop: Stop, play: PlayBackend = play_numbers
) -> bool:
    """Play the generation's missing games with the best network; True once it is published, False if stopped."""
    writer = ReplayWriter(run.replay, generation)
    if writer.cut_bytes:
        tell(f"replay of generation {generation}: cut {writer.cut_bytes} damaged bytes; their games are played again")
    settings, changes = guarded_settings(run.config.games, run.replay, generation)
    for change in changes:
        tell(change)
    missing = [number for number in range(settings.count) if number not in writer.games]
    config = run.config
    started, played, begun_with = time.monotonic(), 0, len(writer.games)

    def finish(record: SelfPlayRecord) -> None:
        nonlocal played
        writer.append(record)
        run.ledger.note_games(generation, [ledger_row(record)])
        played += len(record.moves)
        report(len(writer.games) / settings.count, f"{len(writer.games)}/{settings.count} games, {speed()}")

    def speed() -> str:
        seconds = time.monotonic() - started
        return f"{(len(writer.games) - begun_with) / seconds:,.2f} games/s, {played / seconds:,.1f} positions/s"

    try:
        run.ledger.note_games(generation, [ledger_row(record) for record in writer.games.values()], anew=True)
        task = GenerationTask(
            config.seed, generation, settings, (run.best,), np.array(run.opening_rows()), net=config.net,
            search=config.search,
        )  # fmt: skip
        play(task, missing, finish, stop)
        if len(writer.games) >= settings.count:  # there are more games if the setting was lowered meanwhile
            summary = summarise(list(writer.games.values()), settings)
            run.ledger.note_self_play(generation, asdict(summary))
            writer.publish()
            tell(
                f"generation {generation}: {summary.drawn / summary.games:.0%} drawn; resigning below "
                f"{summary.resign_below:g} was wrong in {summary.wrong} of {summary.given_up} games played through"
            )
            if missing:
                positions = sum(len(game.moves) for game in writer.games.values())
                tell(f"generation {generation}: {len(writer.games)} games, {positions:,} positions ({speed()})")
    finally:
        writer.close()
    return len(writer.games) >= settings.count
