"""A run's configuration: dataclasses, a TOML file, and command-line flags `--section.field`, in rising precedence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.settings_file import read_settings
from selfplay.games.settings import GameSettings
from selfplay.matches.statistics import Sprt
from selfplay.settings import check_settings, help_of, setting
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
    """Training of one generation's candidate, from the best network on. Raises ConfigError for values out of range."""

    positions: int = setting(32_768, "positions to train on, repetitions counted", least=1)
    window: int = setting(8, "newest generations of replay to draw from", least=1)
    value_share: float = setting(
        0.5, "share of the root's value in the value target; the rest is the result", least=0, most=1
    )
    heldout_share: float = setting(
        0.05, "share of the newest generation's games kept for the losses before and after", above=0, below=1
    )
    batch_size: int = setting(256, "positions of a training step", least=2)
    shard_size: int = setting(64, "positions that batch normalisation sees together", least=2)
    peak_rate: float = setting(1e-3, "highest learning rate", above=0)
    average_decay: float = setting(0.99, "decay of the weight average, a step", least=0, below=1)
    checkpoint_s: float = setting(
        60.0, "seconds between checkpoints; what comes after the last is trained again", least=0
    )

    def __post_init__(self) -> None:
        check_settings(self, "fit.")


@dataclass(frozen=True)
class GateSettings:
    """Candidate against best network: pairs of games, colours swapped, until the SPRT decides or `pairs` are played.

    Raises ConfigError for values out of range.
    """

    pairs: int = setting(60, "pairs of games, the most that are played", least=1)
    visits: int = setting(96, "root visits of a move, for both sides", least=1)
    elo0: float = setting(0.0, "Elo difference at which the candidate is rejected by SPRT")
    elo1: float = setting(60.0, "Elo difference at which it is accepted; above gate.elo0")
    alpha: float = setting(0.05, "error rate of accepting", above=0, below=0.5)
    beta: float = setting(0.10, "error rate of rejecting", above=0, below=0.5)
    accept_score: float = setting(
        0.52, "score that the candidate needs at the limit of pairs without a decision", least=0, most=1
    )
    longest: int = setting(300, "plies after which a game is a draw", least=1)

    def __post_init__(self) -> None:
        check_settings(self, "gate.")
        self.sprt()

    def sprt(self) -> Sprt:
        """The test. Raises ConfigError for bounds or error rates that make none."""
        return Sprt(self.elo0, self.elo1, self.alpha, self.beta)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is told. Raises ConfigError for values out of range."""

    net: str = setting("32x4", "a tower, FILTERSxBLOCKS, or a sparse network, such as sparse-256")
    seed: int = setting(1, "of all that is left to chance", least=0)
    threads: int = setting(2, "threads of the learner; self-play and gate use games.actors", least=1)
    openings: str = setting("", "EPD file of openings; empty for the default set")
    games: GameSettings = field(default_factory=GameSettings)
    fit: FitSettings = field(default_factory=FitSettings)
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        family_of(self.net)
        check_settings(self)


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
            _add_flag(parser, one)
            continue
        group = parser.add_argument_group(f"[{one.name}]")
        for inner in fields(value):
            _add_flag(group, inner, f"{one.name}.")


def _add_flag(parser: Any, one: Field[Any], place: str = "") -> None:
    kind, name = type(one.default), f"{place}{one.name}"
    metavar = {int: "N", float: "X", str: "TEXT"}[kind]
    text = f"{help_of(one)}; new runs: {one.default!r}".replace("%", "%%")
    parser.add_argument(f"--{name}", type=kind, metavar=metavar, dest=name, help=text)


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
