"""The numbers of each generation, read from a run's database and replay games."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import RunError
from selfplay.matches.statistics import elo_from_score
from selfplay.records.game import SelfPlayRecord
from selfplay.records.replay import published_games, published_generations
from selfplay.report.opening_tree import OpeningMove, opening_tree
from selfplay.report.samples import Sample, choose_samples
from selfplay.run.anchors import AnchorFit, read_anchors
from selfplay.run.config import RunConfig, setting_changes, stored_config
from selfplay.run.ledger import GateResult, GenerationRow, Ledger, Phase, SelfPlayRow

UNBOUNDED = 9_000.0  # Elo; a larger value means that a score, or an end of its interval, was perfect


@dataclass(frozen=True)
class GamesSummary:
    """Self-play games. Shares are fractions of `games`; the score is White's share of the points."""

    games: int
    positions: int
    mean_plies: float
    draws: float
    resigned: float
    white_score: float
    endings: Counter[str]


@dataclass(frozen=True)
class Generation:
    """One generation. A field is None or empty until its step has run.

    The games that `gained` sums up also chose the candidates.
    """

    number: int
    phase: Phase
    imported: bool
    hours: float | None  # hours of work on it, without pauses; None where they are not known
    games: GamesSummary | None
    given_up: int  # games played through in which a side would have resigned
    wrong: int  # those of them that this side did not lose
    training: list[dict[str, Any]]  # losses of training batches by step, as the run database has them
    before: dict[str, Any] | None  # losses of the starting network on held-out games, with `_error` standard errors
    after: dict[str, Any] | None  # those of the candidate
    gate: GateResult | None
    gained: float | None  # Elo above the first network at most: promoted candidates' differences in their gates, summed


@dataclass(frozen=True)
class RunFacts:
    """A run. `tree` covers the games of `tree_generations` (first, last).

    `environments` are what worked on it, in order; `changes` the settings that changed on the way:
    the first `generation` of the new values, and [before, after] by name.
    """

    name: str
    config: RunConfig
    generations: list[Generation]
    tree: OpeningMove
    tree_generations: tuple[int, int]
    samples: list[Sample]
    anchors: AnchorFit
    environments: list[dict[str, Any]]
    changes: list[dict[str, Any]]

    @property
    def hours(self) -> dict[int, float | None]:
        """Hours of work from the run's start to the end of each generation; None where they are not known."""
        ends = accumulate(math.nan if one.hours is None else one.hours for one in self.generations)
        known = zip(self.generations, ends, strict=True)
        return {0: 0.0} | {one.number: None if math.isnan(end) else end for one, end in known}


def read_facts(path: Path, tell: Callable[[float], None] = lambda share: None) -> RunFacts:
    """Read a run folder, even of an active run. `tell` gets the share read, 0..1. Raises RunError without a run."""
    if not path.exists():
        raise RunError(f"{path}: no such folder")
    if not (path / "ledger.sqlite").is_file():
        if (path / "replay").is_dir():
            raise RunError(f"{path}: the run database, ledger.sqlite, is missing")
        raise RunError(f"{path}: not a self-play run; reports are for runs of `loop` and `pretrain`")
    ledger = Ledger(path / "ledger.sqlite", is_copy=True)
    try:
        rows = ledger.generations()
        if not rows:
            raise RunError(f"{path}: this run has not begun a generation yet")
        replay = path / "replay"
        published = [number for number in published_generations(replay) if number <= rows[-1].number]
        config = stored_config(path / "config.toml")
        newest, shown = published[-config.fit.window :], published[:1] + published[-1:]
        tables = _Tables(ledger.imports(), ledger.work(), ledger.resignations(), ledger.gates())
        generations: list[Generation] = []
        recent: list[SelfPlayRecord] = []
        kept: dict[int, list[SelfPlayRecord]] = {}
        for row in rows:
            number = row.number
            games = published_games(replay, number) if number in newest or number in shown else []
            generations.append(_generation(ledger, tables, row, generations))
            if number in newest:
                recent += games
            if number in shown:
                kept[number] = games
            tell(len(generations) / len(rows))
        environments = ledger.environments()
    finally:
        ledger.close()
    span = (newest[0], newest[-1]) if newest else (0, 0)
    name, anchors = path.resolve().name, read_anchors(path, config.anchors)
    tree, samples = opening_tree(recent), choose_samples(kept)
    changes = [
        {"generation": row.number, **changed}
        for earlier, row in pairwise(rows)
        if (changed := setting_changes(earlier.config, row.config))
    ]
    return RunFacts(
        name,
        config,
        generations,
        tree,
        span,
        samples,
        anchors,
        environments,
        changes,
    )


class _Tables(NamedTuple):
    """Tables of the run database, by generation."""

    imports: dict[int, list[tuple[str, int, int]]]
    work: dict[int, float]  # seconds
    resignations: dict[int, tuple[int, int]]  # given up, wrong
    gates: dict[int, GateResult]


def _generation(ledger: Ledger, tables: _Tables, row: GenerationRow, earlier: list[Generation]) -> Generation:
    number = row.number
    given_up, wrong = tables.resignations.get(number, (0, 0))
    gate = tables.gates.get(number)
    before, after = (_scores(ledger, number, kind) for kind in ("before", "after"))
    return Generation(
        number=number,
        phase=row.phase,
        imported=number in tables.imports,
        hours=tables.work[number] / 3600 if number in tables.work else None,
        games=_summary(ledger.games(number)),
        given_up=given_up,
        wrong=wrong,
        training=ledger.losses(number, "train"),
        before=before,
        after=after,
        gate=gate,
        gained=_gained(earlier[-1].gained if earlier else None, gate),
    )


def _scores(ledger: Ledger, number: int, kind: str) -> dict[str, Any] | None:
    """Return a generation's held-out losses of a kind, with their standard errors where these are known."""
    losses, errors = (ledger.losses(number, name)[-1:] for name in (kind, f"{kind}_error"))
    return losses[0] | {f"{name}_error": value for row in errors for name, value in row.items()} if losses else None


def _summary(rows: list[SelfPlayRow]) -> GamesSummary | None:
    if not rows:
        return None
    plies, points = (np.array([getattr(row, name) for row in rows], np.float64) for name in ("plies", "white_points"))
    endings = Counter(row.ending for row in rows)
    return GamesSummary(
        games=len(rows),
        positions=int(plies.sum()),
        mean_plies=float(plies.mean()),
        draws=float((points == 0).mean()),
        resigned=endings["resignation"] / len(rows),
        white_score=float((points + 1).mean() / 2),
        endings=endings,
    )


def _gained(before: float | None, gate: GateResult | None) -> float | None:
    if gate is None:
        return before
    return (before or 0.0) + (gate_difference(gate) if gate.accepted else 0.0)


def gate_difference(gate: GateResult) -> float:
    """Return a gate's Elo difference. A perfect score counts half a point less."""
    games, score = 2 * sum(gate.pentanomial), gate.score
    return elo_from_score(min(max(score, 0.5 / games), 1 - 0.5 / games))
