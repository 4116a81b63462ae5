"""What a tuning run found: lines for a GUI, for `aino.toml` and for programs, and its folder read again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.errors import RunError
from engine.options import find_option
from selfplay.matches.archive import GameRow
from selfplay.tune.spsa import GainSchedule, Spsa
from selfplay.tune.tunable import Tunable
from selfplay.tune.tuning import TuningStanding, pair_results

KIND: Final = "tuning"  # The settings are in tuning.json.


def setoption_lines(options: tuple[Tunable, ...], values: np.ndarray) -> list[str]:
    """The UCI commands that set the values, float64[n]."""
    return [f"setoption name {option.name} value {option.text(value)}" for option, value in _pairs(options, values)]


def toml_lines(options: tuple[Tunable, ...], values: np.ndarray) -> list[str]:
    """The lines of `aino.toml` that set the values of Aino's options."""
    known = ((find_option(option.name), option, value) for option, value in _pairs(options, values))
    return [f"{own.field} = {option.text(value)}" for own, option, value in known if own is not None and own.field]


def outcome_json(options: tuple[Tunable, ...], now: TuningStanding) -> dict[str, Any]:
    """The standing as JSON values."""
    return {
        "pairs": now.pairs,
        "games": now.games,
        "values": {option.name: float(option.text(value)) for option, value in _pairs(options, now.values)},
        "faults": now.faults,
    }


def _pairs(options: tuple[Tunable, ...], values: np.ndarray) -> list[tuple[Tunable, float]]:
    return list(zip(options, map(float, values), strict=True))


@dataclass(frozen=True)
class TuningFacts:
    """What a tuning run's folder holds."""

    name: str
    settings: dict[str, Any]
    options: tuple[Tunable, ...]
    path: np.ndarray  # float64 [pairs + 1, n], the values after 0, 1, 2 ... pairs
    results: list[float]  # the first side's points minus the second's, for each pair

    @property
    def pairs(self) -> int:
        """The number of complete pairs."""
        return len(self.path) - 1


def read_tuning(folder: Path) -> TuningFacts:
    """Read the folder of a tuning run, even of an active one. Raises RunError if it is damaged."""
    try:
        settings = json.loads((folder / f"{KIND}.json").read_text(encoding="utf-8"))
        options = tuple(Tunable(**values) for values in settings["options"])
        spsa = Spsa(options, GainSchedule(settings["pairs"], settings["lag"]), settings["seed"])
        games = folder / "games.jsonl"
        lines = games.read_text(encoding="utf-8").split("\n")[:-1] if games.is_file() else []
        rows = [GameRow.from_json(line) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder}: not a readable tuning run: {error!r}") from error
    found = pair_results(rows)
    spsa.record(found)
    results = [found[pair] for pair in range(spsa.done)]
    return TuningFacts(folder.resolve().name, settings, options, np.array(spsa.path), results)
