"""Command-line flags made from a default and a help text, or from the fields of a dataclass of settings."""

import argparse
from collections.abc import Collection, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from engine.options.settings import allowed_text

# What a flag's text becomes, and how the help names it, by the annotation of the field.
_KINDS: dict[str, tuple[Any, str]] = {"int": (int, "N"), "float": (float, "X"), "str": (str, "TEXT")}


def add_flag(
    group: argparse._ActionsContainer, flag: str, default: Any, text: str, metavar: str = "", **more: Any
) -> None:
    """Add a flag whose value has the type of its default, which the help shows; more: as in `add_argument`."""
    kind, text = type(default), f"{text} (default %(default)s)"
    name = None if "choices" in more else metavar or {int: "N", float: "X"}.get(kind, "TEXT")
    group.add_argument(flag, type=kind, default=default, metavar=name, help=text, **more)


def add_files(group: argparse._ActionsContainer, flag: str, text: str) -> None:
    """Add a flag with any number of paths, which may be given several times; none is the default."""
    group.add_argument(flag, type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=text)


def hide_seldom(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """Leave these arguments out of a brief parser's help (`make_parser`), and show `--help-all`, which has them."""
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
    """Add a flag for each field that has a help text, or for those of these names. The settings check its value.

    A flag is `--calm-cp` for `calm_cp`, or what the field's metadata have as `flag`. With a `prefix`, it is what the
    configuration of a run calls the field: `--games.visits` for the prefix "games.".

    of: settings that have the fields' defaults, by what each is the default for; such flags are None unless given.
    """
    told = "default" if prefix is None else "default of new runs:"
    for one in fields(settings):
        if "help" not in one.metadata or (names and one.name not in names):
            continue
        dest = one.name if prefix is None else prefix + one.name
        flag = f"--{dest}" if prefix is not None else one.metadata.get("flag") or f"--{dest}".replace("_", "-")
        kind, metavar = _KINDS[str(one.type)]
        choices, allowed = one.metadata.get("choices", ()), allowed_text(one)
        about = f"{f'{allowed}; ' if allowed and not choices else ''}{told} {_default_text(one, of)}"
        text = f"{one.metadata['help']} ({about})".replace("%", "%%")
        name = "|".join(choices) or one.metadata.get("metavar", metavar)
        group.add_argument(flag, type=kind, default=None if of else one.default, metavar=name, dest=dest, help=text)


def _default_text(one: Field[Any], of: Mapping[str, Any] | None) -> str:
    """Return a field's default in words; of: as in `add_setting_flags`."""
    found = {kind: getattr(settings, one.name) for kind, settings in (of or {}).items()}
    if len(set(found.values())) > 1:
        return ", ".join(f"{value} for {kind}" for kind, value in found.items())
    return str(next(iter(found.values()), one.default)) or "empty"


def given_settings(settings: type[Any], arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the values of those flags that are not None, by field."""
    found = {one.name: getattr(arguments, one.name, None) for one in fields(settings) if "help" in one.metadata}
    return {name: value for name, value in found.items() if value is not None and (not names or name in names)}
