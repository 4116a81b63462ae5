"""Convert the option table to and from its other forms: `uci` answer, command-line flags, TOML."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path

from engine.cli.setting_flags import hide_seldom
from engine.errors import ConfigError
from engine.files.settings_file import read_settings
from engine.options import EMPTY, OPTIONS, EngineOptions, Option, Value, parse_value

_USUAL = {"threads", "weights_file"}  # fields whose flags every help shows


def uci_lines(options: EngineOptions) -> list[str]:
    """Return the `option name ... type ...` lines of the answer to `uci`, with the values in force as defaults.

    Many GUIs send every option back with its announced value. That way they do not undo what a file or flag has set.
    """
    return [_uci_line(option, options) for option in OPTIONS]


def _uci_line(option: Option, options: EngineOptions) -> str:
    kind = "string" if option.type == "float" else option.type
    line = f"option name {option.name} type {kind}"
    if option.type == "button":
        return line
    value = _text(getattr(options, option.field))
    line += f" default {value or EMPTY}"
    if option.type == "spin":
        line += f" min {option.range_text.replace(' to ', ' max ')}"
    own = (value,) if option.choices and value not in option.choices else ()  # a class that the user has written
    return line + "".join(f" var {choice}" for choice in (*option.choices, *own))


def add_flags(parser: argparse.ArgumentParser, only: tuple[str, ...] = ()) -> None:
    """Add one flag for each option (or for the fields in `only`), and `--config` for a TOML file of options.

    The help of a brief parser shows the usual ones, in a sentence each, and those of `only`.
    """
    is_brief = getattr(parser, "is_brief", False) and not only
    group = parser.add_argument_group("engine options")
    group.add_argument("--config", type=Path, metavar="FILE", help="read engine options from this TOML file")
    for option in OPTIONS:
        if not option.field or (only and option.field not in only):
            continue
        text = option.help.replace("%", "%%")
        default = f" (default {_text(option.default) or 'empty'})"
        if is_brief:
            text, default = re.split(r"\. | \(", text)[0], ""
        if option.type == "check":
            group.add_argument(option.flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(option.flag, default=None, metavar=_metavar(option), help=text + default)
    if not only:
        hide_seldom(parser, {option.field for option in OPTIONS} - _USUAL)


def options_from_flags(arguments: argparse.Namespace, base: EngineOptions | None = None) -> EngineOptions:
    """Return options of flags, which override `--config`, which overrides `base` (the defaults). Raises ConfigError."""
    config = getattr(arguments, "config", None)
    options = load_toml(config) if config else base or EngineOptions()
    given: dict[str, Value] = {}
    for option in OPTIONS:
        value = getattr(arguments, option.field, None) if option.field else None
        if value is not None:
            given[option.field] = value if isinstance(value, bool) else parse_value(option, value)
    return replace(options, **given)  # type: ignore[arg-type]


def changes(before: EngineOptions, after: EngineOptions) -> dict[str, Value]:
    """Return field names and new values of the options that differ between `before` and `after`."""
    return {name: value for name, value in asdict(after).items() if value != getattr(before, name)}


def options_from_mapping(values: Mapping[str, object]) -> EngineOptions:
    """Return options from values by field, as read from TOML. Raises ConfigError for unknown keys and bad values."""
    known = [field.name for field in fields(EngineOptions)]
    unknown = sorted(values.keys() - set(known))
    if unknown:
        raise ConfigError(f"unknown engine option {unknown[0]!r}, expected one of: {', '.join(known)}")
    return EngineOptions(**values)  # type: ignore[arg-type]


def load_toml(path: str | Path) -> EngineOptions:
    """Return options from a TOML file of `field = value` lines. Raises ConfigError naming the file."""
    values = read_settings(path)
    try:
        return options_from_mapping(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _metavar(option: Option) -> str:
    if option.choices:
        return "|".join(option.choices)
    return {"spin": "N", "float": "X"}.get(option.type, "TEXT")
