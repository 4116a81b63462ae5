"""Every engine option in one table.

`OPTIONS` is the only list of settings: the `uci` answer, `setoption`, command-line flags, TOML keys and the README's
table are made from it, and `EngineOptions` holds the values. This module imports the standard library only, because
`uci` is answered from it before anything heavy is loaded.

    name, flag, key     `Hash` (UCI), `--hash-mib` (command line), `hash_mib` (TOML and Python): one row serves all
    bad value           `parse_value` raises ConfigError naming key, value and range; the old value stays the caller's
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from engine.errors import ConfigError

__all__ = [
    "OPTIONS",
    "EngineOptions",
    "Option",
    "add_flags",
    "find_option",
    "load_toml",
    "markdown_table",
    "options_from_flags",
    "options_from_mapping",
    "parse_value",
    "set_option",
    "uci_lines",
]

OptionType = Literal["spin", "check", "combo", "string", "float", "button"]
Value = bool | int | float | str

_EMPTY = "<empty>"  # how UCI writes a string without characters
_AUTO_THREADS = 2  # more search threads than this are asked for, never taken


@dataclass(frozen=True)
class Option:
    """One row of the table; `field` names the attribute of EngineOptions it sets ("" for a button)."""

    name: str  # UCI name
    type: OptionType  # "float" is shown to GUIs as a string, UCI has no fractions
    field: str
    help: str
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def default(self) -> Value:
        """The field's default in EngineOptions; a button has none and gives ""."""
        return "" if self.type == "button" else _DEFAULTS[self.field]

    @property
    def flag(self) -> str:
        """The command-line flag, `--hash-mib` for the field `hash_mib`."""
        return "--" + self.field.replace("_", "-")

    @property
    def range_text(self) -> str:
        """The allowed values in words, for error messages and the README."""
        if self.type == "check":
            return "true, false"
        if self.type == "combo":
            return ", ".join(self.choices)
        if self.min is None or self.max is None:
            return "text" if self.type == "string" else "-"
        return f"{self.min:.10g} to {self.max:.10g}"


@dataclass(frozen=True)
class EngineOptions:
    """The engine's settings; `OPTIONS` holds range and meaning of each.

    Raises ConfigError when a value is outside its row's range. A weights file of "<default>" is the shipped net.
    """

    hash_mib: int = 256
    threads: int = 0
    move_overhead_ms: int = 30
    multi_pv: int = 1
    ponder: bool = False
    chess960: bool = False
    show_wdl: bool = False
    analyse_mode: bool = False
    opponent: str = ""
    weights_file: str = "<default>"
    evaluator: str = "auto"
    hybrid_weight: float = 0.5
    cpuct_init: float = 1.745
    cpuct_base: float = 38739.0
    cpuct_factor: float = 3.894
    fpu_reduction: float = 0.330
    policy_temperature: float = 1.359
    syzygy_path: str = ""
    log_file: str = ""

    def __post_init__(self) -> None:
        for option in OPTIONS:
            if option.field:
                _check_value(option, getattr(self, option.field))

    @property
    def thread_count(self) -> int:
        """Search threads to start: `threads`, or for 0 as many as the machine has, at most two."""
        return self.threads or min(_AUTO_THREADS, _usable_cpus())


_DEFAULTS: dict[str, Value] = {field.name: field.default for field in fields(EngineOptions)}  # type: ignore[misc]

OPTIONS: tuple[Option, ...] = (
    Option("Hash", "spin", "hash_mib", "Memory for search tree and caches together, in MiB", 1, 65536),
    Option("Threads", "spin", "threads", "Search threads; 0 takes two where the machine has them", 0, 256),
    Option("Move Overhead", "spin", "move_overhead_ms", "Time kept back for the way to the GUI, in ms", 0, 10000),
    Option("MultiPV", "spin", "multi_pv", "Number of lines shown", 1, 218),
    Option("Ponder", "check", "ponder", "Accepted from GUIs that let the engine think on the opponent's time"),
    Option("UCI_Chess960", "check", "chess960", "Fischer Random rules and castling notation (king takes rook)"),
    Option("UCI_ShowWDL", "check", "show_wdl", "Win, draw and loss chances in every scored line, per mille"),
    Option("UCI_AnalyseMode", "check", "analyse_mode", "Accepted from GUIs that analyse; the search is the same"),
    Option("UCI_Opponent", "string", "opponent", "Accepted from GUIs that name the opponent; changes nothing"),
    Option("WeightsFile", "string", "weights_file", "Net file (.dit); the default is the net that comes with Aino"),
    Option(
        "Evaluator",
        "combo",
        "evaluator",
        "What judges positions; auto is hybrid, or material where no net can be loaded",
        choices=("auto", "network", "material", "hybrid"),
    ),
    Option("HybridWeight", "float", "hybrid_weight", "Share of the material value in the hybrid evaluator", 0.0, 1.0),
    Option("CPuct", "float", "cpuct_init", "Exploration constant", 0.0, 100.0),
    Option("CPuctBase", "float", "cpuct_base", "Visits at which exploration begins to grow", 1.0, 1e9),
    Option("CPuctFactor", "float", "cpuct_factor", "How fast exploration grows with visits", 0.0, 1000.0),
    Option("FpuReduction", "float", "fpu_reduction", "First-play urgency: value taken off unvisited moves", 0.0, 10.0),
    Option("PolicyTemperature", "float", "policy_temperature", "Softmax temperature of the move priors", 0.1, 10.0),
    Option("SyzygyPath", "string", "syzygy_path", "Folders with Syzygy endgame tables"),
    Option("LogFile", "string", "log_file", "File that gets a copy of all UCI traffic"),
    Option("Clear Hash", "button", "", "Forgets the search tree and all caches"),
)


# ---- values ---------------------------------------------------------------------------------------------------------


def find_option(name: str) -> Option | None:
    """The row with this UCI name (case does not matter), or None."""
    wanted = " ".join(name.split()).lower()
    return next((option for option in OPTIONS if option.name.lower() == wanted), None)


def parse_value(option: Option, text: str) -> Value:
    """The value that `text` stands for. Raises ConfigError naming option, value and range."""
    text = text.strip()
    try:
        if option.type == "spin":
            value: Value = int(text)
        elif option.type == "float":
            value = float(text)
        elif option.type == "check":
            value = {"true": True, "false": False}[text.lower()]
        elif option.type == "combo":
            value = {choice.lower(): choice for choice in option.choices}[text.lower()]
        else:
            value = "" if text == _EMPTY else text
    except (ValueError, KeyError):
        raise _bad_value(option, text) from None
    _check_value(option, value)
    return value


def set_option(options: EngineOptions, name: str, text: str) -> EngineOptions:
    """A copy of `options` with one option set from its UCI name and value text.

    Raises ConfigError for an unknown name, a button (which has no value) or a bad value.
    """
    option = find_option(name)
    if option is None or option.type == "button":
        raise ConfigError(f"no option {name!r} takes a value")
    return replace(options, **{option.field: parse_value(option, text)})  # type: ignore[arg-type]


def _check_value(option: Option, value: Value) -> None:
    kinds: dict[str, tuple[type, ...]] = {"spin": (int,), "float": (int, float), "check": (bool,)}
    good = isinstance(value, kinds.get(option.type, (str,))) and isinstance(value, bool) == (option.type == "check")
    if good and isinstance(value, int | float) and option.min is not None and option.max is not None:
        good = option.min <= value <= option.max  # false for NaN too
    if good and option.choices:
        good = value in option.choices
    if not good:
        raise _bad_value(option, value)


def _bad_value(option: Option, value: Value) -> ConfigError:
    return ConfigError(f"{option.name} ({option.field}): bad value {value!r}, expected {option.range_text}")


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# ---- the forms of the table -----------------------------------------------------------------------------------------


def uci_lines() -> list[str]:
    """The `option name ... type ...` lines of the answer to `uci`."""
    return [_uci_line(option) for option in OPTIONS]


def _uci_line(option: Option) -> str:
    kind = "string" if option.type == "float" else option.type
    line = f"option name {option.name} type {kind}"
    if option.type == "button":
        return line
    line += f" default {_text(option.default) or _EMPTY}"
    if option.type == "spin":
        line += f" min {option.range_text.replace(' to ', ' max ')}"
    return line + "".join(f" var {choice}" for choice in option.choices)


def add_flags(parser: argparse.ArgumentParser, only: tuple[str, ...] = ()) -> None:
    """Adds one flag for each option (or for the fields in `only`), and `--config` for a TOML file of them."""
    group = parser.add_argument_group("engine options")
    group.add_argument("--config", type=Path, metavar="FILE", help="TOML file with engine options")
    for option in OPTIONS:
        if not option.field or (only and option.field not in only):
            continue
        text = option.help.replace("%", "%%")
        if option.type == "check":
            group.add_argument(option.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            default = f"{text} (default {_text(option.default) or 'empty'})"
            group.add_argument(option.flag, default=None, metavar=_metavar(option), help=default)


def options_from_flags(arguments: argparse.Namespace) -> EngineOptions:
    """Options from parsed flags, over those of `--config`, over the defaults. Raises ConfigError."""
    config = getattr(arguments, "config", None)
    options = load_toml(config) if config else EngineOptions()
    given: dict[str, Value] = {}
    for option in OPTIONS:
        value = getattr(arguments, option.field, None) if option.field else None
        if value is not None:
            given[option.field] = value if isinstance(value, bool) else parse_value(option, value)
    return replace(options, **given)  # type: ignore[arg-type]


def options_from_mapping(values: Mapping[str, object]) -> EngineOptions:
    """Options from field names and values, as read from TOML. Raises ConfigError for unknown keys and bad values."""
    unknown = sorted(set(values) - set(_DEFAULTS))
    if unknown:
        raise ConfigError(f"unknown engine option {unknown[0]!r}, expected one of: {', '.join(_DEFAULTS)}")
    return EngineOptions(**values)  # type: ignore[arg-type]


def load_toml(path: str | Path) -> EngineOptions:
    """Options from a TOML file of `field = value` lines. Raises ConfigError naming the file."""
    try:
        with open(path, "rb") as file:
            return options_from_mapping(tomllib.load(file))
    except (OSError, ValueError) as error:  # TOMLDecodeError and ConfigError are ValueErrors
        raise ConfigError(f"{path}: {error}") from error


def markdown_table() -> str:
    """The README's option table."""
    lines = ["| UCI option | flag and key | default | range | meaning |", "|---|---|---|---|---|"]
    for option in OPTIONS:
        flag = f"`{option.flag}`" if option.field else "-"
        default = f"`{_text(option.default)}`" if _text(option.default) else "-"
        lines.append(f"| `{option.name}` | {flag} | {default} | {option.range_text} | {option.help} |")
    return "\n".join(lines) + "\n"


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _metavar(option: Option) -> str:
    if option.choices:
        return "|".join(option.choices)
    return {"spin": "N", "float": "X"}.get(option.type, "TEXT")
