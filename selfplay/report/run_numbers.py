"""Reads the numbers of runs from their folders: of `loop` from the run database, of `pretrain` from
the log.

docs/training.md describes the columns.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import ConfigError, RunError
from engine.files.atomic import real_path
from engine.files.settings_file import read_noted
from selfplay.records.endings import Ending
from selfplay.report.metrics import Metrics, Row
from selfplay.report.seed_groups import seed_groups
from selfplay.run.anchors import AnchorFit, read_anchors
from selfplay.run.config import (
    RunConfig,
    config_text,
    flat_settings,
    setting_changes,
    stored_config,
)
from selfplay.run.ledger import LOSSES, GateResult, GenerationRow, Ledger, Phase, SelfPlayRow
from selfplay.run.pretraining import CONFIG, RUN_LOG, read_log


def read_runs(paths: Sequence[Path]) -> list[Metrics]:
    """Read runs by groups, each named by as many folders as tell them apart. Raises ConfigError for
    a run twice.
    """
    parts = [real_path(path).parts for path in paths]
    if len(set(parts)) < len(parts):
        raise ConfigError("a run is given twice")
    names = list[str]()
    for n in range(1, max(map(len, parts)) + 1):
        names = ["/".join(folders[-n:]) for folders in parts]
        if len(set(names)) == len(parts):
            break
    groups = seed_groups([*map(read_run, paths, names)])
    return list(chain(*(group.runs for group in groups)))


def read_run(path: Path, name: str = "") -> Metrics:
    """Read the folder of a run, even of an active one. name: by default the folder's. Raises
    RunError without a run.
    """
    name = name or real_path(path).name
    if not (path / CONFIG).is_file():
        return _read_self_play(path, name)
    if (path / "ledger.sqlite").is_file():
        raise RunError(
            f"{path}: two runs in one folder: move {CONFIG}, {RUN_LOG} and checkpoint.npz to another one"
        )
    return _read_pretraining(path, name)


def _known(row: Mapping[str, float | None]) -> Row:
    """Return the numbers that are known."""
    return {
        name: value for name, value in row.items() if value is not None and math.isfinite(value)
    }


# ---- of `pretrain` -------------------------------------------------------------------------------


def _read_pretraining(path: Path, name: str) -> Metrics:
    log = path / RUN_LOG
    logged = list[dict[str, Any]]()
    try:
        config = dict(read_noted(path / CONFIG))
        if log.is_file():
            logged = read_log(log.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ConfigError) as error:
        raise RunError(f"{path}: not a readable pretraining run: {error}") from error
    if not logged:
        raise RunError(f"{path}: this run has not trained yet")
    rows = []
    steps = []
    for row in logged:
        if row.get("scores"):
            rows.append(_logged(row, row["scores"]))
        elif row.get("losses"):
            speed = row.get("positions_per_s")
            steps.append(_logged(row, row["losses"] | {"positions_per_s": speed}))
    scored_on = config.pop("heldout", name)
    return Metrics(
        name,
        "positions",
        settings=dict(flat_settings(config)),
        rows=rows,
        steps=steps,
        scored_on=scored_on,
        state=f"{logged[-1]['progress']:.0%} of the training is done",
    )


def _logged(row: Mapping[str, Any], values: Mapping[str, float | None]) -> Row:
    return {
        "positions": row["positions"],
        "step": row["step"],
        "hours": row["elapsed_s"] / 3600,
        **_known(values),
    }


# ---- of `loop` -----------------------------------------------------------------------------------


def _read_self_play(path: Path, name: str) -> Metrics:
    _check_self_play(path)
    with closing(Ledger(path / "ledger.sqlite", is_copy=True)) as ledger:
        generations = ledger.generations()
        if not generations:
            raise RunError(f"{path}: this run has not begun a generation yet")
        config = stored_config(path / "config.toml")
        anchors = read_anchors(path, config.anchors)
        newest = generations[-1]
        doing = "is done" if newest.phase is Phase.DONE else f"continues with {newest.phase}"
        games = {generation.number: ledger.games(generation.number) for generation in generations}
        endings = Counter(Ending[game.ending.upper()].words for game in chain(*games.values()))
        return Metrics(
            name,
            "generation",
            settings=_settings_played_with(config, newest.config),
            rows=_rows(ledger, games, anchors),
            steps=[
                {"generation": generation.number, **_known(row)}
                for generation in generations
                for row in ledger.losses(generation.number, "train")
            ],
            scored_on=config.fit.heldout or name,
            changes=_changes(generations),
            environments=ledger.environments(),
            state=f"generation {newest.number} {doing}",
            endings=dict(endings.most_common()),
            rung_scale=anchors.scale,
        )


def _settings_played_with(config: RunConfig, newest: str) -> dict[str, object]:
    """Return the settings of a run; those that no generation has used yet as the newest one, whose
    configuration is a text, had them.
    """
    unused = setting_changes(newest, config_text(config))
    settings = {name: pair[0] for name, pair in unused.items() if not name.startswith("anchors.")}
    return dict(flat_settings(asdict(config))) | settings


def _changes(generations: Sequence[GenerationRow]) -> list[dict[str, Any]]:
    """Return the settings that changed from one generation to the next."""
    changes: list[dict[str, Any]] = []
    for earlier, later in pairwise(generations):
        if changed := setting_changes(earlier.config, later.config):
            changes.append({"generation": later.number, **changed})
    return changes


def _check_self_play(path: Path) -> None:
    if not path.exists():
        raise RunError(f"{path}: no such folder")
    if (path / "ledger.sqlite").is_file():
        return
    if (path / "replay").is_dir():
        raise RunError(f"{path}: the run database, ledger.sqlite, is missing")
    raise RunError(f"{path}: not a self-play run; reports are for runs of `loop` and `pretrain`")


def _rows(
    ledger: Ledger, games_of: Mapping[int, Sequence[SelfPlayRow]], anchors: AnchorFit
) -> list[Row]:
    """One for each generation, by number and games, after that of the first network where its rung
    is known.
    """
    rows: list[Row] = []
    if start := _rung(anchors, 0):
        rows.append({"generation": 0, "hours": 0.0, "all_positions": 0, **start})
    work = ledger.work()
    resignations = ledger.resignations()
    gates = ledger.gates()
    hours = 0.0
    positions = 0
    gained = None
    for number, games in games_of.items():
        gate_row: Row = {}
        if (gate := gates.get(number)) is not None:
            gate_row = _gate_row(gate)
            gained = (gained or 0.0) + gate.gained
        hours += work.get(number, math.nan) / 3600
        positions += sum(game.plies for game in games)
        given_up, wrong = resignations.get(number, (None, None))
        row = {
            "generation": number,
            "hours": hours,
            **_games_row(games, positions),
            "given_up": given_up,
            "wrong": wrong,
            **_scores(ledger, number, "before", "before_"),
            **_scores(ledger, number, "after", ""),
            **gate_row,
            **_rung(anchors, number),
            "gained": gained,
        }
        rows.append(_known(row))
    return rows


def _gate_row(gate: GateResult) -> Row:
    return {
        "accepted": int(gate.accepted),
        "decided": int(gate.decided),
        "gate_games": gate.games,
        "gate_score": gate.score,
        "elo": gate.elo,
        "elo_low": gate.elo_low,
        "elo_high": gate.elo_high,
    }


def _games_row(games: Sequence[SelfPlayRow], positions: int) -> Row:
    """Shares are fractions of the games, the score is White's share of the points; positions: all
    since the start.
    """
    if not games:
        return {}
    plies = np.array([game.plies for game in games], np.float64)
    points = np.array([game.white_points for game in games], np.float64)
    return {
        "games": len(games),
        "positions": int(plies.sum()),
        "mean_plies": float(plies.mean()),
        "draws": float((points == 0).mean()),
        "resigned": sum(game.ending == "resignation" for game in games) / len(games),
        "white_score": float((points + 1).mean() / 2),
        "all_positions": positions,
    }


def _scores(ledger: Ledger, number: int, kind: str, prefix: str) -> Row:
    """Return a generation's held-out losses of a kind, with their standard errors where these are
    known.
    """
    scores = dict[str, float | None]()
    for row in ledger.losses(number, kind)[-1:]:
        scores |= {prefix + name: row[name] for name in LOSSES}
        for errors in ledger.losses(number, f"{kind}_error")[-1:]:
            scores |= {f"{prefix}{name}_error": errors[name] for name in LOSSES}
    return _known(scores)


def _rung(anchors: AnchorFit, number: int) -> Row:
    if (rung := anchors.networks.get(number)) is None:
        return {}
    return {
        "rung": rung.elo,
        "rung_low": rung.low,
        "rung_high": rung.high,
        "rung_games": anchors.games[number],
    }
