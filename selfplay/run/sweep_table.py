"""A table of settings times seeds, read from a TOML file: what each of its runs does in which generation.

out = "runs/study"          folder of the runs and their report
seeds = [1, 2, 3]
hours = 1.0                 of each run, or `generations`, or stages
[settings]                  of all runs, nested as in a run's config.toml
[[stages]]                  one after the other: `generations`, and settings; the last stage goes on
[rows.NAME]                 a row's settings, from its generation `begins` on; its own `generations`
[match]                     in `games` of `nodes` a move, the last networks of a row play those of the first row
                            with the same seed, or those of the row that its `against` names
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from selfplay.run.config import config_text, configured, merged, setting_changes
from selfplay.run.ledger import Ledger

KEYS = ("out", "seeds", "generations", "hours", "settings", "stages", "rows", "match")
OF_ROWS = ("begins", "generations", "against")
MAY_CHANGE = ("anchors.", "threads", "keep_nets")  # what begins so may differ from what a begun run was made with


@dataclass(frozen=True)
class Sweep:
    """The tables of a file. Raises ConfigError, which names the file, for what is unknown, missing or out of range."""

    file: Path
    table: Mapping[str, Any]

    def __post_init__(self) -> None:
        try:
            if unknown := self.table.keys() - {*KEYS}:
                raise ConfigError(f"unknown {min(unknown)}; known: {', '.join(KEYS)}")
            if missing := {"out", "seeds", "rows"} - self.table.keys():
                raise ConfigError(f"{min(missing)} is missing")
            match = self.table.get("match", {"games": 2, "nodes": 1})
            if {*match} != {"games", "nodes"} or match["games"] % 2 or min(match.values()) < 1:
                raise ConfigError(f"match: expected games, an even number, and nodes, got {match}")
            if not (self.seeds and self.rows and Path(self.table["out"]).name):
                raise ConfigError("expected a folder out, and at least one of seeds and of rows")
            for name, row in self.rows.items():
                if Path(name).name != name:
                    raise ConfigError(f"rows: {name!r} cannot be the name of a folder")
                if (against := row.get("against", name)) not in self.rows:
                    raise ConfigError(f"rows.{name}.against: expected one of {', '.join(self.rows)}, got {against!r}")
                for seed in self.seeds:
                    for first, _ in self.parts(name):
                        configured(self.values(name, seed, first))
        except (ConfigError, AttributeError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.file}: not a sweep: {error}") from error

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return self.table["rows"]

    @property
    def seeds(self) -> list[int]:
        return self.table["seeds"]

    @property
    def hours(self) -> float:
        """Hours after which a run begins no generation."""
        return float(self.table.get("hours", math.inf))

    def path(self, row: str, seed: int) -> Path:
        """Return the folder of a run."""
        return Path(self.table["out"]) / row / f"seed-{seed}"

    def parts(self, row: str) -> Iterator[tuple[int, int | None]]:
        """Yield (first, last generation) of the stretches of a row's runs in which no setting changes; None where only
        hours end the last one.
        """
        own, ends = self.rows[row], self._stage_ends()
        last = own.get("generations", self.table.get("generations", ends[-1] if ends else None))
        last = None if self.hours < math.inf else int(last)
        firsts = sorted({1, own.get("begins", 1), *(end + 1 for end in ends[:-1])})
        if not (begun := [first for first in firsts if last is None or first <= last]):
            raise ConfigError(f"generations: expected at least 1, got {last}")
        yield from ((first, following - 1) for first, following in pairwise(begun))
        yield begun[-1], last

    def values(self, row: str, seed: int, generation: int) -> dict[str, Any]:
        """Return the settings of a run in a generation, as of `RunFolder`."""
        found = merged(self.table.get("settings", {}), {"seed": seed})
        for stage, end in zip(self.table.get("stages", []), [0, *self._stage_ends()], strict=False):
            if generation > end:
                found = merged(found, {name: value for name, value in stage.items() if name != "generations"})
        own = {name: value for name, value in self.rows[row].items() if name not in OF_ROWS}
        return merged(found, own) if generation >= self.rows[row].get("begins", 1) else found

    def _stage_ends(self) -> list[int]:
        return list(accumulate(stage["generations"] for stage in self.table.get("stages", [])))

    def check_begun(self, row: str, seed: int) -> None:
        """Raise RunError where a run was begun with other settings than the file has now."""
        path = self.path(row, seed)
        ledger = path / "ledger.sqlite"
        for one in Ledger(ledger, is_copy=True).generations() if ledger.is_file() else []:
            wanted = config_text(configured(self.values(row, seed, one.number)))
            for name, (made, asked) in setting_changes(one.config, wanted).items():
                if not name.startswith(MAY_CHANGE):
                    raise RunError(
                        f"{path}: generation {one.number} was made with {name} {made!r}, and {self.file} says "
                        f"{asked!r}: give the sweep another `out`, or the row another name"
                    )
