"""A table of settings times seeds, read from a TOML file: what each of its runs does in which generation.

    out = "runs/study"          folder of the runs and their report
    seeds = [1, 2, 3]
    generations = 20            or `hours`; with stages, their sum by default
    [settings]                  of all runs, nested as in a run's config.toml
    [[stages]]                  optional, one after the other: `generations`, and settings; the last stage goes on
    [rows.NAME]                 a row's settings; from generation `begins` on; its own `generations`
    [match]                     optional: in `games` of `nodes` a move, the last networks of a row play those of the
                                first row with the same seed, or those of the row that its `against` names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from engine.files.settings_file import read_settings
from selfplay.run.config import config_text, configured, merged, setting_changes
from selfplay.run.ledger import Ledger

KEYS = ("out", "seeds", "generations", "hours", "settings", "stages", "rows", "match")
OF_ROWS = ("begins", "generations", "against")
MAY_CHANGE = ("anchors.", "threads", "keep_nets")  # what begins so may differ from what a begun run was made with


@dataclass(frozen=True)
class Sweep:
    """The file's tables. Raises ConfigError for unknown keys, missing ones, and settings that no run can have."""

    file: Path
    table: Mapping[str, Any]

    def __post_init__(self) -> None:
        table, named = self.table, [row.get("against") for row in self.rows.values()]
        if wrong := [key for key in table if key not in KEYS] or [name for name in named if name not in (None, *self.rows)]:
            raise ConfigError(f"{self.file}: unknown {wrong[0]!r}; known: {', '.join((*KEYS, *self.rows))}")
        seeds = table.get("seeds")
        if not (isinstance(seeds, list) and seeds and self.rows and isinstance(table.get("out"), str)):
            raise ConfigError(f"{self.file}: expected out = FOLDER, seeds = [1, ...] and at least one table [rows.NAME]")
        for name in self.rows:
            if self.generations(name) is None and "hours" not in table:
                raise ConfigError(f"{self.file}: expected generations, hours or stages")
            for first, _ in self.parts(name):
                try:
                    configured(self.values(name, seeds[0], first))
                except ConfigError as error:
                    raise ConfigError(f"{self.file}: row {name}: {error}") from error

    @property
    def rows(self) -> Mapping[str, Any]:
        return self.table.get("rows", {})

    @property
    def stages(self) -> list[dict[str, Any]]:
        return self.table.get("stages", [])

    def path(self, row: str, seed: int) -> Path:
        """Return the folder of a run."""
        return Path(self.table["out"]) / row / f"seed-{seed}"

    def generations(self, row: str) -> int | None:
        """Return how many generations a row's runs have; None where only hours end them."""
        summed = sum(stage["generations"] for stage in self.stages) or None
        if "hours" in self.table:
            summed = None
        return self.rows[row].get("generations", self.table.get("generations", summed))

    def parts(self, row: str) -> Iterator[tuple[int, int | None]]:
        """Yield (first, last generation) of the stretches of a row's runs in which no setting changes."""
        firsts = {1, self.rows[row].get("begins", 1)}
        for number in range(1, len(self.stages)):
            firsts.add(1 + sum(stage["generations"] for stage in self.stages[:number]))
        end = self.generations(row)
        begun = sorted(first for first in firsts if end is None or first <= end)
        yield from zip(begun, [*(first - 1 for first in begun[1:]), end], strict=True)

    def values(self, row: str, seed: int, generation: int) -> dict[str, Any]:
        """Return the settings of a run in a generation, as of `RunFolder`."""
        found, first = merged(self.table.get("settings", {}), {"seed": seed}), 1
        for stage in self.stages:
            if generation >= first:
                found = merged(found, {name: value for name, value in stage.items() if name != "generations"})
            first += stage["generations"]
        if generation >= self.rows[row].get("begins", 1):
            own = {name: value for name, value in self.rows[row].items() if name not in OF_ROWS}
            found = merged(found, own)
        return found

    def check_begun(self, row: str, seed: int) -> None:
        """Raise RunError where a run was begun with other settings than the file has now."""
        ledger = self.path(row, seed) / "ledger.sqlite"
        if not ledger.is_file():
            return
        for one in Ledger(ledger, is_copy=True).generations():
            wanted = config_text(configured(self.values(row, seed, one.number)))
            for change in setting_changes([one.config, wanted]):
                for name, (made, asked) in change.items():
                    if not name.startswith((*MAY_CHANGE, "generation")):
                        raise RunError(
                            f"{ledger.parent}: generation {one.number} was made with {name} {made!r}, and {self.file} "
                            f"says {asked!r}: give the sweep another `out`, or the row another name"
                        )


def read_sweep(path: Path) -> Sweep:
    """Read a file. Raises ConfigError as `Sweep`."""
    return Sweep(path, read_settings(path))
