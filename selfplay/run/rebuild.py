"""Rebuilds a lost run database from the rest of the run folder: replay, networks, verdicts.

Only the losses of single training steps, the gates' single games and the sources of imports cannot be restored.
"""

from __future__ import annotations

import json
from pathlib import Path

from engine.errors import RunError
from engine.files import dit_file
from selfplay.records.replay import part_path, published_generations, read_segment, segment_path
from selfplay.run.config import RunConfig, config_text
from selfplay.run.ledger import GateResult, Ledger, Phase, ledger_row


def rebuild_ledger(ledger: Ledger, replay: Path, nets: Path, gates: Path, config: RunConfig) -> int:
    """Enter the folder's generations into an empty run database; returns their number.

    The generations come last, so that a rebuilding that was killed begins again. If the newest one has a candidate, it
    continues with the gate; a verdict that exists already is only carried out again. Raises RunError for a broken
    verdict, DataError for a broken segment, NetFileError for a broken network.
    """
    published = published_generations(replay)
    if ledger.current()[0] or not published:
        return 0
    newest = published[-1] + part_path(replay, published[-1] + 1).is_file()
    rows = []
    for number in range(published[0], newest + 1):
        segment, candidate = segment_path(replay, number), nets / f"gen-{number:05d}.dit"
        if segment.is_file():
            ledger.note_games(number, [ledger_row(game) for game in read_segment(segment)[0]])
        if candidate.is_file():
            _restore_training(ledger, number, candidate, config)
        _restore_verdict(ledger, number, gates / f"gen-{number:05d}.json")
        phase = Phase.DONE
        if number == newest:
            phase = Phase.GATE if candidate.is_file() else Phase.FIT if segment.is_file() else Phase.GENERATE
        place = segment if segment.is_file() else replay
        rows.append((number, phase, config_text(config), place.stat().st_mtime))
    ledger.restore_generations(rows)
    return len(rows)


def _restore_training(ledger: Ledger, number: int, candidate: Path, config: RunConfig) -> None:
    """The losses on held-out games, from the candidate's training card."""
    card = dit_file.load_tensors(candidate)[0]["card"]
    steps = max(1, card.get("positions", 0) // config.fit.batch_size)
    for kind, name in (("before", "heldout_before"), ("after", "heldout")):
        if name in card:
            ledger.note_losses(number, steps, kind, card[name])


def _restore_verdict(ledger: Ledger, number: int, path: Path) -> None:
    if not path.is_file():
        return
    try:
        values = json.loads(path.read_bytes())
        ledger.note_gate(number, GateResult(**values | {"pentanomial": tuple(values["pentanomial"])}))
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path}: not the verdict of a gate: {error}") from error
