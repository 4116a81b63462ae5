"""Convert the option table to and from its other forms: `uci` answer, command-line flags, TOML.

Flags are also made from a default and a help text, or from the fields of any dataclass of settings.
"""

import argparse
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, asdict, fields, replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.settings_file import read_settings
from engine.options import EMPTY, OPTIONS, EngineOptions, Option, Value, parse_value
from engine.options.settings import allowed_text

# What a flag's text becomes, and how the help names it, by the annotation of the field.
_KINDS: dict[str, tuple[Any, str]] = {
    "int": (int, "N"),
    "float": (float, "X"),
    "str": (str, "TEXT"),
}


def add_flag(
    group: argparse._ActionsContainer, flag: str, default: Any, text: str, metavar: str = "",
    least: float | None = None, **more: Any,
) -> None:  # fmt: skip
    """Add a flag whose value has the type of its default, which the help shows; more: as in
    `add_argument`.
    """
    kind = type(default)
    reader: Callable[[str], Any] = kind
    if least is not None:
        reader = at_least(least, kind)
    if "choices" not in more:
        more["metavar"] = metavar or {int: "N", float: "X"}.get(kind, "TEXT")
    text = f"{text} (default %(default)s)"
    group.add_argument(flag, type=reader, default=default, help=text, **more)


def at_least(least: float, kind: type[int] | type[float] = int) -> Callable[[str], float]:
    """Return a type for `add_argument`: numbers of this kind from `least` up, without infinity."""

    def number(text: str) -> float:
        value = kind(text)
        if not least <= value < math.inf:  # `not` makes this true for NaN
            raise argparse.ArgumentTypeError(f"expected a number of at least {least:g}, got {text}")
        return value

    number.__name__ = kind.__name__  # for argparse's message about a text that is no number
    return number


def add_files(group: argparse._ActionsContainer, flag: str, text: str) -> None:
    """Add a flag with any number of paths, which may be given several times; none is the default."""
    group.add_argument(
        flag, type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=text
    )


def hide_seldom(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Leave these arguments out of a brief parser's help (`make_parser`), and show `--help-all`,
    which has them.
    """
    for action in parser._actions:
        if action.dest == "help_all":
            action.help = "show every option, and exit"
        elif action.dest in names and getattr(parser, "is_brief", False):
            action.help = argparse.SUPPRESS


def add_setting_flags(
    group: argparse._ActionsContainer,
    settings: type[Any],
    *names: str,
    of: Mapping[str, Any] | None = None,
    prefix: str | None = None,
) -> None:
    """Add a flag for each field that has a help text, or for those of these names. The settings
    check its value.

    A flag is `--calm-cp` for `calm_cp`, or what the field's metadata have as `flag`. With a
    `prefix`, it is what the configuration of a run calls the field: `--games.visits` for the prefix
    "games.".

    of: settings that have the fields' defaults, by what each is the default for; such flags are
    None unless given.
    """
    default_words = "default" if prefix is None else "default of new runs:"
    for setting in fields(settings):
        if "help" not in setting.metadata or (names and setting.name not in names):
            continue
        if prefix is None:
            dest = setting.name
            flag = setting.metadata.get("flag") or f"--{dest}".replace("_", "-")
        else:
            dest = prefix + setting.name
            flag = f"--{dest}"
        kind, metavar = _KINDS[str(getattr(setting.type, "__name__", setting.type))]
        choices = setting.metadata.get("choices", ())
        about = f"{default_words} {_default_text(setting, of)}"
        if not choices and (allowed := allowed_text(setting)):
            about = f"{allowed}; {about}"
        text = f"{setting.metadata['help']} ({about})".replace("%", "%%")
        name = "|".join(choices) or setting.metadata.get("metavar", metavar)
        default = None if of else setting.default
        group.add_argument(flag, type=kind, default=default, metavar=name, dest=dest, help=text)


def _default_text(setting: Field[Any], of: Mapping[str, Any] | None) -> str:
    """Return a field's default in words; of: as in `add_setting_flags`."""
    defaults = {kind: getattr(settings, setting.name) for kind, settings in (of or {}).items()}
    if len(set(defaults.values())) > 1:
        return ", ".join(f"{value} for {kind}" for kind, value in defaults.items())
    return str(next(iter(defaults.values()), setting.default)) or "empty"


def given_settings(
    settings: type[Any], arguments: argparse.Namespace, *names: str
) -> dict[str, Any]:
    """Return the values of those flags that are not None, by field."""
    values = {}
    for setting in fields(settings):
        if "help" in setting.metadata and (not names or setting.name in names):
            value = getattr(arguments, setting.name, None)
            if value is not None:
                values[setting.name] = value
    return values


_USUAL = {"threads", "weights_file"}  # fields whose flags every help shows


def uci_lines(options: EngineOptions) -> list[str]:
    """Return the `option name ... type ...` lines of the answer to `uci`, with the values in force
    as defaults.

    Many GUIs send every option back with its announced value. That way they do not undo what a file
    or flag has set.
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
    choices = list(option.choices)
    if choices and value not in choices:
        choices.append(value)  # a class that the user has written
    return " var ".join([line, *choices])


def add_flags(parser: argparse.ArgumentParser, only: tuple[str, ...] = ()) -> None:
    """Add one flag for each option (or for the fields in `only`), and `--config` for a TOML file of
    options.

    The help of a brief parser shows the usual ones, in a sentence each, and those of `only`.
    """
    is_brief = getattr(parser, "is_brief", False) and not only
    group = parser.add_argument_group("engine options")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="read engine options from this TOML file"
    )
    for option in OPTIONS:
        if not option.field or (only and option.field not in only):
            continue
        text = option.help.replace("%", "%%")
        default = f" (default {_text(option.default) or 'empty'})"
        if is_brief:
            text = re.split(r"\. | \(", text)[0]
            default = ""
        if option.type == "check":
            group.add_argument(
                option.flag, action=argparse.BooleanOptionalAction, default=None, help=text
            )
        else:
            name = "|".join(option.choices) or {"spin": "N", "float": "X"}.get(option.type, "TEXT")
            group.add_argument(option.flag, default=None, metavar=name, help=text + default)
    if not only:
        hide_seldom(parser, {option.field for option in OPTIONS} - _USUAL)


def options_from_flags(
    arguments: argparse.Namespace, base: EngineOptions | None = None
) -> EngineOptions:
    """Return options of flags, which override `--config`, which overrides `base` (the defaults).
    Raises ConfigError.
    """
    options = base or EngineOptions()
    if config := getattr(arguments, "config", None):
        options = load_toml(config, base)
    values: dict[str, Value] = {}
    for option in OPTIONS:
        value = getattr(arguments, option.field, None) if option.field else None
        if isinstance(value, str):
            value = parse_value(option, value)
        if value is not None:
            values[option.field] = value
    return replace(options, **values)  # type: ignore[arg-type]


def changes(before: EngineOptions, after: EngineOptions) -> dict[str, Value]:
    """Return field names and new values of the options that differ between `before` and `after`."""
    return {name: value for name, value in asdict(after).items() if value != getattr(before, name)}


def options_from_mapping(
    values: Mapping[str, object], base: EngineOptions | None = None
) -> EngineOptions:
    """Return `base` with values by field, as read from TOML. Raises ConfigError for unknown keys
    and bad values.
    """
    names = [field.name for field in fields(EngineOptions)]
    unknown = sorted(values.keys() - set(names))
    if unknown:
        raise ConfigError(
            f"unknown engine option {unknown[0]!r}, expected one of: {', '.join(names)}"
        )
    return replace(base or EngineOptions(), **values)  # type: ignore[arg-type]


def load_toml(path: str | Path, base: EngineOptions | None = None) -> EngineOptions:
    """Return `base` with the `field = value` lines of a TOML file. Raises ConfigError naming the
    file.
    """
    values = read_settings(path)
    try:
        return options_from_mapping(values, base)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
