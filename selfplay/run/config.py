"""A run's configuration: dataclasses, a TOML file, and command-line flags `--section.field`, in rising precedence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.settings_file import read_settings
from selfplay.games.settings import GameSettings
from selfplay.matches.statistics import Sprt
from selfplay.training.families import family_of

__all__ = [
    "FIXED",
    "FitSettings",
    "GateSettings",
    "RunConfig",
    "add_config_flags",
    "config_text",
    "flag_values",
    "merged",
    "overlay",
    "read_toml",
]

FIXED = ("net", "seed")  # fields that cannot change once a run exists
LARGEST_NUMBER = 1e15
FORMAT = 1  # of run folders; the first line of their config.toml


@dataclass(frozen=True)
class FitSettings:
    """Training of one generation's candidate, from the best network on."""

    positions: int = 32_768  # to train on, repetitions counted
    window: int = 8  # newest generations of replay to draw from
    value_share: float = 0.5  # of the root's value in the value target; the rest is the result
    heldout_share: float = 0.05  # of the newest generation's games, for the losses before and after
    batch_size: int = 256
    shard_size: int = 64  # positions that batch normalisation sees together
    peak_rate: float = 1e-3
    average_decay: float = 0.99  # of the weight average, a step
    checkpoint_s: float = 60.0  # seconds between checkpoints; what comes after the last is trained again

    def __post_init__(self) -> None:
        for name in ("positions", "window", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"fit.{name}: expected at least 1, got {getattr(self, name)}")
        if self.checkpoint_s < 0:
            raise ConfigError(f"fit.checkpoint_s: expected 0 or more, got {self.checkpoint_s}")
        if not 0.0 <= self.value_share <= 1.0 or not 0.0 < self.heldout_share < 1.0 or self.peak_rate <= 0:
            raise ConfigError("fit: expected value_share 0..1, heldout_share between 0 and 1, peak_rate > 0")


@dataclass(frozen=True)
class GateSettings:
    """Candidate against best network: pairs of games, colours swapped, until the SPRT decides or `pairs` are played."""

    pairs: int = 60
    visits: int = 96  # of the root, a move, both sides
    elo0: float = 0.0
    elo1: float = 60.0
    alpha: float = 0.05
    beta: float = 0.10
    accept_score: float = 0.52  # at the limit without a decision, the candidate needs this score
    longest: int = 300  # plies; then the game is a draw

    def __post_init__(self) -> None:
        if self.pairs < 1 or self.visits < 1 or self.longest < 1:
            raise ConfigError("gate: expected pairs, visits and longest of at least 1")
        self.sprt()

    def sprt(self) -> Sprt:
        """The test. Raises ConfigError for bounds or error rates that make none."""
        return Sprt(self.elo0, self.elo1, self.alpha, self.beta)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is told."""

    net: str = "32x4"  # a tower, filters x blocks, or a sparse network, such as sparse-256
    seed: int = 1
    threads: int = 2  # of the learner; self-play and gate use games.actors
    openings: str = ""  # EPD file; empty = the default set
    games: GameSettings = field(default_factory=GameSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        family_of(self.net)
        if self.threads < 1:
            raise ConfigError(f"threads: expected at least 1, got {self.threads}")


def overlay(config: Any, values: Mapping[str, Any], place: str = "") -> Any:
    """The configuration with nested values put over it.

    Raises ConfigError naming the field for unknown ones and values of another type.
    """
    known = {one.name: getattr(config, one.name) for one in fields(config)}
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"unknown setting {place}{name}; known: {', '.join(known)}")
        old = known[name]
        if is_dataclass(old):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{place}{name}: expected a section, got {value!r}")
            changes[name] = overlay(old, value, f"{place}{name}.")
        elif isinstance(value, bool) or not isinstance(value, (int, float) if isinstance(old, float) else type(old)):
            raise ConfigError(f"{place}{name}: expected {type(old).__name__}, got {value!r}")
        elif isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:  # true for NaN
            raise ConfigError(f"{place}{name}: expected a number up to {LARGEST_NUMBER:g}, got {value!r:.40}")
        else:
            changes[name] = type(old)(value)
    return replace(config, **changes)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values of both; where both have one, that of `above`."""
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def read_toml(path: Path) -> dict[str, Any]:
    """Nested values of a TOML file. Raises ConfigError when it cannot be read or belongs to another format."""
    values = read_settings(path)
    if (found := values.pop("format", FORMAT)) != FORMAT:
        raise ConfigError(f"{path}: made by another Aino: expected format {FORMAT}, found {found!r}")
    return values


def config_text(config: RunConfig) -> str:
    """The configuration as TOML. JSON's numbers and strings are TOML's, too."""
    values = asdict(config)
    lines = [f"format = {FORMAT}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items() if not isinstance(value, dict)]
    for section, entries in values.items():
        if isinstance(entries, dict):
            lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in entries.items())]
    return "\n".join(lines) + "\n"


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every setting, named as in TOML: `--seed`, `--games.visits`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE.toml", help="settings by section, below the flags in precedence"
    )
    defaults = RunConfig()
    for one in fields(RunConfig):
        value = getattr(defaults, one.name)
        if not is_dataclass(value):
            _add_flag(parser, one.name, value)
            continue
        group = parser.add_argument_group(f"[{one.name}]")
        for inner in fields(value):
            _add_flag(group, f"{one.name}.{inner.name}", getattr(value, inner.name))


def _add_flag(parser: Any, name: str, default: Any) -> None:
    kind = type(default)
    metavar = {int: "N", float: "X", str: "TEXT"}[kind]
    parser.add_argument(f"--{name}", type=kind, metavar=metavar, dest=name, help=f"new runs: {default!r}")


def flag_values(arguments: argparse.Namespace) -> dict[str, Any]:
    """The nested values of the flags that were given."""
    given: dict[str, Any] = {}
    for one in fields(RunConfig):
        value = getattr(RunConfig(), one.name)
        names = [one.name] if not is_dataclass(value) else [f"{one.name}.{inner.name}" for inner in fields(value)]
        for name in names:
            if (chosen := getattr(arguments, name)) is not None:
                section, _, key = name.rpartition(".")
                (given.setdefault(section, {}) if section else given)[key] = chosen
    return given
